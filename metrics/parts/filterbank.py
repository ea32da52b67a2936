"""The filter banks of ``python_speech_features`` 0.6 with its defaults, and AV-HuBERT's sound features made of them.

Pre-emphasis 0.97; frames of 25 ms every 10 ms without a taper, the last filled up with zeros; power spectrum of 512
points; 26 triangles on the mel scale from 0 Hz to 8 kHz. The samples are 16-bit integers, as in the wav files of the
originals. SyncNet's cepstra (`dubbench.metrics.syncnet.mfcc`) come from the same bands.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 16000
BANDS, LENGTH, STEP, TRANSFORM, EMPHASIS = 26, 400, 160, 512, 0.97
STACK = 4
"""Filterbank frames (100 Hz) of one video frame (25 Hz)."""
TINY = np.finfo(np.float64).eps
"""Stands for no power at all."""
_CHUNK = 4096  # frames at a time, so that an hour of sound needs no gigabytes

Floats = NDArray[np.float64]


def pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """(T,) samples in [-1, 1] as 16-bit integers, the way ffmpeg rounds; what lies beyond is clipped."""
    return np.clip(np.rint(np.asarray(samples, np.float64) * 32768), -32768, 32767).astype(np.int16)


def spectra(pcm: NDArray[np.int16]) -> Iterator[Floats]:
    """Power spectra (M, 257), 100 a second, of (T,) 16-bit samples at 16 kHz, in parts of at most 4096.

    M is 1 + ceil((T - 400) / 160) in all, and 1 for shorter sounds.
    """
    signal = pcm.astype(np.float64)
    signal[1:] -= EMPHASIS * pcm[:-1].astype(np.float64)
    count = 1 + max(0, -(-(len(signal) - LENGTH) // STEP))
    signal = np.pad(signal, (0, max(0, (count - 1) * STEP + LENGTH - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(signal, LENGTH)[::STEP][:count]
    for at in range(0, count, _CHUNK):
        yield np.abs(np.fft.rfft(frames[at : at + _CHUNK], TRANSFORM)) ** 2 / TRANSFORM


def log_bands(power: Floats) -> Floats:
    """(M, 257) power spectra to (M, 26) natural logs of power in mel bands."""
    bands = power @ _triangles()
    return np.asarray(np.log(np.where(bands == 0, TINY, bands)))


def log_filterbank(samples: NDArray[np.floating]) -> Floats:
    """(T,) samples at 16 kHz in [-1, 1] to (M, 26), as ``logfbank``; M as for `spectra`."""
    return np.concatenate([log_bands(power) for power in spectra(pcm16(samples))])


@cache
def _triangles() -> Floats:
    """(257, 26) triangles between 28 points, equally far apart in mels, put on whole bins."""
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
