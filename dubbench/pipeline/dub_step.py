"""Requests to dubs: one process runs the system, and the ledger keeps the outcome of every clip."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dubbench.core.identity import clip_seed
from dubbench.core.request import DubRequest, Truth
from dubbench.core.staging import STAGE
from dubbench.pipeline.cell import Resources
from dubbench.pipeline.dub_worker import KeyedRequest, SystemTask, failed, work
from dubbench.pipeline.nearest_reference import note_nearest
from dubbench.pipeline.prepare import sound_file, video_file
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, SystemEntry, ledger
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.files import Journal
from dubbench.runtime.progress import progress
from dubbench.runtime.worker_pool import GIVE_UP, Crash, Pool, each


def dub_key(system: SystemEntry, clip_digest: str, reference_digest: str, other: str, seed: int) -> str:
    """What a dub depends on: the system, the clip, the reference, the other clip (controls only), the seed."""
    return digest([system.digest, clip_digest, reference_digest, other, seed])[:32]


def key_of(system: SystemEntry, clip: ClipRow, seed: int) -> str:
    """`dub_key` of a clip of a run."""
    other = clip.other_digest if system.info.privileged else ""
    return dub_key(system, clip.digest, clip.reference_digest, other, seed)


def synthesise(
    run: Path,
    label: str,
    entry: SystemEntry,
    wanted: Sequence[KeyedRequest],
    book: Journal[DubRow],
    *,
    device: str,
    timeout: float,
    threads: int,
    machine: str,
    done: Callable[[DubRow], None],
    pool: Pool | None = None,
) -> None:
    """Dub every wanted clip that the ledger lacks, and write each result to the ledger as it comes.

    One process at a time, so that times are not taken beside another load of ours. The clips of a batch whose process
    hangs or dies are tried one by one; a load whose process dies is tried once more. In the end the system is
    closed.

    Raises:
        OSError: a dub or the ledger cannot be written; what was written before is kept.
    """
    size = max(1, entry.info.batch)
    queue = deque(tuple(wanted[start : start + size]) for start in range(0, len(wanted), size))
    given_up = ""
    answered: set[str] = set()
    crashes, dead_load = 0, False

    def keep(rows: Sequence[DubRow]) -> None:
        book.append(rows)
        for row in rows:
            answered.add(row.clip)
            done(row)

    def patience(task: SystemTask) -> float:
        return timeout * max(1, len(task.wanted))

    with tempfile.TemporaryDirectory(prefix=f"{STAGE}{os.getpid()}-", ignore_cleanup_errors=True) as stage:
        _sweep(Path(stage).parent)

        def tasks() -> Iterator[SystemTask]:
            todo = SystemTask("load", label, entry.spec, device, (), run, Path(stage), machine)
            yield todo
            while queue and not given_up:
                yield replace(todo, what="dub", wanted=queue.popleft())
            yield replace(todo, what="close")

        while queue and not given_up:  # again where the last batch crashed
            for task, result in (pool or each)(work, tasks(), workers=1, timeout=patience, threads=threads):
                if task.what == "close":
                    problem = result.reason if isinstance(result, Crash) else result.broken
                    if problem:
                        print(f"dubbench: {label} did not close: {problem}", file=sys.stderr)
                elif not isinstance(result, Crash):
                    if result.unwritten:
                        raise OSError(*result.unwritten)
                    crashes = 0 if task.what == "dub" else crashes
                    given_up = given_up or result.broken
                    keep(result.rows)
                elif task.what == "load":
                    dead_load = result.died  # perhaps killed from outside: the next task loads it once more
                    given_up = "" if dead_load else f"the system cannot be loaded: {result.reason}"
                elif dead_load and not answered:
                    given_up = f"the system cannot be loaded: {result.reason}"
                elif len(task.wanted) > 1:
                    queue.extendleft((w,) for w in reversed(task.wanted))
                else:
                    crashes += 1
                    keep([failed(label, task.wanted[0], result.reason)])
                    if crashes >= GIVE_UP:
                        given_up = f"given up after {crashes} crashes in a row; the last: {result.reason}"
                if given_up and isinstance(result, Crash):
                    break  # what is under way would crash too
    if given_up:
        keep([failed(label, w, given_up) for w in wanted if w.request.clip not in answered])


def _sweep(folder: Path) -> None:
    """Remove what killed processes left for longer than an hour."""
    for old in folder.glob(f"{STAGE}*"):
        with suppress(OSError, ValueError):
            if time.time() - old.stat().st_mtime < 3600:
                continue
            try:
                os.kill(int(old.name.removeprefix(STAGE).split("-")[0]), 0)
            except ProcessLookupError:
                shutil.rmtree(old, ignore_errors=True)


def dub_run(out: Path, manifest: Manifest, resources: Resources, asked: Collection[str] | None = None) -> list[DubRow]:
    """Dub what the ledger lacks; failures are tried again. Returns a row for every (system, clip).

    ``asked`` names the systems that may be made: a folder may come from a stranger, and then its manifest is no reason
    to run what it names. Of the others the ledger's rows stay. None for all.
    """
    shard = resources.shard.name if resources.shard else ""
    book = ledger(out, shard)
    pool = resources.pool()
    rows = {(r.system, r.clip): r for r in book.read()}
    others = asked is not None and set(manifest.systems) - set(asked)
    kept = {(row.system, row.clip): row for row in dubs_of(out, manifest, shard)} if others else {}
    for label, entry in manifest.systems.items():
        if asked is not None and label not in asked:
            rows.update({key: row for key, row in kept.items() if key[0] == label})
            continue
        wanted: list[KeyedRequest] = []
        problems: list[DubRow] = []
        for clip in manifest.clips:
            key = key_of(entry, clip, manifest.seed)
            old = rows.get((label, clip.id))
            problem = clip.problem or (clip.reference_problem if entry.info.hears else "")
            if problem:
                problems.append(DubRow(system=label, clip=clip.id, key=key, reason=problem))
            elif old is None or old.key != key or old.reason or not intact(out, old):
                wanted.append(KeyedRequest(_request(clip, entry, manifest, out / "work"), key))
        new = [p for p in problems if rows.get((label, p.clip)) != p]
        book.append(new)
        rows.update({(r.system, r.clip): r for r in new})
        if not wanted:
            continue
        book.begin()
        with progress(f"dubbing with {label}", len(wanted)) as advance:

            def done(row: DubRow, advance: object = advance) -> None:
                rows[row.system, row.clip] = row
                advance(bool(row.reason))  # type: ignore[operator]

            synthesise(
                out,
                label,
                entry,
                wanted,
                book,
                device=resources.device,
                timeout=resources.timeout,
                threads=resources.threads,
                machine=manifest.machine,
                done=done,
                pool=pool,
            )
    dubs = [rows[label, clip.id] for label in manifest.systems for clip in manifest.clips]
    if not shard:  # it needs the dubs of all shards
        note_nearest(out, manifest, dubs)
    return dubs


def _request(clip: ClipRow, entry: SystemEntry, manifest: Manifest, work: Path) -> DubRequest:
    truth = None
    if entry.info.privileged:
        other = clip.other_digest
        truth = Truth(
            audio=sound_file(work, clip.digest),
            other_audio=sound_file(work, other) if other else None,
            other_video=video_file(work, other) if other else None,
            problem=clip.truth_problem,
        )
    return DubRequest(
        clip=clip.id,
        video=video_file(work, clip.digest),
        text=clip.text,
        reference=sound_file(work, clip.reference_digest),
        duration=clip.duration,
        fps=clip.fps,
        seed=clip_seed(manifest.seed, clip.id),
        truth=truth,
    )


def intact(out: Path, row: DubRow) -> bool:
    """Whether the wav of a dub is there, as it was made."""
    path = out / row.path
    return path.is_file() and file_digest(path) == row.digest


def dubs_of(out: Path, manifest: Manifest, shard: str = "") -> list[DubRow]:
    """A row for every (system, clip): the ledger's, or a failure where an interrupted synthesis left none, or where
    the wav is no longer the one that was made."""
    rows = {(r.system, r.clip): r for r in ledger(out, shard).read()}
    absent = "not dubbed: the synthesis was interrupted; give its command again"
    changed = "its wav was changed or removed after it was made; give the command that dubbed it again"
    found = []
    for label in manifest.systems:
        for clip in manifest.clips:
            row = rows.get((label, clip.id))
            if row is None:
                row = DubRow(system=label, clip=clip.id, key="", reason=absent)
            elif row.path and not intact(out, row):
                row = DubRow(system=label, clip=clip.id, key=row.key, reason=changed)
            found.append(row)
    return found
