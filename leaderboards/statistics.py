"""Values and ranks from per-clip statistics. Pure: arrays in, numbers out.

Intervals are made in `dubbench.leaderboards.intervals`, tests in `dubbench.leaderboards.randomisation`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column

RESAMPLES = 2000
"""Bootstrap resamples."""

LEVEL = 0.95
"""Coverage of every interval."""

UNITS = 5
"""Fewest units (speakers, recordings or clips) that an interval or a test is made from."""

Arrays = Mapping[str, NDArray[np.float64]]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value on the column's printed scale with its interval. None where undefined.

    Attributes:
        n: clips that entered.
        method: of the interval: ``t``, ``BCa`` or ``percentile``; empty where there is none.
        units: speakers, recordings or clips that were drawn.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str = ""
    units: int = 0

    @property
    def apart(self) -> bool:
        """Whether the interval excludes zero; False without an interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


NOTHING = Estimate(None, None, None, 0)


def seed_of(text: str) -> int:
    """The bootstrap seed of a comparability class, in [0, 2**32): equal runs give equal intervals."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def scored(column: Column, stats: Arrays, count: int) -> Bits:
    """(count,) whether each clip has every statistic that the column reads; a NaN stands for none."""
    keep = np.ones(count, bool)
    for name in column.aggregate.names():
        keep &= np.isfinite(stats[name]) if name in stats else False
    return keep


def values(column: Column, stats: Arrays, count: int) -> NDArray[np.float64]:
    """(count,) each clip's own value on the printed scale; NaN where the clip is unscored or alone has none."""
    keep = scored(column, stats, count)
    out = np.full(count, np.nan)
    if keep.any():
        out[keep] = column.aggregate.per_clip(_only(column, stats, keep)) * column.scale
    return out


def value(column: Column, stats: Arrays, keep: Bits) -> float:
    """The column's value over the clips in ``keep`` (all of them scored) on the printed scale; NaN if undefined."""
    count = int(keep.sum())
    if not count:
        return float("nan")
    every = np.arange(count, dtype=np.intp)[None]
    return float(column.aggregate.resample(_only(column, stats, keep), every)[0] * column.scale)


def interval(samples: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Percentile interval of resampled values; resamples without a value are left out; (None, None) if none has one."""
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return None, None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def estimate(point: float, samples: NDArray[np.float64], n: int) -> Estimate:
    """A point value with the percentile interval of its resamples."""
    if not np.isfinite(point):
        return Estimate(None, None, None, n)
    low, high = interval(samples)
    return Estimate(point, low, high, n, "" if low is None else "percentile")


def rank_groups(
    points: Sequence[float], higher_is_better: bool, apart: Callable[[int, int], bool]
) -> list[tuple[int, ...]]:
    """Groups of equal rank, best first, as indices into ``points``; within a group best first, then as given.

    A group ends where every system before is apart from every system after, so two systems that cannot be told
    apart always share a group (as in WMT's clusters). ``apart(i, j)`` says whether i and j differ.
    """
    order = sorted(range(len(points)), key=lambda i: -points[i] if higher_is_better else points[i])
    out: list[list[int]] = []
    for at, i in enumerate(order):
        if at == 0 or all(apart(a, b) for a in order[:at] for b in order[at:]):
            out.append([])
        out[-1].append(i)
    return [tuple(group) for group in out]


def _only(column: Column, stats: Arrays, keep: Bits) -> dict[str, NDArray[np.float64]]:
    return {name: stats[name][keep] for name in column.aggregate.names()}
