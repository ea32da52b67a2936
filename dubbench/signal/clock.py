"""Presentation times of a video's pictures: the one clock of pictures and sound.

Time zero is when the first picture is due, as the container states it, whether or not that picture can be decoded.
Pictures keep the times that the container gives them (variable rates, held pictures, edit lists, pictures that are
only there to decode others). Where the times are a constant rate's, rounded to the container's unit, the pictures lie
on that rate exactly: picture k is shown at k / fps. AVI has no such times: there its slots are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.signal.container import AGAIN, opened, packets_of, picture_stream

GRID = 25.0
"""Hz onto which features of pictures without a constant rate are brought."""
LONGEST_HOLD = 60.0
"""Seconds that one picture may be shown."""

_ROUNDED = 1.5e-3  # seconds: containers that count milliseconds round both ends of an interval
_USUAL = [float(n) for n in (25, 30, 24, 50, 60, 15, 12.5, 10)] + [n * 1000 / 1001 for n in (30, 24, 60)]
_SLOWEST, _FASTEST = 1.0, 240.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timeline:
    """When the pictures of a video are shown.

    Attributes:
        zero: the container's time, in seconds, that is time zero here.
        times: (N,) seconds from zero, ascending, of each picture that is played, decodable or not.
        end: when the last one ends, in seconds.
        fps: the constant rate; the mean rate where there is none.
        steady: whether the pictures lie on a constant rate without gaps: then ``times`` is k / fps.
        stated: whether the container states a time for each picture; where not, they are counted.
        hidden: pictures in the file that are not played (an edit list leaves them out).
        ordered: whether the container states when each picture is decoded.
    """

    zero: float
    times: Floats
    end: float
    fps: float
    steady: bool
    stated: bool = True
    hidden: int = 0
    ordered: bool = True

    @property
    def duration(self) -> float:
        """Seconds from zero to the end of the last picture."""
        return len(self.times) / self.fps if self.steady else self.end

    @property
    def grid(self) -> float:
        """Hz of features: the pictures' own rate where it is constant."""
        return self.fps if self.steady else GRID

    def at(self, frame: Any, number: int) -> float:
        """Seconds from zero at which a decoded frame, the ``number``-th, is shown."""
        if not self.stated or frame.pts is None:
            return float(self.times[min(number, len(self.times) - 1)])
        time = float(frame.pts * frame.time_base) - self.zero
        if self.steady and abs(time - round(time * self.fps) / self.fps) <= _ROUNDED:
            return round(time * self.fps) / self.fps
        return time


def timeline(path: Path) -> Timeline:
    """The clock of a video, from its packets: nothing is decoded.

    Raises:
        MediaError: unreadable, without pictures, or with pictures more than a minute apart.
    """
    with opened(path) as container:
        stream = picture_stream(container, path)
        packets = [(p.pts, p.dts, p.duration or 0, bool(p.is_discard)) for p in packets_of(container, stream, path)]
        rates = [stream.average_rate, stream.guessed_rate, stream.base_rate]
        counted = container.format.name == "avi"
        base = Fraction(stream.time_base)
    unit = float(base)
    played = [p for p in packets if not p[3]]
    if not played:
        raise MediaError(f"{path}: the video stream holds no frames; {AGAIN}")
    stated = not counted and all(pts is not None for pts, *_ in played)
    ticks = [pts if stated else dts for pts, dts, *_ in played]
    usual = next((float(r) for r in rates if r and _SLOWEST <= r <= _FASTEST), GRID)
    if any(tick is None for tick in ticks):  # neither is known: pictures in a row
        first = next((t for t in ticks if t is not None), 0)
        ticks = [first + round(k / usual / unit) for k in range(len(played))]
    zero = float(min(ticks) * base)
    times = np.unique(np.array([float(tick * base) for tick in ticks]) - zero)
    steps = np.diff(times)
    if len(steps) and steps.max() > LONGEST_HOLD:
        where = float(times[int(steps.argmax())])
        raise MediaError(
            f"{path}: no picture for {steps.max():.0f} s after {where:.2f} s; cut the clip, or make the file again"
        )
    hidden, ordered = len(packets) - len(played), all(dts is not None for _, dts, *_ in packets)
    fps = steady_rate(times, [float(r) for r in rates if r], usual)
    if fps:
        regular = np.arange(len(times)) / fps
        return Timeline(zero, regular, len(times) / fps, fps, True, stated, hidden, ordered)
    last = max(played, key=lambda p: (p[0] if stated else p[1]) or 0)[2] * unit
    step = float(np.median(steps))
    end = float(times[-1]) + (last if 0 < last <= max(1.0, 4 * step) else step)
    return Timeline(zero, times, end, len(times) / end, False, stated, hidden, ordered)


def steady_rate(times: Floats, rates: Sequence[float], usual: float = GRID) -> float:
    """The constant rate on which ascending ``times`` from zero on lie, in Hz; 0 if there is none.

    Args:
        times: (N,) in seconds, as a container rounds them.
        rates: what the container claims, tried first; a single picture takes ``usual``.
    """
    if len(times) < 2:
        return usual
    mean = (len(times) - 1) / float(times[-1] - times[0])
    for rate in [*rates, *_USUAL, mean]:
        if np.abs(times - np.arange(len(times)) / rate).max() <= _ROUNDED:
            return rate
    return 0.0


def on_grid(times: Floats, duration: float, rate: float = GRID) -> tuple[Floats, NDArray[np.intp]]:
    """Where the pictures lie that a constant rate wants.

    Args:
        times: (N,) seconds, ascending.
        duration: of the video in seconds.
        rate: in Hz.

    Returns:
        (G,) places between the pictures, for features that change smoothly: row 1.5 is halfway between pictures 1 and
        2; and (G,) the picture that a player shows in the middle of each interval. G is duration * rate, at least 1.
    """
    count = max(1, round(duration * rate))
    places = np.interp(np.arange(count) / rate, times, np.arange(len(times)))
    middle = (np.arange(count) + 0.5) / rate
    return places, np.clip(np.searchsorted(times, middle + 1e-9, side="right") - 1, 0, len(times) - 1)
