"""A host as a `dubbench.core.system.System`: requests in, dubs and failures out, one clip at a time."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase
from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir

from .host import Host, ProcessError

PATIENCE = (60.0, 30.0)
"""Seconds that a clip may take: at least so many, and so many times its length."""
CRASHES = 3
"""A system whose process dies so many times in a row is not started again."""
SHORTEST, EXCESS = 0.9, 1.5
"""A dub lasts at least this part of the asked length and at most that; what goes beyond the length is cut."""
KEPT = 10
"""Folders of logs that stay."""


class ForeignRunner(SystemBase):
    """What all foreign systems share. A subclass sets ``info`` and gives `make_host`, and may override `message`.

    A clip on which the process dies, hangs or fills the memory fails, and the process is started again before the next
    one, with the last good request once for nothing, so that no load or first call is in anybody's time. A clip for
    which the accelerator had no room is tried once more, alone in a new process. After `CRASHES` deaths in a row the
    rest fails with the last reason.
    """

    timeout: float = 0.0
    """Seconds a clip; 0 for `PATIENCE`."""
    _host: Host | None = None

    def make_host(self, folder: Path, device: str) -> Host:
        """The process to run, which keeps its files in ``folder``."""
        raise NotImplementedError

    def message(self, request: DubRequest, folder: Path) -> dict[str, Any]:
        """What the shim is told of one clip, as JSON; ``folder`` is for its files.

        Raises:
            DubbenchError: something is missing for this clip; it alone fails.
        """
        return {
            "clip": request.clip,
            "video": str(request.video),
            "reference": str(request.reference),
            "text": request.text,
            "duration": request.duration,
            "fps": request.fps,
            "seed": request.seed,
            "length": self.length(request),
        }

    def length(self, request: DubRequest) -> float:
        """Seconds of speech to ask for: those of the video."""
        return request.duration

    def load(self, device: str) -> None:
        """Start the process.

        Raises:
            DubbenchError: it does not start, or the system does not load; the line names the log.
        """
        base = cache_dir() / "foreign" / "runs"
        base.mkdir(parents=True, exist_ok=True)
        for old in sorted(base.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.info.name}-", dir=base))
        self._host = self.make_host(self.folder, device)
        self._crashes, self._given_up, self._good = 0, "", {}  # type: ignore[var-annotated]
        self._told = False
        try:
            self.hello = self._host.start()
        except ProcessError as error:
            raise DubbenchError(f"{error}; its log: {self.folder / 'logs'}") from error

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """One clip after the other."""
        for number, request in enumerate(requests):
            if self._given_up:
                yield Failure(request.clip, self._given_up)
                continue
            place = self.folder / "clips" / f"{number}"
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            try:
                yield self._dub(request, self.message(request, place), place)
            except DubbenchError as error:
                self._tell()
                yield Failure(request.clip, str(error))

    def _dub(self, request: DubRequest, message: Mapping[str, Any], place: Path) -> Dub:
        assert self._host is not None
        limit = self.timeout or max(PATIENCE[0], PATIENCE[1] * request.duration)
        try:
            answer = self._host.ask(message, limit)
            if answer["status"] == "out_of_memory":
                self._host.start()
                answer = self._host.ask(message, limit)
        except ProcessError as error:
            self._crashes += 1
            if self._crashes >= CRASHES:
                self._given_up = f"given up after {self._crashes} crashes in a row; the last: {error}"
            else:
                self._again(limit)
            raise
        self._crashes = 0
        if answer["status"] != "ok":
            raise DubbenchError(str(answer.get("reason") or "the system failed without a reason"))
        wav = Path(answer["wav"])
        samples, rate = soundfile.read(
            wav, dtype="float32"
        )  # also samples that are not finite: the ledger's gate tells
        wav.unlink()
        kept, extras = fitted(samples, rate, self.length(request))
        self._remember(message, place)
        memory = {f"peak_{name}_bytes": size for name, size in answer.get("memory", {}).items()}
        timings = {str(part): float(seconds) for part, seconds in answer.get("timings", {}).items()}
        return Dub(request.clip, kept, rate, timings, {**extras, **memory})

    def _again(self, limit: float) -> None:
        """A new process, warm."""
        assert self._host is not None
        try:
            self._host.start()
            if self._good:
                answer = self._host.ask(self._good, limit)
                if "wav" in answer:
                    Path(answer["wav"]).unlink(missing_ok=True)
        except DubbenchError as error:
            self._given_up = f"its process does not start again after a crash: {error}"

    def _remember(self, message: Mapping[str, Any], place: Path) -> None:
        """Keep copies of the files of the last good request: the originals go after the answer."""
        kept = self.folder / "last-good"
        if self._good:
            return
        kept.mkdir(exist_ok=True)
        copy: dict[str, Any] = dict(message)
        for key in ("video", "reference"):
            source = Path(str(message.get(key, "")))
            if source.is_file():
                copy[key] = str(shutil.copy(source, kept / source.name))
        for path in place.iterdir():
            shutil.copy(path, kept / path.name)
        self._good = json_moved(copy, place, kept)

    def _tell(self) -> None:
        if not self._told:
            print(f"dubbench: {self.info.name}: the logs of its clips are in {self.folder / 'logs'}", file=sys.stderr)
            self._told = True

    def close(self) -> None:
        """End the process; the logs stay."""
        if self._host is None:
            return
        self._host.close()
        self._host = None
        for path in self.folder.iterdir():
            if path.name != "logs":
                shutil.rmtree(path, ignore_errors=True)


def json_moved(value: Any, old: Path, new: Path) -> Any:
    """``value`` with paths under ``old`` moved to ``new``."""
    if isinstance(value, dict):
        return {key: json_moved(item, old, new) for key, item in value.items()}
    if isinstance(value, str) and value.startswith(f"{old}/"):
        return str(new) + value[len(str(old)) :]
    return value


def fitted(samples: NDArray[np.float32], rate: int, seconds: float) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """The samples, cut to ``seconds``; the ledger keeps how long they were.

    Raises:
        DubbenchError: much shorter or longer than asked.
    """
    lasts = len(samples) / rate
    if not SHORTEST * seconds <= lasts <= EXCESS * seconds:
        raise DubbenchError(f"the dub lasts {lasts:.2f} s for a length of {seconds:.2f} s; that is no dub of this clip")
    return samples[: round(seconds * rate)], {"native_seconds": round(lasts, 6), "asked_seconds": seconds}
