"""Monotonic alignment search (Kim et al. 2020): the best way through an attention map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def monotonic_path(
    scores: NDArray[np.floating], frames: NDArray[np.integer], phones: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Durations of the phonemes on the path of the largest sum of scores.

    A path gives every frame one phoneme, starts at the first and ends at the last, and goes from frame to frame to
    the same or the next phoneme: Q_ij = s_ij + max(Q_{i-1,j}, Q_{i-1,j-1}). Ties stay on the later phoneme.
    With more phonemes than frames no such path exists; the frames are then shared out evenly, with durations 0 and 1.

    Args:
        scores: (B, F, N), log-probabilities or any other finite score.
        frames: (B,) valid frames, at least 1.
        phones: (B,) valid phonemes, at least 1.

    Returns:
        (B, N), each row summing to its number of frames, each at least 1 if there are enough frames; 0 behind.
    """
    batch, size, count = scores.shape
    clips = np.arange(batch)
    best = np.full((batch, count), -np.inf)
    best[:, 0] = scores[:, 0, 0]
    advance = np.zeros((batch, size, count), dtype=bool)
    for i in range(1, size):
        before = np.pad(best[:, :-1], ((0, 0), (1, 0)), constant_values=-np.inf)
        advance[:, i] = before > best
        best = scores[:, i] + np.maximum(best, before)

    durations = np.zeros((batch, count), dtype=np.int64)
    place = np.asarray(phones, dtype=np.int64) - 1
    for i in range(size - 1, -1, -1):
        inside = i < frames
        durations[clips, place] += inside
        place = place - (inside & advance[clips, i, place])

    for clip in np.flatnonzero(np.asarray(phones) > np.asarray(frames)):
        n, f = int(phones[clip]), int(frames[clip])
        durations[clip] = 0
        durations[clip, :n] = np.diff(np.arange(n + 1) * f // n)
    return durations
