"""The process of the system in ``dubbench check``: the system is called as in a run, and all its actions are
recorded.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.spec import parse_spec
from dubbench.core.staging import neutral, staged
from dubbench.core.system import Expects, System
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.components import make_system
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.device import resolve_device, synchronise
from dubbench.runtime.digests import digest
from dubbench.signal.media import as_mono


@dataclass(frozen=True, slots=True)
class Step:
    """What the system's process is to do: load, answer one call of ``dub``, or close.

    Attributes:
        session: sessions of one name run in one process.
        spec, device: which system, where.
        requests: of this call, with the paths of the trial's own files.
        clips: ids of all clips of the trial.
        home: the folder of the trial; below it lie the system's temporary folder and its working folder.
        truths: files that hold the ground truth, which nobody is to open.
    """

    what: Literal["load", "dub", "close"]
    session: str
    spec: str
    device: str
    home: Path
    requests: tuple[DubRequest, ...] = ()
    clips: tuple[str, ...] = ()
    truths: tuple[Path, ...] = ()


@dataclass(slots=True)
class Answer:
    """One answer of a system, measured.

    Attributes:
        clip: the id that it names. failure: the reason of a `Failure`; empty for a dub.
        fault: why its samples cannot be used; empty if they can.
        rate: in Hz. seconds: its length. peak: largest absolute sample.
        samples: where they lie (.npy, mono float32). timings: as the system told them.
    """

    clip: str
    failure: str = ""
    fault: str = ""
    rate: int = 0
    seconds: float = 0.0
    peak: float = 0.0
    samples: Path | None = None
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Heard:
    """What came of a step: answers in their order, an exception (``raised``), the time it took in seconds, paths that
    Python code ``wrote`` outside of the system's folders, ground truth that it ``read``, processes ``left`` over, and
    the system's ``info`` by its digest."""

    answers: list[Answer] = field(default_factory=list)
    raised: str = ""
    seconds: float = 0.0
    wrote: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    info: str = ""


_system: System | None = None
_armed: Step | None = None
_wrote: dict[str, None] = {}
_read: dict[str, None] = {}
_hooked = False


def work(step: Step) -> Heard:
    """Do a step. A process that took the place of one that died makes and loads the system again."""
    global _armed
    _begin(step)
    heard = Heard()
    _armed = step
    try:
        if step.what == "close":
            _close(heard)
        else:
            _ready(step, heard)
            if step.what == "dub" and not heard.raised:
                _call(step, heard)
        if _system is not None:
            heard.info = digest(_system.info.model_dump())
    finally:
        _armed = None
    heard.wrote, heard.read = list(_wrote), list(_read)
    _wrote.clear()
    _read.clear()
    return heard


def _begin(step: Step) -> None:
    """Give the process folders of its own, and listen to what its Python code opens."""
    global _hooked
    own = step.home / "own"
    for name in ("tmp", "cwd"):
        (own / name).mkdir(parents=True, exist_ok=True)
    if not _hooked:
        os.environ["TMPDIR"] = str(own / "tmp")
        tempfile.tempdir = None
        os.chdir(own / "cwd")
        sys.addaudithook(_listen)
        _hooked = True


_WRITES = {"os.mkdir": (0,), "os.remove": (0,), "os.rmdir": (0,), "os.rename": (0, 1), "os.link": (1,),
           "os.symlink": (1,)}  # fmt: skip
"""Audit events of changes by path -> the places of their paths; the last argument is a folder's handle, or -1."""
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _armed is None or (event != "open" and event not in _WRITES):
        return
    with suppress(Exception):  # a hook that raises would break what it listens to
        if event == "open":
            path, _, flags = arguments
            where = _absolute(path)
            if where is None:
                return
            if where in {str(truth) for truth in _armed.truths}:
                _read[where] = None
            if isinstance(flags, int) and flags & _WRITE_FLAGS and not _allowed(where, _armed.home):
                _wrote[where] = None
            return
        if arguments[-1] != -1:  # within an open folder, as shutil.rmtree works; its folder was named before
            return
        for place in _WRITES[event]:
            where = _absolute(arguments[place])
            if where is not None and not _allowed(where, _armed.home):
                _wrote[where] = None


