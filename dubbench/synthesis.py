"""Requests to dubs: one process runs the system, the ledger keeps what came of every clip."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from dubbench.dubbing import Task, Wanted, dub, failed
from dubbench.engine import Crash, each
from dubbench.identity import digest
from dubbench.journal import Journal
from dubbench.store import DubRow, SystemEntry

GIVE_UP = 3
"""A system whose process hangs or dies on this many clips in a row is given up."""


def dub_key(system: SystemEntry, clip_digest: str, reference_digest: str, other: str, seed: int) -> str:
    """What a dub depends on: the system, the clip, the reference, the other clip (controls only), the seed."""
    return digest([system.digest, clip_digest, reference_digest, other, seed])[:32]


def synthesise(
    run: Path,
    label: str,
    entry: SystemEntry,
    wanted: Sequence[Wanted],
    ledger: Journal[DubRow],
    *,
    device: str,
    timeout: float,
    threads: int,
    machine: str,
    done: Callable[[DubRow], None],
) -> None:
    """Dub every wanted clip that the ledger lacks, and write each result to the ledger as it comes.

    One process at a time, so that times are not taken beside another load of ours. The clips of a batch whose process
    hangs or dies are tried one by one. In the end the system is closed.

    Raises:
        OSError: a dub or the ledger cannot be written; what was written before is kept.
    """
    size = max(1, entry.info.batch)
    queue = deque(tuple(wanted[start : start + size]) for start in range(0, len(wanted), size))
    given_up = ""
    answered: set[str] = set()
    crashes = 0

    def keep(rows: Sequence[DubRow]) -> None:
        ledger.append(rows)
        for row in rows:
            answered.add(row.clip)
            done(row)

    def patience(task: Task) -> float:
        return timeout * max(1, len(task.wanted))

    with tempfile.TemporaryDirectory(prefix=f"{_STAGE}{os.getpid()}-", ignore_cleanup_errors=True) as stage:
        _sweep(Path(stage).parent)

        def tasks() -> Iterator[Task]:
            while queue and not given_up:
                yield Task(label, entry.spec, device, queue.popleft(), run, Path(stage), machine)
            yield Task(label, entry.spec, device, (), run, Path(stage), machine)

        while queue and not given_up:  # again where the last batch crashed
            for task, result in each(dub, tasks(), workers=1, timeout=patience, threads=threads):
                if isinstance(result, Crash):
                    if len(task.wanted) > 1:
                        queue.extendleft((w,) for w in reversed(task.wanted))
                    elif task.wanted:
                        crashes += 1
                        keep([failed(label, task.wanted[0], result.reason)])
                        if crashes >= GIVE_UP:
                            given_up = f"given up after {crashes} crashes in a row; the last: {result.reason}"
                    else:
                        _say(f"{label} did not close: {result.reason}")
                    continue
                if result.unwritten:
                    raise OSError(*result.unwritten)
                if not task.wanted:
                    if result.broken:
                        _say(f"{label} did not close: {result.broken}")
                    continue
                crashes = 0
                given_up = given_up or result.broken
                keep(result.rows)
    if given_up:
        keep([failed(label, w, given_up) for w in wanted if w.request.clip not in answered])


def _say(line: str) -> None:
    print(f"dubbench: {line}", file=sys.stderr)


_STAGE = "dubbench-requests-"


def _sweep(folder: Path) -> None:
    """Remove what killed processes left for longer than an hour."""
    for old in folder.glob(f"{_STAGE}*"):
        with suppress(OSError, ValueError):
            if time.time() - old.stat().st_mtime < 3600:
                continue
            try:
                os.kill(int(old.name.removeprefix(_STAGE).split("-")[0]), 0)
            except ProcessLookupError:
                shutil.rmtree(old, ignore_errors=True)
