"""Paired tests of every two systems in a column, corrected together. Pure: arrays in, p-values out.

Approximate randomisation (Noreen 1989; Yeh 2000): if two systems do equally well, their outputs may change places. In
each trial whole units (speakers, recordings, clips) swap or stay, by coin, and p is the share of trials whose
difference is at least as large as the one found. With up to `EXACT` units every pattern of swaps is tried. More than
`BLOCKS` units are put together into that many by lot: a subgroup of all swaps, so that the test stays exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
"""Family-wise error rate."""

TRIALS = 9999
"""Fewest random patterns of swaps; more where Holm's first threshold asks for it."""

EXACT = 12
"""Most units whose patterns of swaps are all tried (4096)."""

BLOCKS = 256

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two systems over the same clips, unit by unit: a value is sum(above) / sum(below), and the test is of a - b."""

    above_a: Values
    below_a: Values
    above_b: Values
    below_b: Values


@dataclass(frozen=True, slots=True)
class Tested:
    """``p`` of one pair (two-sided), and ``floor``, the least p that its units allow."""

    p: float
    floor: float


def swaps(count: int, seed: int, tests: int) -> Values:
    """(trials, count) of 0 and 1: all patterns for few units, else a random choice large enough for ``tests`` tests."""
    if count <= EXACT:
        return ((np.arange(1 << count)[:, None] >> np.arange(count)) & 1).astype(np.float64)
    trials = max(TRIALS, int(np.ceil(tests / ALPHA)))
    return np.random.default_rng(seed).integers(0, 2, (trials, count)).astype(np.float64)


def randomise(pairs: Sequence[Pair], seed: int) -> list[Tested | None]:
    """Test each pair; None where the difference is undefined. All arrays are (K,), of the same K units."""
    if not pairs:
        return []
    parts = [np.stack([getattr(pair, name) for pair in pairs]) for name in Pair.__dataclass_fields__]
    live = np.any([part != 0 for part in parts], axis=0).sum(1)  # units that have clips of both
    if parts[0].shape[1] > BLOCKS:
        block = np.random.default_rng(seed).permutation(parts[0].shape[1]) % BLOCKS
        parts = [np.stack([np.bincount(block, row, BLOCKS) for row in part]) for part in parts]
    above_a, below_a, above_b, below_b = parts
    pattern = swaps(above_a.shape[1], seed, len(pairs))
    exact = above_a.shape[1] <= EXACT
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.abs(above_a.sum(1) / below_a.sum(1) - above_b.sum(1) / below_b.sum(1))
        close = 1e-9 * np.maximum(np.abs(above_a.sum(1) / below_a.sum(1)), found)
        beyond = np.zeros(len(pairs))
        for at in range(0, len(pattern), 1024):
            trial = pattern[at : at + 1024]
            up, down = trial @ (above_b - above_a).T, trial @ (below_b - below_a).T
            a = (above_a.sum(1) + up) / (below_a.sum(1) + down)
            b = (above_b.sum(1) - up) / (below_b.sum(1) - down)
            beyond += (~(np.abs(a - b) < found - close)).sum(0)
    p = beyond / len(pattern) if exact else (beyond + 1) / (len(pattern) + 1)
    least = 0.0 if exact else 1 / (len(pattern) + 1)
    return [
        Tested(float(p[i]), max(least, 2.0 ** (1 - min(int(live[i]), BLOCKS)))) if np.isfinite(found[i]) else None
        for i in range(len(pairs))
    ]


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for all of them together (Holm 1979): reject where they are at most `ALPHA`."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    out, reached = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(p) - rank) * p[i]))
        out[i] = reached
    return out


def undecidable(tests: Sequence[Tested], adjusted: Sequence[float]) -> list[bool]:
    """Where not even the least p that the units allow is below the threshold at which Holm's procedure stopped."""
    rejected = sum(p <= ALPHA for p in adjusted)
    threshold = ALPHA / max(1, len(tests) - rejected)
    return [p > ALPHA and test.floor > threshold for test, p in zip(tests, adjusted, strict=True)]
