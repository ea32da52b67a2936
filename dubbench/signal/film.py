"""The pictures of a video as players show them, one after another: decoded, upright, each with its time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.clock import Floats, Timeline, timeline
from dubbench.signal.container import frames_of, opened, picture_stream
from dubbench.signal.upright import Shape, shape_of, upright

Image = NDArray[np.uint8]

HELD = 128 * 2**20
"""Bytes of pictures that a `Film` keeps; a longer or larger one is decoded anew each time it is gone through."""


@dataclass(slots=True)
class Seen:
    """What decoding a video showed.

    Attributes:
        shapes: how its frames are stored, the first one's first.
        damaged: pictures that the decoder could only patch up. refused: packets that it could not decode at all.
        reordered: whether pictures are stored in another order than they are shown.
    """

    shapes: list[Shape] = field(default_factory=list)
    damaged: int = 0
    refused: list[str] = field(default_factory=list)
    reordered: bool = False


def shown(path: Path, clock: Timeline | None = None, seen: Seen | None = None) -> Iterator[tuple[Any, float]]:
    """libav's frames of a video as they are shown, each with its time in seconds from zero, ascending.

    Args:
        path: of the video.
        clock: its `timeline`, where it is known already.
        seen: is told what comes up on the way.

    Raises:
        MediaError: missing, unreadable, or without a picture that can be decoded.
    """
    clock = clock or timeline(path)
    seen = seen if seen is not None else Seen()
    times: list[float] = []
    turns: dict[int, tuple[str, ...]] = {}
    last = -np.inf

    def timed(frames: Iterator[Any]) -> Iterator[tuple[Any, Shape]]:
        nonlocal last
        for frame in frames:
            seen.reordered |= frame.pts is not None and frame.pts < last
            last = frame.pts if frame.pts is not None else last
            time = clock.at(frame, len(times))
            if times and time <= times[-1]:  # a picture of no length
                continue
            times.append(time)
            seen.damaged += bool(frame.is_corrupt)
            shape = shape_of(frame, stream, turns)
            if shape not in seen.shapes:
                seen.shapes.append(shape)
            yield frame, shape

    with opened(path) as container:
        stream = picture_stream(container, path)
        for number, frame in enumerate(upright(timed(frames_of(container, stream, path, seen.refused)))):
            yield frame, times[number]


def rgb(path: Path, clock: Timeline | None = None) -> Iterator[tuple[Image, float]]:
    """`shown` as (H, W, 3) RGB."""
    return ((frame.to_ndarray(format="rgb24"), time) for frame, time in shown(path, clock))


class Pictures(Protocol):
    """(H, W, 3) RGB pictures of one size, to go through again and again, forwards and backwards."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Image]: ...

    def __reversed__(self) -> Iterator[Image]: ...


class Film:
    """The pictures of a video as (H, W, 3) RGB, to go through as often as one likes in little memory.

    Iterating gives them in order, `reversed` backwards. A small video is decoded once and kept (`HELD`).

    Args:
        path: of the video.

    Raises:
        MediaError: when it is first looked at, as `shown`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock: Timeline | None = None
        self._times: list[float] | None = None
        self._kept: list[Image] | None = None
        self._bytes = 0

    @property
    def clock(self) -> Timeline:
        """When its pictures are due."""
        if self._clock is None:
            self._clock = timeline(self.path)
        return self._clock

    @property
    def times(self) -> Floats:
        """(F,) seconds from zero of each picture that there is, ascending."""
        if self._times is None:
            for _ in self:
                pass
        return np.array(self._times)

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Image]:
        if self._kept is not None:
            yield from self._kept
            return
        times: list[float] = []
        kept: list[Image] | None = [] if self._times is None else None  # known to be too large otherwise
        size = 0
        for picture, time in rgb(self.path, self.clock):
            times.append(time)
            size = picture.nbytes
            if kept is not None:
                kept.append(picture)
                if size * len(kept) > HELD:
                    kept = None
            yield picture
        self._times, self._bytes = times, size
        self._kept = kept

    def __reversed__(self) -> Iterator[Image]:
        count = len(self)
        if self._kept is not None:
            yield from reversed(self._kept)
            return
        block = max(1, HELD // max(1, self._bytes))
        for end in range(count, 0, -block):
            yield from reversed(list(itertools.islice(self, max(0, end - block), end)))


class Chosen:
    """Pictures of others, some repeated or left out, or all cut to a box.

    Args:
        pictures: F of them.
        which: (N,) ascending numbers of pictures; None for all, in order.
        box: left, top, right, bottom in pixels; None for the whole picture.
    """

    def __init__(
        self,
        pictures: Pictures,
        which: NDArray[np.intp] | None = None,
        box: tuple[int, int, int, int] | None = None,
    ) -> None:
        self._pictures = pictures
        count = len(pictures)
        self._copies = np.ones(count, int) if which is None else np.bincount(which, minlength=count)
        self._box = box

    def __len__(self) -> int:
        return int(self._copies.sum())

    def __iter__(self) -> Iterator[Image]:
        return self._of(iter(self._pictures), self._copies)

    def __reversed__(self) -> Iterator[Image]:
        return self._of(reversed(self._pictures), self._copies[::-1])

    def _of(self, pictures: Iterator[Image], copies: NDArray[np.int_]) -> Iterator[Image]:
        for picture, count in zip(pictures, copies, strict=True):
            if count and self._box is not None:
                left, top, right, bottom = self._box
                picture = np.ascontiguousarray(picture[top:bottom, left:right])
            yield from itertools.repeat(picture, int(count))
