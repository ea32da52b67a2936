"""The two numbers of SyncNet's evaluation from the two sequences of embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

REACH = 15
"""Frames (40 ms) by which the sound is moved to either side: the original scripts' ``vshift``."""
EPSILON = 1e-6
"""What the distance adds to every difference before squaring (torch's ``pairwise_distance``)."""


@dataclass(frozen=True, slots=True)
class Sync:
    """What one face track says.

    Attributes:
        confidence: LSE-C, median less minimum of the curve.
        distance: LSE-D, its minimum.
        offset: where the minimum is, in frames of 40 ms; positive where the sound is early, so that delaying it by k
            frames lowers the offset by k.
        distance_at_zero: the curve where the sound is not moved.
        windows: how many windows of 5 frames were compared.
    """

    confidence: float
    distance: float
    offset: int
    distance_at_zero: float
    windows: int


def mean_distances(lips: Floats, sound: Floats, reach: int = REACH) -> NDArray[np.float64]:
    """(2 * reach + 1,) mean over i of ``|lips[i] - sound[i + j - reach] + 1e-6|`` for j = 0 ... 2 * reach.

    Beyond its ends the sound is zeros. They pull the curve's outer parts, and the more so the shorter the clip: LSE-C
    grows with length. That is the published definition.

    Args:
        lips: (N, D) embeddings, N >= 1, not of unit length.
        sound: as many embeddings of the sound.
    """
    count = len(lips)
    if count < 1 or np.shape(lips) != np.shape(sound):
        raise ValueError(f"embeddings of shapes {np.shape(lips)} and {np.shape(sound)}; expected two of (N >= 1, D)")
    seen = np.asarray(lips, np.float64) + EPSILON
    padded = np.pad(np.asarray(sound, np.float64), ((reach, reach), (0, 0)))
    rows = [np.linalg.norm(seen - padded[j : j + count], axis=1).mean() for j in range(2 * reach + 1)]
    return np.array(rows)


def sync(lips: Floats, sound: Floats, reach: int = REACH) -> Sync:
    """Confidence, distance and offset of one track; arguments as for `mean_distances`."""
    curve = mean_distances(lips, sound, reach)
    least = int(np.argmin(curve))
    return Sync(
        confidence=float(np.median(curve) - curve[least]),
        distance=float(curve[least]),
        offset=reach - least,
        distance_at_zero=float(curve[reach]),
        windows=len(lips),
    )
