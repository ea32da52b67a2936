"""A video decoded once from end to end: whether it is usable, whether its packets can be copied, and its oddities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubbench.errors import MediaError
from dubbench.signal.clock import Floats, Timeline, timeline
from dubbench.signal.container import AGAIN
from dubbench.signal.film import Seen, shown

LEAST = 0.5
"""Least share of the pictures that must be decodable."""
LATE = 0.001
"""Seconds after zero at which the first picture that can be decoded is late."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a video is, as a player shows it.

    Attributes:
        clock: when its pictures are due.
        times: (F,) seconds from zero of those that can be decoded.
        width, height: as shown, in pixels.
        plain: whether its packets can be copied as they are: nothing has to be turned, stretched, left out or guessed.
        remarks: what is odd in it, a line each; empty for an ordinary video.
    """

    clock: Timeline
    times: Floats
    width: int
    height: int
    plain: bool
    remarks: tuple[str, ...]


def survey(path: Path) -> Survey:
    """Decode every picture.

    Raises:
        MediaError: unreadable, or with fewer than half of its pictures decodable.
    """
    clock = timeline(path)
    seen = Seen()
    times = []
    width = height = 0
    for frame, time in shown(path, clock, seen):
        width, height = width or frame.width, height or frame.height
        times.append(time)
    due = len(clock.times)
    if len(times) < LEAST * due:
        raise MediaError(f"{path}: only {len(times)} of {due} pictures can be decoded; {AGAIN}")
    known = clock.stated or not seen.reordered
    plain = known and not clock.hidden and len(seen.shapes) == 1 and _simple(seen)
    return Survey(clock, np.array(times), width, height, plain, tuple(_remarks(clock, np.array(times), seen)))


def _simple(seen: Seen) -> bool:
    (shape,) = seen.shapes
    return not shape.turns and shape.pixel == 1 and not shape.interlaced


def _remarks(clock: Timeline, times: Floats, seen: Seen) -> list[str]:
    due, lines = len(clock.times), []
    missing = due - len(times)
    late = f"; the first is seen at {times[0]:.2f} s" if times[0] > LATE else ""
    if missing > 0:
        lines.append(f"{missing} of {due} pictures cannot be decoded{late}; {AGAIN}")
    if seen.damaged:
        lines.append(f"{seen.damaged} of {due} pictures are damaged; {AGAIN}")
    elif seen.refused and missing <= 0:
        lines.append(f"{len(seen.refused)} packets of the picture cannot be decoded; {AGAIN}")
    if not clock.steady:
        steps = np.diff(clock.times)
        lines.append(
            f"no constant frame rate: pictures are shown for {1000 * steps.min():.0f} to {1000 * steps.max():.0f} ms, "
            "and read by their times"
        )
    if clock.hidden:
        lines.append(f"{clock.hidden} pictures of the file are not played, as its edit list says")
    first = seen.shapes[0]
    if first.turns:
        lines.append("stored turned or mirrored; taken upright, as players show it")
    if first.pixel != 1:
        lines.append(f"pixels are not square ({first.pixel:.2f} : 1); taken as players show them")
    if any(shape.interlaced for shape in seen.shapes):
        lines.append("interlaced; taken without interlace")
    if len({(shape.width, shape.height) for shape in seen.shapes}) > 1:
        lines.append("pictures change their size; all are brought to the first one's")
    return lines
