"""Pictures as players show them: turned as the file says, with square pixels, without interlace, of one size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

_SMALL_STEP = 0.01  # shapes of pixels closer to a square are one


@dataclass(frozen=True, slots=True)
class Shape:
    """How a decoded frame is to be changed before it is shown.

    Attributes:
        width, height: of the stored picture.
        pixel: width of a pixel over its height.
        turns: libavfilter's filters that bring it upright, in their order.
        interlaced: whether its lines belong to two moments.
    """

    width: int
    height: int
    pixel: float
    turns: tuple[str, ...]
    interlaced: bool

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown: the shorter side of a pixel is widened."""
        width, height = float(self.width), float(self.height)
        if self.pixel > 1:
            width *= self.pixel
        else:
            height /= self.pixel
        if width != self.width or height != self.height:
            width, height = (max(2, round(n / 2) * 2) for n in (width, height))
        return (
            (int(height), int(width)) if any("transpose" in turn for turn in self.turns) else (int(width), int(height))
        )


def shape_of(frame: Any, stream: Any, turns: dict[int, tuple[str, ...]]) -> Shape:
    """What a frame and its stream say about how it is shown.

    ``turns`` keeps what each rotation of this stream's frames asks for: a frame whose side data is looked at stays in
    memory until the garbage collector finds it (PyAV's side data and frame hold each other).
    """
    if frame.rotation not in turns:
        turns[frame.rotation] = _turns(frame)
    ratio = stream.sample_aspect_ratio or Fraction(1)
    pixel = min(4.0, max(0.25, float(ratio))) if ratio > 0 else 1.0
    if abs(pixel - 1) < _SMALL_STEP:
        pixel = 1.0
    return Shape(frame.width, frame.height, pixel, turns[frame.rotation], bool(frame.interlaced_frame))


def _turns(frame: Any) -> tuple[str, ...]:
    """The filters for a frame's display matrix: at most a transposition and two mirrorings."""
    from av.sidedata.sidedata import Type

    told = frame.side_data.get(Type.DISPLAYMATRIX)
    if told is None:
        return ()
    a, b, _, c, d = np.frombuffer(bytes(told), np.int32)[:5].astype(np.float64)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (*(("hflip",) if a < 0 else ()), *(("vflip",) if d < 0 else ()))
    return ("transpose=cclock_flip", *(("hflip",) if c < 0 else ()), *(("vflip",) if b < 0 else ()))


def upright(frames: Iterator[tuple[Any, Shape]]) -> Iterator[Any]:
    """Each frame as it is shown, all of the first one's size; a frame that is so already passes untouched."""
    size: tuple[int, int] | None = None
    shape: Shape | None = None
    changing: _Changing | None = None
    for frame, now in frames:
        size = size or now.size
        if now != shape:
            if changing is not None:
                yield from changing.rest()
            plain = not now.turns and not now.interlaced and now.size == size == (now.width, now.height)
            changing = None if plain else _Changing(frame, now, size)
            shape = now
        if changing is None:
            yield frame
        else:
            yield from changing.push(frame)
    if changing is not None:
        yield from changing.rest()


class _Changing:
    """A chain of libavfilter for frames of one shape."""

    def __init__(self, like: Any, shape: Shape, size: tuple[int, int]) -> None:
        import av

        self._graph = av.filter.Graph()
        steps = ["yadif=deint=interlaced"] if shape.interlaced else []
        steps += shape.turns
        across = any("transpose" in turn for turn in shape.turns)
        if size != ((shape.height, shape.width) if across else (shape.width, shape.height)):
            steps.append(f"scale={size[0]}:{size[1]}:flags=bicubic")
        nodes = [
            self._graph.add_buffer(
                width=like.width, height=like.height, format=like.format, time_base=like.time_base or Fraction(1, 1000)
            )
        ]
        for step in [*steps, "setsar=1"]:
            name, _, arguments = step.partition("=")
            nodes.append(self._graph.add(name, arguments))
        nodes.append(self._graph.add("buffersink"))
        for before, after in itertools.pairwise(nodes):
            before.link_to(after)
        self._graph.configure()

    def push(self, frame: Any) -> Iterator[Any]:
        self._graph.push(frame)
        yield from self._pulled()

    def rest(self) -> Iterator[Any]:
        self._graph.push(None)
        yield from self._pulled()

    def _pulled(self) -> Iterator[Any]:
        import av

        while True:
            try:
                yield self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
