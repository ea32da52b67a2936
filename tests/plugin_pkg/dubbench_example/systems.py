"""A system that hums, and systems that misbehave in the ways systems do."""

import os
import time
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from dubbench.request import Dub, DubRequest, Failure
from dubbench.system import SystemBase, SystemInfo


class Hum(SystemBase):
    """Hums at the reference's level for as long as the video lasts."""

    def __init__(self, hz: float = 120.0) -> None:
        self.hz = hz
        self.info = SystemInfo(name="example-hum", kind="model", settings={"hz": hz})

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            reference, _ = soundfile.read(request.reference)
            t = np.arange(int(request.duration * 16000)) / 16000
            level = float(np.sqrt(np.mean(reference**2)))
            yield Dub(request.clip, level * np.sin(2 * np.pi * self.hz * t), 16000)


class _Bad(Hum):
    name = ""

    def __init__(self) -> None:
        super().__init__()
        self.info = SystemInfo(name=self.name)

    def victim(self, request: DubRequest) -> bool:
        return request.clip.endswith("2")


class BadLoad(_Bad):
    """Raises on load."""

    name = "example-bad-load"

    def load(self, device: str) -> None:
        raise RuntimeError("no weights\nin any place")


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
