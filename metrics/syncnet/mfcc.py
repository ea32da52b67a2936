"""Mel-frequency cepstra as ``python_speech_features`` 0.6 computes them with its defaults: SyncNet was trained on them.

Pre-emphasis 0.97; frames of 25 ms every 10 ms without a window; power spectrum of 512 points; 26 triangles on the mel
scale from 0 Hz to half the rate; logarithm; orthonormal DCT-II, 13 coefficients; lifter 22; coefficient 0 replaced by
the logarithm of the frame's energy. The input is 16-bit integers, not floats in [-1, 1]: that moves coefficient 0.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

Floats = NDArray[np.float64]

RATE = 16000
HOP = 160
WINDOW = 400
FFT = 512
BANDS = 26
CEPSTRA = 13
LIFTER = 22
PREEMPHASIS = 0.97
_CHUNK = 4096  # frames at a time, so that an hour of sound needs no gigabytes


def pcm16(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    """(T,) samples in [-1, 1] as 16-bit integers, the way ffmpeg rounds; what lies beyond is clipped."""
    return np.clip(np.rint(np.asarray(samples, np.float64) * 32768), -32768, 32767).astype(np.int16)


def mfcc(pcm: NDArray[np.int16]) -> Floats:
    """(M, 13) cepstra of (T,) 16-bit samples at 16 kHz, T >= 1; M = 1 + ceil((T - 400) / 160), at least 1.

    The end is padded with zeros to a whole frame.
    """
    signal = pcm.astype(np.float64)
    signal[1:] -= PREEMPHASIS * pcm[:-1].astype(np.float64)
    count = 1 + max(0, -(-(len(signal) - WINDOW) // HOP))
    signal = np.pad(signal, (0, max(0, (count - 1) * HOP + WINDOW - len(signal))))
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP][:count]
    return np.concatenate([_cepstra(frames[at : at + _CHUNK]) for at in range(0, count, _CHUNK)])


def _cepstra(frames: Floats) -> Floats:
    spectra = np.fft.rfft(frames, FFT)
    power = (spectra.real**2 + spectra.imag**2) / FFT
    tiny = np.finfo(np.float64).eps
    energy = power.sum(axis=1)
    bands = power @ mel_bank().T
    bands[bands == 0] = tiny
    cepstra = dct(np.log(bands), type=2, axis=1, norm="ortho")[:, :CEPSTRA]
    cepstra *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER)
    cepstra[:, 0] = np.log(np.where(energy == 0, tiny, energy))
    return np.asarray(cepstra)


@cache
def mel_bank() -> Floats:
    """(26, 257) triangles, their corners rounded down to whole bins."""
    top = 2595 * np.log10(1 + RATE / 2 / 700.0)
    hertz = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595.0) - 1)
    corners = np.floor((FFT + 1) * hertz / RATE)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.arange(FFT // 2 + 1)
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    bank = np.where((bins >= low) & (bins < middle), rising, 0.0)
    return np.where((bins >= middle) & (bins < high), falling, bank)
