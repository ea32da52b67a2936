"""Mel filters as HTK has them (O'Shaughnessy's scale): mel = 2595 log10(1 + f / 700)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def mel_bank(bands: int, fft: int, rate: int, low: float, high: float) -> NDArray[np.float64]:
    """Triangles of height 1, evenly spaced in mel; read-only, made once.

    Args:
        bands: how many.
        fft: length of the transform in samples.
        rate: of the sound in Hz.
        low: where the first band begins, in Hz.
        high: where the last band ends, in Hz.

    Returns:
        (bands, fft // 2 + 1): times a power spectrum it is the power in each band.
    """
    first, last = (2595 * np.log10(1 + f / 700) for f in (low, high))
    edges = 700 * (10 ** (np.linspace(first, last, bands + 2) / 2595) - 1)
    start, middle, end = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    f = np.arange(fft // 2 + 1) * rate / fft
    bank = np.maximum(0, np.minimum((f - start) / (middle - start), (end - f) / (end - middle)))
    bank.flags.writeable = False
    return np.asarray(bank)
