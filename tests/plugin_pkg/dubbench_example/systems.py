"""A system that hums, and systems that misbehave in the ways systems do."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo


class Hum(SystemBase):
    """Hums at the reference's level for as long as the video lasts."""

    def __init__(self, hz: float = 120.0, batch: int = 1, closed: str = "") -> None:
        self.hz, self.closed = hz, closed
        self.info = SystemInfo(name="example-hum", kind="model", settings={"hz": hz}, batch=batch)

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            reference, _ = soundfile.read(request.reference)
            t = np.arange(int(request.duration * 16000)) / 16000
            level = float(np.sqrt(np.mean(reference**2)))
            yield Dub(request.clip, level * np.sin(2 * np.pi * self.hz * t), 16000)

    def close(self) -> None:
        """Leave a mark."""
        if self.closed:
            Path(self.closed).touch()


class Nosy(Hum):
    """Looks for the run and the ground truth around the files it is given, and refuses to dub if it finds them."""

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            found = trail(request)
            if found:
                yield Failure(request.clip, f"found {found}")
            else:
                yield from super().dub([request])


def trail(request: DubRequest) -> list[str]:
    """What leads from a request's files to something else: links, names, and what lies beside or above them."""
    found = []
    for path in (request.video, request.reference):
        if path.is_symlink() or path.stat().st_nlink != 1 or request.clip in str(path):
            found.append(str(path))
        beside = {entry.name for entry in path.parent.iterdir()} - {request.video.name, request.reference.name}
        found += [f"{path.parent}/{name}" for name in sorted(beside)]
        for folder in path.resolve().parents:
            for name in ("run.json", "dubs.jsonl", "work/sound", "work/video", "../sound", f"{request.clip}.mp4"):
                if (folder / name).exists():
                    found.append(str(folder / name))
    return found


class _Bad(Hum):
    name = ""

    def __init__(self, batch: int = 1, closed: str = "") -> None:
        super().__init__(batch=batch, closed=closed)
        self.info = SystemInfo(name=self.name, batch=batch)

    def victim(self, request: DubRequest) -> bool:
        return request.clip.endswith("2")


class BadLoad(_Bad):
    """Raises on load."""

    name = "example-bad-load"

    def load(self, device: str) -> None:
        raise RuntimeError("no weights\nin any place")


class HangsOnLoad(_Bad):
    """Never comes back from load."""

    name = "example-hangs-on-load"

    def load(self, device: str) -> None:
        time.sleep(10000)


class HangsWhenMade(_Bad):
    """Never comes back from its constructor."""

    def __init__(self) -> None:
        while True:
            try:
                time.sleep(10000)
            except Exception:  # on purpose: a plugin that swallows what is thrown at it, which the alarm must survive
                continue


class BadClip(_Bad):
    """Raises on one clip."""

    name = "example-bad-clip"

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            if self.victim(request):
                raise ValueError("cannot do this clip")
            yield from super().dub([request])


class Hangs(_Bad):
    """Hangs on one clip."""

    name = "example-hangs"

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            if self.victim(request):
                time.sleep(10000)
            yield from super().dub([request])


class Dies(_Bad):
    """Takes its process down on one clip."""

    name = "example-dies"

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            if self.victim(request):
                os._exit(13)
            yield from super().dub([request])


class Exits(_Bad):
    """Calls ``sys.exit`` when it is made, on load, on one clip or on close."""

    name = "example-exits"

    def __init__(self, when: str = "made") -> None:
        super().__init__()
        self.when = when
        self._exit("made")

    def _exit(self, now: str) -> None:
        if self.when == now:
            sys.exit(0)

    def load(self, device: str) -> None:
        self._exit("load")

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            if self.victim(request):
                self._exit("clip")
            yield from super().dub([request])

    def close(self) -> None:
        self._exit("close")


class Wanders(_Bad):
    """Changes the working folder when it is made, or on load."""

    name = "example-wanders"

    def __init__(self, when: str = "made") -> None:
        super().__init__()
        self.when = when
        if when == "made":
            os.chdir(tempfile.gettempdir())

    def load(self, device: str) -> None:
        if self.when == "load":
            os.chdir(tempfile.gettempdir())


class Strange(_Bad):
    """Gives a different kind of strange sound for every clip."""

    name = "example-strange"

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            t = np.arange(int(request.duration * 16000)) / 16000
            hum = 0.1 * np.sin(2 * np.pi * self.hz * t)
            kind = int(request.clip[-1])
            if kind == 0:
                yield Dub(request.clip, np.where(t > 0.5, np.nan, hum), 16000)
            elif kind == 1:
                yield Dub(request.clip, np.zeros(0), 16000)
            elif kind == 2:
                yield Dub(request.clip, (np.stack([hum, hum], 1)[::2] * 32767).astype(np.int16), 8000)
            elif kind == 3:
                yield Dub(request.clip, np.tile(np.repeat(hum, 3), 3), 48000)
            else:
                yield Dub(request.clip, hum[:160], 16000)