def _absolute(path: Any) -> str | None:
    return os.path.abspath(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else None  # noqa: PTH100


def _allowed(where: str, home: Path) -> bool:
    """Whether a system may write there: its temporary folder, caches of this user, and what is no file at all."""
    caches = [str(cache_dir()), os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())]
    caches += [os.environ[name] for name in ("HF_HOME", "TORCH_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")
               if os.environ.get(name)]  # fmt: skip
    caches.append(str(Path("~/.config/matplotlib").expanduser()))  # made whenever matplotlib is imported
    places = (str(home / "own" / "tmp"), "/dev", "/proc", *caches)
    inside = any(where == place or where.startswith(f"{place}{os.sep}") for place in places)
    return inside or "__pycache__" in Path(where).parts


def _ready(step: Step, heard: Heard) -> None:
    """Make and load the system, unless it is."""
    global _system
    if _system is not None:
        return
    made: System | None = None
    try:
        made = make_system(parse_spec(step.spec))
        made.load(resolve_device(step.device))
        if isinstance(made, Expects):
            made.expects(list(step.clips))
    except (Exception, SystemExit) as error:
        heard.raised = one_line(error)
        if made is not None:
            with suppress(Exception, SystemExit):
                made.close()
        return
    _system = made


def _call(step: Step, heard: Heard) -> None:
    """One call of `System.dub`."""
    assert _system is not None
    with staged(step.requests, step.home / "own" / "tmp") as (copies, folder):
        requests = list(step.requests) if _system.info.privileged else copies
        synchronise()
        start = time.perf_counter()
        try:
            for answer in _system.dub(requests):
                synchronise()
                heard.seconds += time.perf_counter() - start
                heard.answers.append(_measured(answer, step, len(heard.answers), folder))
                start = time.perf_counter()
        except (Exception, SystemExit) as error:
            heard.raised = neutral(one_line(error), folder)


def _measured(answer: Any, step: Step, number: int, folder: str) -> Answer:
    if isinstance(answer, Failure):
        return Answer(str(answer.clip), failure=neutral(" ".join(str(answer.reason).split()), folder) or "no reason")
    if not isinstance(answer, Dub):
        return Answer("", fault=f"a {type(answer).__name__}, neither a Dub nor a Failure")
    try:
        samples = as_mono(answer.samples, "the dub")
        rate = int(answer.sample_rate)
        timings = {str(name): float(value) for name, value in answer.timings.items()}
        json.dumps(answer.extras, allow_nan=False)
    except (DubbenchError, TypeError, ValueError, AttributeError) as error:
        return Answer(str(answer.clip), fault=one_line(error))
    with _unheard():
        place = step.home / "heard" / step.session
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"{len(list(place.iterdir()))}-{number}.npy"
        np.save(path, samples)
    seconds = len(samples) / rate if rate > 0 else math.nan
    return Answer(answer.clip, "", "", rate, seconds, float(np.abs(samples).max()), path, timings)


class _unheard:  # noqa: N801
    """What the trial itself does is not the system's doing."""

    def __enter__(self) -> None:
        global _armed
        self._step, _armed = _armed, None

    def __exit__(self, *_: object) -> None:
        global _armed
        _armed = self._step


def _close(heard: Heard) -> None:
    global _system
    system, _system = _system, None
    try:
        if system is not None:
            system.close()
    except (Exception, SystemExit) as error:
        heard.raised = one_line(error)
    heard.left = _children()


def _children(patience: float = 2.0) -> list[str]:
    """Command lines of processes that this one started and that still run (Linux), helpers of Python apart."""
    end = time.monotonic() + patience
    while (found := _running()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _running() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            own = int(entry.name) == os.getpid()
            if int(group) == os.getpgrp() and not own and state != "Z" and "resource_tracker" not in command:
                found.append(command[:120])
    return found
