"""AV-HuBERT's sound features: log filterbanks as ``python_speech_features.logfbank`` makes them, four stacked."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16000
BANDS, LENGTH, STEP, TRANSFORM, EMPHASIS = 26, 400, 160, 512, 0.97
STACK = 4
"""Filterbank frames (100 Hz) of one video frame (25 Hz)."""

Floats = NDArray[np.float64]


def log_filterbank(samples: NDArray[np.floating]) -> Floats:
    """(T,) samples at 16 kHz in [-1, 1] to (N, 26) natural logs of power in mel bands, 100 a second.

    The samples are 16-bit integers on the way, as in the wav files of the original. Windows of 25 ms without a taper;
    the last is filled up with zeros: N = 1 + ceil((T - 400) / 160), and 1 for shorter sounds.
    """
    x = np.clip(np.rint(np.asarray(samples, dtype=np.float64) * 32768), -32768, 32767)
    x = np.concatenate([x[:1], x[1:] - EMPHASIS * x[:-1]])
    count = 1 + max(0, -(-(len(x) - LENGTH) // STEP))
    padded = np.pad(x, (0, (count - 1) * STEP + LENGTH - len(x)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, LENGTH)[::STEP]
    power = np.abs(np.fft.rfft(windows, TRANSFORM)) ** 2 / TRANSFORM
    bands = power @ _triangles()
    return np.asarray(np.log(np.where(bands == 0, np.finfo(float).eps, bands)))


@cache
def _triangles() -> Floats:
    """(257, 26) triangles between 28 points, equally far apart in mels from 0 Hz to 8 kHz, put on whole bins."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    corners = np.floor((TRANSFORM + 1) * hertz / RATE)
    bins = np.arange(TRANSFORM // 2 + 1)[:, None]
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = (bins - low) / (peak - low), (high - bins) / (high - peak)
    return np.asarray(np.where((low <= bins) & (bins < peak), up, np.where((peak <= bins) & (bins < high), down, 0.0)))


def stacked(bands: Floats, count: int) -> NDArray[np.float32]:
    """(N, 26) to (``count``, 104): four frames side by side, the rest cut off or filled up with zeros, then each row
    brought to mean 0 and variance 1, which takes the level away."""
    rows = np.zeros((count * STACK, BANDS))
    rows[: len(bands)] = bands[: len(rows)]
    x = rows.reshape(count, STACK * BANDS)
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return np.asarray(x, dtype=np.float32)
