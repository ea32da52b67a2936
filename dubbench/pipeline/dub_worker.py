"""The side of synthesis that runs in the system's process: load it, hand it requests, keep its dubs.

A system that is not privileged gets copies of its two files in a folder of their own, so that no path leads it to the
run, where the ground truth lies. (It runs with the user's rights; this keeps honest systems honest, and is no jail.)
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.spec import parse_spec
from dubbench.core.staging import neutral, staged
from dubbench.core.system import Expects, System
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.components import make_system
from dubbench.pipeline.prepare import NO_ROOM
from dubbench.pipeline.store import DubRow, read_manifest, slug
from dubbench.runtime.device import resolve_device, synchronise
from dubbench.runtime.digests import file_digest
from dubbench.runtime.worker_pool import ORPHANED
from dubbench.signal.media import as_mono, write_wav


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with the key under which its dub is kept."""

    request: DubRequest
    key: str


@dataclass(frozen=True, slots=True)
class SystemTask:
    """What the system's process is to do: load the system, dub (at most as many clips as it wants at once), close it.

    Attributes:
        what: ``load``, ``dub`` or ``close``.
        label, spec, device: which system, where.
        wanted: the requests.
        run: the run folder. stage: an empty folder outside of it, for copies of requests.
        machine: the hardware class, for the ledger.
    """

    what: Literal["load", "dub", "close"]
    label: str
    spec: str
    device: str
    wanted: tuple[KeyedRequest, ...]
    run: Path
    stage: Path
    machine: str


@dataclass(slots=True)
class Answer:
    """What came of a task: its rows; ``broken``, why the system cannot go on; ``unwritten``, the `OSError` arguments
    of a dub that could not be written."""

    rows: list[DubRow] = field(default_factory=list)
    broken: str = ""
    unwritten: tuple[int | None, str | None, str] | None = None


class _UnwrittenError(Exception):
    """Not a system's fault: there is no room for its dubs or requests. The arguments are those of an `OSError`."""

    def __init__(self, error: OSError, place: Path) -> None:
        super().__init__(error.errno, error.strerror, str(place))


_system: System | None = None
_warm = False


def work(task: SystemTask) -> Answer:
    """Do a task in the system's process. A process that took the place of one that died loads the system again."""
    global _system, _warm
    if not ORPHANED:
        ORPHANED.append(partial(shutil.rmtree, task.stage, ignore_errors=True))
    if task.what == "close":
        return Answer(broken=_close())
    if _system is None:
        _system, broken = _load(task)
        if _system is None:
            return Answer([failed(task.label, w, broken) for w in task.wanted], broken)
    if task.what == "load":
        return Answer()
    if _system.info.timed and not _warm:
        _warm_up(_system, task)
    _warm = True
    try:
        rows, error_text = _batch(_system, task, task.wanted)
        left = [w for w in task.wanted if w.request.clip not in rows]
        if error_text and len(task.wanted) > 1:  # so that only the guilty clip fails
            for w in left:
                found, why = _batch(_system, task, (w,))
                rows |= found or {w.request.clip: failed(task.label, w, why)}
            left = []
    except _UnwrittenError as error:
        return Answer(unwritten=error.args)
    for w in left:
        rows[w.request.clip] = failed(task.label, w, error_text or "the system gave no answer for this clip")
    return Answer([rows[w.request.clip] for w in task.wanted])


def _load(task: SystemTask) -> tuple[System | None, str]:
    """The loaded system, or why there is none."""
    made: System | None = None
    try:
        made = make_system(parse_spec(task.spec))
        made.load(resolve_device(task.device))
        if isinstance(made, Expects):
            made.expects([clip.id for clip in read_manifest(task.run).clips])
    except (Exception, SystemExit) as error:
        if made is not None:
            with suppress(Exception, SystemExit):
                made.close()
        return None, f"the system cannot be loaded: {one_line(error)}"
    return made, ""


def _close() -> str:
    """Close the system, if there is one; returns what went wrong."""
    global _system, _warm
    system, _system, _warm = _system, None, False
    try:
        if system is not None:
            system.close()
    except (Exception, SystemExit) as error:
        return one_line(error)
    return ""


def failed(label: str, wanted: KeyedRequest, reason: str) -> DubRow:
    """The row of a clip without a dub."""
    return DubRow(system=label, clip=wanted.request.clip, key=wanted.key, reason=reason or "failed without a reason")


