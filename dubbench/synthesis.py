"""Requests to dubs: one process runs the system, the ledger keeps what came of every clip."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubbench.engine import Crash, each
from dubbench.errors import DubbenchError, one_line
from dubbench.identity import digest, file_digest
from dubbench.media import as_mono, write_wav
from dubbench.registry import make_system, parse_spec
from dubbench.request import Dub, DubRequest, Failure
from dubbench.store import DubRow, Journal, SystemEntry, read_manifest, slug
from dubbench.system import Expects, System

GIVE_UP = 3
"""A system whose process hangs or dies on this many clips in a row is given up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request with the key under which its dub is kept."""

    request: DubRequest
    key: str


@dataclass(frozen=True, slots=True)
class _Task:
    label: str
    spec: str
    device: str
    wanted: tuple[Wanted, ...]
    run: Path


def dub_key(system: SystemEntry, clip_digest: str, reference_digest: str, other: str, seed: int) -> str:
    """What a dub depends on: the system, the clip, the reference, the other clip (controls only), the seed."""
    return digest([system.digest, clip_digest, reference_digest, other, seed])[:32]


def synthesise(
    run: Path,
    label: str,
    entry: SystemEntry,
    wanted: Sequence[Wanted],
    ledger: Journal,
    *,
    device: str,
    timeout: float,
    threads: int,
    done: Callable[[DubRow], None],
) -> None:
    """Dub every wanted clip that the ledger lacks, and write each result to the ledger as it comes.

    One process at a time, so that times are not taken beside another load of ours.
    """
    size = max(1, entry.info.batch)
    given_up: list[str] = []

    def tasks() -> Iterator[_Task]:
        for start in range(0, len(wanted), size):
            if given_up:
                return
            yield _Task(label, entry.spec, device, tuple(wanted[start : start + size]), run)

    answered: set[str] = set()
    crashes = 0
    for task, result in each(_dub, tasks(), workers=1, timeout=timeout, threads=threads):
        if isinstance(result, Crash):
            crashes += 1
            rows = [_failed(label, w, result.reason) for w in task.wanted]
            if crashes >= GIVE_UP:
                given_up.append(f"given up after {crashes} crashes in a row; the last: {result.reason}")
        else:
            crashes = 0
            rows, broken = result
            if broken:
                given_up.append(broken)
        ledger.append(rows)
        for row in rows:
            answered.add(row.clip)
            done(row)
    left = [_failed(label, w, given_up[0]) for w in wanted if w.request.clip not in answered] if given_up else []
    ledger.append(left)
    for row in left:
        done(row)


def _failed(label: str, wanted: Wanted, reason: str) -> DubRow:
    return DubRow(system=label, clip=wanted.request.clip, key=wanted.key, reason=reason)


_loaded: tuple[str, System] | None = None


def _dub(task: _Task) -> tuple[list[DubRow], str]:
    """In the system's process: rows for the task, and why the system cannot go on (empty if it can)."""
    global _loaded
    spec = parse_spec(task.spec)
    if _loaded is None:
        try:
            system = make_system(spec)
            system.load(resolve_device(task.device))
            if isinstance(system, Expects):
                system.expects([clip.id for clip in read_manifest(task.run).clips])
        except Exception as error:
            broken = f"the system cannot be loaded: {one_line(error)}"
            return [_failed(task.label, w, broken) for w in task.wanted], broken
        _loaded = (task.spec, system)
        if system.info.timed:
            _warm_up(system, task.wanted[0].request)
    system = _loaded[1]
    wanted = {w.request.clip: w for w in task.wanted}
    rows: dict[str, DubRow] = {}
    error_text = "the system gave no answer for this clip"
    _synchronise()
    start = time.perf_counter()
    try:
        for answer in system.dub([w.request for w in task.wanted]):
            if answer.clip not in wanted or answer.clip in rows:
                continue
            if isinstance(answer, Failure):
                reason = " ".join(answer.reason.split()) or "the system failed without a reason"
                rows[answer.clip] = _failed(task.label, wanted[answer.clip], reason)
                start = time.perf_counter()
                continue
            _synchronise()
            now = time.perf_counter()
            rows[answer.clip] = _keep(task, wanted[answer.clip], answer, now - start, system.info.timed)
            start = time.perf_counter()
    except Exception as error:
        error_text = one_line(error)
    return [rows.get(clip) or _failed(task.label, w, error_text) for clip, w in wanted.items()], ""


def _warm_up(system: System, request: DubRequest) -> None:
    """One dub for nothing, so that caches and lazy initialisation are not timed; errors come again when it counts."""
    try:
        for _ in system.dub([request]):
            pass
    except Exception:
        return


def _keep(task: _Task, wanted: Wanted, dub: Dub, seconds: float, timed: bool) -> DubRow:
    """Check a dub and write its wav."""
    try:
        samples = as_mono(dub.samples, f"the dub of {dub.clip}")
        if not 4000 <= int(dub.sample_rate) <= 192000:
            raise DubbenchError(f"the dub of {dub.clip} has a sample rate of {dub.sample_rate} Hz")
        timings = {str(k): float(v) for k, v in dub.timings.items()}
        try:
            json.dumps([dub.extras, timings], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DubbenchError(f"the dub of {dub.clip} has timings or extras that are not JSON ({error})") from error
    except DubbenchError as error:
        return _failed(task.label, wanted, one_line(error))
    path = Path("dubs") / slug(task.label) / f"{dub.clip}.wav"
    write_wav(task.run / path, samples, int(dub.sample_rate))
    return DubRow(
        system=task.label,
        clip=dub.clip,
        key=wanted.key,
        path=path.as_posix(),
        digest=file_digest(task.run / path),
        rate=int(dub.sample_rate),
        seconds=len(samples) / int(dub.sample_rate),
        timings={**timings, "total": seconds} if timed else {},
        extras=dub.extras,
    )


def resolve_device(device: str) -> str:
    """``auto`` becomes ``cuda`` where torch is installed and sees one, else ``cpu``."""
    if device != "auto":
        return device
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"


def _synchronise() -> None:
    """Wait for the GPU, where the system has brought torch and uses one."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
