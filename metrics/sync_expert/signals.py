"""Speaker-independent inputs of the expert: lip landmarks of a face and log-mels of a dub. Needs numpy alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.landmarks import at_25
from dubbench.signal.mel import mel_bank

Floats = NDArray[np.float32]

RATE = 16000
FPS = 25
"""Frames a second of lips and of embeddings."""
PER_FRAME = 4
"""Mel frames a video frame: one every 10 ms."""

HOP = RATE // (FPS * PER_FRAME)
WINDOW = 400
FFT = 512
BANDS = 32
LOW, HIGH = 100.0, 7500.0
RANGE_DB = 50.0
"""Bands further below the clip's level count as silence."""
SPEECH_DB = 25.0
"""Frames at most this far below the clip's level make the mean of a band."""
CONTRAST_DB = 6.0
"""Sound whose level (95th percentile) and floor (5th) lie closer has no speech in it: hum, steady noise."""
FAINT_DB = -80.0
"""Sound whose level lies lower, re full scale, is silence."""

_RING = 20  # points of each lip ring: a corner, the lower edge, the other corner, the upper edge back
_HALF = [*range(_RING // 4 + 1), *range(3 * _RING // 4, _RING)]  # one side of the mouth
_MIRROR = (_RING // 2 - np.arange(_RING)) % _RING
LIP_WIDTH = 2 * len(_HALF) * 3 + 5
"""Width of `lip_input`: 71."""
LIP_CONTEXT = 5
"""Frames that the lip encoder sees before and after its own."""
MEL_CONTEXT = 18
"""Mel frames that the sound encoder sees before the first and after the last of a video frame."""
LEAST_MOVEMENT = 0.004
"""In units of the eyes' distance: the movement of lips that move less is not blown up further."""


def recipe() -> dict[str, str | int | float | bool]:
    """Every choice here, for a metric's recipe."""
    return {
        "rate": RATE,
        "fps": FPS,
        "hop": HOP,
        "window": WINDOW,
        "fft": FFT,
        "bands": BANDS,
        "low_hz": LOW,
        "high_hz": HIGH,
        "range_db": RANGE_DB,
        "speech_db": SPEECH_DB,
        "contrast_db": CONTRAST_DB,
        "faint_db": FAINT_DB,
        "least_movement": LEAST_MOVEMENT,
        "lips": "sides averaged, clip mean off, by the clip's extent; gaps of the inner lips",
    }


def lip_input(lips: NDArray[np.floating]) -> Floats:
    """(F, 71) what the lips do, from `dubbench.signal.landmarks.lip_features`.

    The two sides of the mouth are averaged (speech moves them alike, noise does not), the clip's mean is taken off
    and everything divided by the clip's own extent of movement, so that size and shape of the mouth hardly show. The
    last five numbers are distances of the inner edges at five places; their zero stays: closed lips.

    Args:
        lips: (F, 144 or more) at 25 Hz; what follows the 120 numbers of the lips is not read.
    """
    points = np.asarray(lips, np.float32)[:, : 2 * _RING * 3].reshape(-1, 2, _RING, 3)
    both = (points + points[:, :, _MIRROR] * np.array([-1, 1, 1], np.float32)) / 2
    shape = both[:, :, _HALF].reshape(len(points), -1)
    inner = both[:, 1]
    gaps = np.linalg.norm(inner[:, 1:6] - inner[:, _RING - 1 : _RING - 6 : -1], axis=2)
    moved = shape - shape.mean(0)
    extent = max(float(np.sqrt(np.mean(moved**2))), LEAST_MOVEMENT)
    return np.asarray(np.concatenate([moved, gaps], 1) / extent, np.float32)


def interpolated(features: NDArray[np.floating], fps: float) -> Floats:
    """(F, D) at ``fps`` to (round(F / fps * 25), D) at 25 Hz, linear in time; the last value is held."""
    if abs(fps - FPS) < 0.01:
        return np.asarray(features, np.float32)
    count = max(1, round(len(features) / fps * FPS))
    return np.asarray(at_25(np.asarray(features, np.float64), fps, count), np.float32)


class Mel(NamedTuple):
    """``power`` (4 F, 32) of the mel bands every 10 ms, and the clip's ``level`` and ``floor`` in dB."""

    power: Floats
    level: float
    floor: float

    @property
    def speech(self) -> bool:
        """Whether there can be speech in it: it is audible and not steady."""
        return self.level > FAINT_DB and self.level - self.floor >= CONTRAST_DB


def mel(samples: NDArray[np.floating]) -> Mel:
    """Mel power of (T,) samples at 16 kHz: the window of frame k is centred on sample 160 k + 80.

    F is T / 640, rounded up: what is missing in the last video frame is zeros.
    """
    frames = -(-len(samples) // (HOP * PER_FRAME)) * PER_FRAME
    side = (WINDOW - HOP) // 2
    padded = np.pad(np.asarray(samples, np.float64), (side, side + frames * HOP - len(samples)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:frames]
    hann = np.hanning(WINDOW + 1)[:-1]
    spectra = np.fft.rfft(windows * hann, FFT)
    power = (spectra.real**2 + spectra.imag**2) @ mel_bank(BANDS, FFT, RATE, LOW, HIGH).T / (hann.sum() / 2) ** 2
    total = 10 * np.log10(power.sum(1) + 1e-14)
    smooth = np.convolve(np.pad(total, 2, mode="edge"), np.full(5, 0.2), "valid")
    level, floor = np.percentile(smooth, (95, 5))
    return Mel(np.asarray(power, np.float32), float(level), float(floor))


def mel_input(power: NDArray[np.floating], level: float) -> Floats:
    """(N, 32) mel power as the expert reads it: dB, at most 50 dB down, bands centred on the speech, in units of 10 dB.

    Centring takes most of voice, room and codec out; silence comes out far below zero in every band.
    """
    decibel = 10 * np.log10(np.asarray(power, np.float64) + 1e-14)
    total = 10 * np.log10(np.asarray(power, np.float64).sum(1) + 1e-14)
    active = total > level - SPEECH_DB
    decibel = np.maximum(decibel, level - 10 * np.log10(BANDS) - RANGE_DB)
    middle = decibel[active].mean(0) if active.any() else decibel.mean(0)
    return np.asarray((decibel - middle) / 10, np.float32)


def quiet(x: NDArray[np.floating]) -> Floats:
    """(32,) what the clip sounds like where nobody speaks: the mean of the tenth of its frames with least energy."""
    order = np.argsort(x.mean(1), kind="stable")[: max(1, len(x) // 10)]
    return np.asarray(x[order].mean(0), np.float32)


def framed(lips: Floats, start: int, count: int) -> Floats:
    """(count + 10, 71): frames ``start`` … with the lip encoder's context; the clip's ends are held."""
    at = np.clip(np.arange(start - LIP_CONTEXT, start + count + LIP_CONTEXT), 0, len(lips) - 1)
    return lips[at]


def sounded(x: Floats, start: int, count: int) -> Floats:
    """(4 count + 36, 32): log-mels of video frames ``start`` … with the sound encoder's context; what lies outside
    the clip is as its quietest frames are.
    """
    at = np.arange(PER_FRAME * start - MEL_CONTEXT, PER_FRAME * (start + count) + MEL_CONTEXT)
    out = x[np.clip(at, 0, len(x) - 1)]
    out[(at < 0) | (at >= len(x))] = quiet(x)
    return out
