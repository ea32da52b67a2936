"""Mel-frequency cepstra as ``python_speech_features`` 0.6 computes them with its defaults: SyncNet was trained on them.

Of its log mel bands (`dubbench.metrics.parts.filterbank`): orthonormal DCT-II, 13 coefficients; lifter 22; coefficient
0 replaced by the logarithm of the frame's energy. The input is 16-bit integers, not floats in [-1, 1]: that moves
coefficient 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from dubbench.metrics.parts.filterbank import TINY, log_bands, spectra

Floats = NDArray[np.float64]

CEPSTRA = 13
LIFTER = 22


def mfcc(pcm: NDArray[np.int16]) -> Floats:
    """(M, 13) cepstra of (T,) 16-bit samples at 16 kHz, T >= 1; M = 1 + ceil((T - 400) / 160), at least 1."""
    return np.concatenate([_cepstra(power) for power in spectra(pcm)])


def _cepstra(power: Floats) -> Floats:
    cepstra = dct(log_bands(power), type=2, axis=1, norm="ortho")[:, :CEPSTRA]
    cepstra *= 1 + LIFTER / 2 * np.sin(np.pi * np.arange(CEPSTRA) / LIFTER)
    energy = power.sum(axis=1)
    cepstra[:, 0] = np.log(np.where(energy == 0, TINY, energy))
    return np.asarray(cepstra)
