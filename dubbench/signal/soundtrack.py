"""The sound of a container on the clock of its pictures: gaps and a late start are kept as silence."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.signal.clock import timeline
from dubbench.signal.container import AGAIN, frames_of, opened, sound_stream, stream_of

_GAP = 0.012
"""Seconds by which a packet must lie off the end of the one before to count as a gap: containers round to 1 ms, and
the shortest usual packet lasts 20 ms."""
_AHEAD = 12
"""Pieces, about a quarter of a second, that must agree that there is a gap."""
SILENCE = 1e-3
"""Peak below which there is nothing but silence (-60 dB of full scale)."""
_FAR = 60.0
"""Seconds of silence before or within the sound that are filled up at most."""


@dataclass(slots=True)
class Soundtrack:
    """Decoded sound.

    Attributes:
        samples: (T,) mono float32 from time zero on.
        rate: in Hz.
        remarks: what a listener would want to know of it, a line each.
    """

    samples: NDArray[np.float32]
    rate: int
    remarks: list[str] = field(default_factory=list)


def soundtrack(path: Path, as_stated: bool = False) -> Soundtrack:
    """The default sound of a container.

    Zero is the first picture's time, or the sound's own start where there are no pictures. Sound before it is cut,
    sound that starts later has zeros in front, and where packets are missing there are zeros.

    Args:
        path: any container with a sound stream.
        as_stated: cut what a decoder adds to the length that an mp4 states: AAC ends in up to 23 ms of padding.

    Raises:
        MediaError: unreadable, without sound, or sound that begins after the pictures have ended.
    """
    with opened(path) as container:
        silent = stream_of(container, "video") is None
    clock = None if silent else timeline(path)
    bad: list[str] = []
    with opened(path) as container:
        stream = sound_stream(container, path)
        rate = int(stream.rate)
        pieces: list[tuple[float | None, NDArray[np.float32]]] = []
        for frame in frames_of(container, stream, path, bad):
            x = frame.to_ndarray()
            if not np.issubdtype(x.dtype, np.floating):
                low = float(np.iinfo(x.dtype).min)
                x = (x.astype(np.float32) - 128) / 128 if low == 0 else x.astype(np.float32) / -low
            x = x.reshape(-1, frame.layout.nb_channels).T if not frame.format.is_planar else x
            time = float(frame.pts * frame.time_base) if frame.pts is not None else None
            pieces.append((time, x.mean(axis=0, dtype=np.float32)))
        told = float(stream.duration * stream.time_base) if stream.duration else 0.0
        exact = "mp4" in container.format.name.split(",")
    start = pieces[0][0] or 0.0
    samples, gaps = _joined(pieces, start, rate, path)
    if as_stated and exact and told:
        samples = samples[: max(1, round(told * rate))]
    remarks = []
    if gaps:
        first, total = gaps[0][0] - (clock.zero if clock else start), sum(length for _, length in gaps)
        remarks.append(f"gaps in the sound: {len(gaps)}, {total:.2f} s in all, the first at {first:.2f} s")
    if bad:
        remarks.append(f"{len(bad)} packets of the sound cannot be decoded; {AGAIN}")
    if clock is not None:
        shift = round((start - clock.zero) * rate)
        if shift >= rate * max(clock.duration, 0.001) and shift > rate:
            raise MediaError(
                f"{path}: the sound begins {shift / rate:.2f} s after the first picture, when the pictures have ended; "
                "bring both to one start"
            )
        if shift <= -len(samples):
            raise MediaError(
                f"{path}: the sound ends {-shift / rate - len(samples) / rate:.2f} s before the first picture; "
                "bring both to one start"
            )
        samples = np.concatenate([np.zeros(shift, np.float32), samples]) if shift > 0 else samples[-shift:]
    return Soundtrack(samples, rate, remarks)


def _joined(
    pieces: list[tuple[float | None, NDArray[np.float32]]], start: float, rate: int, path: Path
) -> tuple[NDArray[np.float32], list[tuple[float, float]]]:
    """The pieces at their times, and the gaps between them as (start, length) in seconds.

    A piece lies off where its time and those of the pieces after it all do: times that jump to and fro are the
    container's rounding (some count 40 ms), and the pieces then follow each other.
    """
    lengths = np.array([len(x) for _, x in pieces]) / rate
    due = start + np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    off = np.array([0.0 if time is None else time - at for (time, _), at in zip(pieces, due, strict=True)])
    out: list[NDArray[np.float32]] = []
    gaps: list[tuple[float, float]] = []
    level = 0.0
    for number, (_, x) in enumerate(pieces):
        ahead = off[number : number + _AHEAD] - level
        late, early = float(ahead.min()), float(ahead.max())
        if late > _FAR:
            raise MediaError(f"{path}: no sound for {late:.0f} s after {due[number] + level - start:.2f} s; {AGAIN}")
        if late > _GAP and (len(ahead) > 2 or late > 10 * _GAP):
            fill = round(late * rate)
            out.append(np.zeros(fill, np.float32))
            gaps.append((float(due[number]) + level, late))
            level += fill / rate
        elif early < -_GAP and len(ahead) > 2:  # sound that overlaps what was there already
            cut = min(len(x), round(-early * rate))
            x = x[cut:]
            level -= cut / rate
        out.append(x)
    return np.concatenate(out), gaps
