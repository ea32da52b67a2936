"""Cutting and joining of speech for controls and baselines: levels, room tone, cross-fades."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError

Samples = NDArray[np.float32]

_FRAME = 0.01  # seconds


def rms(samples: Samples) -> float:
    """Root mean square; 0 for nothing."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def frame_levels(samples: Samples, rate: int) -> NDArray[np.float64]:
    """(n,) level of each whole 10 ms in dB (full scale is 0, digital silence -140)."""
    size = round(_FRAME * rate)
    whole = samples[: len(samples) // size * size].astype(np.float64).reshape(-1, size)
    return np.asarray(10 * np.log10(np.mean(whole**2, axis=1) + 1e-14))


def speaking(samples: Samples, rate: int) -> NDArray[np.bool_]:
    """(n,) whether somebody speaks in each 10 ms: at least 12 dB above the floor (10th percentile) and at most 35 dB
    below the loudest, in runs of at least 30 ms (a click is shorter); rumble below 80 Hz does not count.
    """
    from scipy.signal import butter, sosfilt

    if len(samples) < round(_FRAME * rate):
        return np.zeros(0, bool)
    level = frame_levels(np.asarray(sosfilt(butter(4, 80, "highpass", fs=rate, output="sos"), samples)), rate)
    loud = level > max(np.percentile(level, 10) + 12, level.max() - 35, -90)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first < 3:
            loud[first:last] = False
    return np.asarray(loud)


def speech_span(samples: Samples, rate: int) -> tuple[int, int]:
    """First and last sample (exclusive) in which somebody speaks; the whole where nobody does."""
    frames = np.flatnonzero(speaking(samples, rate))
    if not len(frames):
        return 0, len(samples)
    size = round(_FRAME * rate)
    return int(frames[0]) * size, (int(frames[-1]) + 1) * size


def speech_level(samples: Samples, rate: int) -> float:
    """RMS over the frames in which somebody speaks; over everything where nobody does."""
    size = round(_FRAME * rate)
    frames = speaking(samples, rate)
    if not frames.any():
        return rms(samples)
    return rms(samples[: len(frames) * size].reshape(-1, size)[frames].ravel())


def room_tone(samples: Samples, rate: int, length: int, rng: np.random.Generator) -> Samples:
    """``length`` samples that sound like the room: grains of 100 ms drawn from the quietest 300 ms of ``samples``,
    overlapped by half with power-complementary windows.

    Stretches of digital silence (padding) are passed over unless there is nothing else.
    """
    stretch = min(len(samples), round(0.3 * rate))
    step = max(1, stretch // 10)
    starts = np.arange(0, len(samples) - stretch + 1, step)
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    zeros = np.concatenate([[0], np.cumsum(samples == 0)])
    padded = (zeros[starts + stretch] - zeros[starts]) > 0.1 * stretch
    energy = power[starts + stretch] - power[starts]
    best = int(starts[np.argmin(np.where(padded & ~padded.all(), np.inf, energy))])
    quiet = samples[best : best + stretch]
    hop = max(1, min(round(0.05 * rate), stretch // 4))
    window = np.sin(np.pi * (np.arange(2 * hop) + 0.5) / (2 * hop))
    tone = np.zeros(length + 3 * hop)
    for start in range(0, length + hop, hop):
        at = int(rng.integers(0, max(1, stretch - 2 * hop + 1)))
        grain = quiet[at : at + 2 * hop]
        tone[start : start + len(grain)] += window[: len(grain)] * grain
    return tone[hop : hop + length].astype(np.float32)


def lay_over(tone: Samples, samples: Samples, start: int, rate: int, fade: float = 0.01) -> Samples:
    """``tone`` (N,) with ``samples`` laid over it from ``start`` on (may be negative, may end beyond N).

    Edges of ``samples`` inside the result are cross-faded over ``fade`` seconds (equal power) within ``samples``;
    what lies between them is ``samples`` exactly.
    """
    low, high = max(start, 0), min(start + len(samples), len(tone))
    result = tone.copy()
    if high <= low:
        return result
    part = samples[low - start : high - start].copy()
    size = min(round(fade * rate), len(part) // 2)
    rise = np.sin(np.pi / 2 * (np.arange(size) + 0.5) / max(size, 1)).astype(np.float32)
    if low > 0 and size:
        part[:size] = rise * part[:size] + rise[::-1] * tone[low : low + size]
    if high < len(tone) and size:
        part[-size:] = rise[::-1] * part[-size:] + rise * tone[high - size : high]
    result[low:high] = part
    return result


def quiet_cuts(samples: Samples, rate: int, start: int, end: int, pieces: int) -> list[int]:
    """``pieces + 1`` cut points from ``start`` to ``end``: even ones, each moved to the quietest 10 ms within a third
    of a piece.

    Raises:
        DubbenchError: the pieces would be shorter than 30 ms.
    """
    length = (end - start) / pieces
    if pieces < 1 or length < 0.03 * rate:
        raise DubbenchError(f"{(end - start) / rate:.2f} s of speech cannot be cut into {pieces} pieces")
    size = round(_FRAME * rate)
    level = frame_levels(samples, rate)
    cuts = [start]
    for number in range(1, pieces):
        middle = start + number * length
        first = max(0, int((middle - length / 3) // size))
        last = min(len(level), max(first + 1, int((middle + length / 3) // size)))
        cuts.append((first + int(np.argmin(level[first:last]))) * size + size // 2)
    return [*cuts, end]


def join(pieces: list[Samples], overlap: int) -> Samples:
    """Pieces one after the other; each reaches ``overlap`` samples into the next, where the two are cross-faded (raised
    cosine, sums to one).
    """
    result = np.zeros(sum(len(p) for p in pieces) - overlap * (len(pieces) - 1), np.float32)
    rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(overlap) + 0.5) / max(overlap, 1))).astype(np.float32)
    at = 0
    for number, piece in enumerate(pieces):
        shaped = piece.copy()
        if overlap and number:
            shaped[:overlap] *= rise
        if overlap and number < len(pieces) - 1:
            shaped[-overlap:] *= rise[::-1]
        result[at : at + len(piece)] += shaped
        at += len(piece) - overlap
    return result
