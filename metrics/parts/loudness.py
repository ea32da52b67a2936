"""Level: the threshold of silence, and normalisation to one level for metrics that compare both sides at it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUIET_DB = -80.0
"""RMS in dBFS below which there is nothing to hear: a network answers all the same, and its answer means nothing."""


def silent(samples: NDArray[np.floating]) -> bool:
    """Whether (T,) samples in [-1, 1] are silence: less their mean, an RMS below -80 dBFS over the whole length.

    A constant is silent, a quiet room (-70 dBFS and louder) is not; a single sample is.
    """
    with np.errstate(invalid="ignore"):  # infinite samples are nobody's silence
        return bool(np.std(np.asarray(samples, dtype=np.float64)) < 10 ** (QUIET_DB / 20))


def at_level(samples: NDArray[np.floating], db: float) -> NDArray[np.float32] | None:
    """``samples`` without their mean, scaled to an RMS of ``db`` dBFS over their whole length, clipped to [-1, 1].

    Gain leaves no trace. Only sound whose peaks rise more than ``-db`` decibels above its RMS is clipped: clicks.

    Args:
        samples: (T,), finite.

    Returns:
        (T,), or None where there is no sound: fewer than two samples, or all alike.
    """
    raw = np.asarray(samples, dtype=np.float64)
    if raw.size < 2:
        return None
    x = raw - raw.mean()
    peak = np.abs(x).max()
    if peak <= 1e-6 * np.abs(raw).max():  # what float32 leaves of a constant
        return None
    x /= peak  # first, so that squares neither overflow nor vanish
    return np.asarray(np.clip(x * (10 ** (db / 20) / np.sqrt(np.mean(x**2))), -1.0, 1.0), dtype=np.float32)