def _warm_up(system: System, task: SystemTask) -> None:
    """One dub for nothing, so that caches and lazy initialisation are not timed; errors come again when it counts."""
    with suppress(Exception, SystemExit), _staged(system, task, task.wanted[:1]) as (requests, _):
        for _answer in system.dub(requests):
            pass


@contextmanager
def _staged(system: System, task: SystemTask, wanted: Sequence[KeyedRequest]) -> Iterator[tuple[list[DubRequest], str]]:
    """The requests as the system sees them, and the folder that is to be left out of what it says."""
    requests = [w.request for w in wanted]
    if system.info.privileged:
        yield requests, str(task.run)
        return
    task.stage.mkdir(parents=True, exist_ok=True)  # it was made on the driver's machine, which may be another
    with staged(requests, task.stage) as copies:
        yield copies


def _batch(system: System, task: SystemTask, wanted: Sequence[KeyedRequest]) -> tuple[dict[str, DubRow], str]:
    """Rows by clip of what the system answered, and why it broke off (empty if it did not).

    The time from the call to the last answer is shared evenly over the answers, since a system that works on several
    clips at once spends it on all of them. Writing their files is not part of it.

    Raises:
        _UnwrittenError: a dub cannot be written, or there is no room for the system's copies.
    """
    by_clip = {w.request.clip: w for w in wanted}
    rows: dict[str, DubRow] = {}
    why, spent = "", 0.0
    with ExitStack() as stack:
        try:
            requests, folder = stack.enter_context(_staged(system, task, wanted))
        except OSError as error:
            if error.errno in NO_ROOM:
                raise _UnwrittenError(error, task.stage) from error
            return {}, f"its video and reference cannot be copied for it: {error.strerror or error}"
        answers: Iterator[Dub | Failure] | None = None
        while True:
            synchronise()
            start = time.perf_counter()
            try:
                answers = iter(system.dub(requests)) if answers is None else answers
                answer = next(answers, None)
                synchronise()
            except (Exception, SystemExit) as error:
                why = one_line(error)
                break
            spent += time.perf_counter() - start
            if answer is None:
                break
            if not isinstance(answer, (Dub, Failure)):
                why = f"the system gave a {type(answer).__name__}, neither a Dub nor a Failure"
                break
            if answer.clip not in by_clip or answer.clip in rows:
                continue
            asked = by_clip[answer.clip]
            if isinstance(answer, Failure):
                reason = " ".join(neutral(answer.reason, folder).split())
                rows[answer.clip] = failed(task.label, asked, reason or "the system failed without a reason")
            else:
                rows[answer.clip] = _keep(task, asked, answer)
    if system.info.timed and rows:
        share = spent / len(rows)
        rows = {
            clip: row if row.reason else row.model_copy(update={"timings": {**row.timings, "total": share}})
            for clip, row in rows.items()
        }
    else:
        rows = {clip: row.model_copy(update={"timings": {}}) for clip, row in rows.items()}
    return rows, neutral(why, folder)


def _keep(task: SystemTask, wanted: KeyedRequest, dub: Dub) -> DubRow:
    """Check a dub and write its wav.

    Raises:
        _UnwrittenError: it cannot be written.
    """
    try:
        samples = as_mono(dub.samples, f"the dub of {dub.clip}")
        rate = int(dub.sample_rate)
        if not 4000 <= rate <= 192000:
            raise DubbenchError(f"the dub of {dub.clip} has a sample rate of {dub.sample_rate} Hz")
        timings = {str(k): float(v) for k, v in dub.timings.items()}
        try:
            json.dumps([dub.extras, timings], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DubbenchError(f"the dub of {dub.clip} has timings or extras that are not JSON ({error})") from error
    except (DubbenchError, TypeError, ValueError, AttributeError) as error:
        return failed(task.label, wanted, one_line(error))
    path = Path("dubs") / slug(task.label) / f"{dub.clip}.wav"
    try:
        write_wav(task.run / path, samples, rate)
    except OSError as error:
        raise _UnwrittenError(error, task.run / "dubs") from error
    return DubRow(
        system=task.label,
        clip=dub.clip,
        key=wanted.key,
        path=path.as_posix(),
        digest=file_digest(task.run / path),
        rate=rate,
        seconds=len(samples) / rate,
        timings=timings,
        machine=task.machine,
        extras=dub.extras,
    )
