"""Variance components for crossed samples: every listener hears many clips, and every clip has many listeners.

The two-way cluster-robust variance of Cameron, Gelbach and Miller (2011): V = V_listener + V_clip - V_both, from each
answer's influence on the estimate; V is never less than either part. Student's t with the smaller number of clusters
less one. Where there are fewer than `UNITS` clips (or listeners), that side is taken as fixed: the interval then speaks
of these clips (or listeners) alone, and its ``unit`` says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dubbench.leaderboards.statistics import LEVEL, UNITS, Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """(d, d) covariances of estimates, of which the largest counts; ``unit`` is what was taken as a sample, empty if
    nothing could be."""

    covariances: tuple[Floats, ...]
    freedom: int
    unit: str

    def variance(self, weights: Floats) -> float:
        """The variance of the sum of estimates with (d,) ``weights``."""
        return max((float(weights @ part @ weights) for part in self.covariances), default=0.0)

    def half(self, weights: Floats) -> float | None:
        """Half the interval of that sum; None where nothing could be taken as a sample."""
        if not self.unit:
            return None
        return float(stats.t.ppf((1 + LEVEL) / 2, self.freedom) * np.sqrt(self.variance(weights)))

    def p_value(self, value: float, weights: Floats) -> float | None:
        """Two-sided p of that sum, ``value``, being 0; None where there is no interval or no variance."""
        variance = self.variance(weights)
        if not self.unit or variance <= 0:
            return None
        return float(2 * stats.t.sf(abs(value) / np.sqrt(variance), self.freedom))


def spread(influence: Floats, listeners: Sequence[str], clips: Sequence[str]) -> Spread:
    """The spread of estimates from the (n, d) influence of each answer, which sums to 0 over the answers."""
    by_listener, many_listeners = _clustered(influence, listeners)
    by_clip, many_clips = _clustered(influence, clips)
    if many_listeners >= UNITS and many_clips >= UNITS:
        both, _ = _clustered(influence, list(zip(listeners, clips, strict=True)))
        parts = (by_listener + by_clip - both, by_listener, by_clip)
        return Spread(parts, min(many_listeners, many_clips) - 1, "listener and clip")
    if many_listeners >= UNITS:
        return Spread((by_listener,), many_listeners - 1, "listener")
    if many_clips >= UNITS:
        return Spread((by_clip,), many_clips - 1, "clip")
    return Spread((), 0, "")


def _clustered(influence: Floats, clusters: Sequence[object]) -> tuple[Floats, int]:
    """G / (G - 1) times the sum over clusters of the outer products of their sums, and G."""
    index = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(index), influence.shape[1]))
    np.add.at(sums, [index[cluster] for cluster in clusters], influence)
    count = len(index)
    return sums.T @ sums * (count / max(1, count - 1)), count


def means(scores: Floats, groups: Sequence[int], count: int) -> tuple[Floats, Floats]:
    """(d,) means of the answers of each group, NaN for an empty one; (n, d) influence of each answer on them."""
    member = np.asarray(groups)[:, None] == np.arange(count)
    size = member.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(size > 0, (member * scores[:, None]).sum(0) / size, np.nan)
        influence = np.where(member, (scores[:, None] - value) / size, 0.0)
    return value, influence


def estimated(value: float, half: float | None, n: int) -> Estimate:
    """A value with its interval. Without any variance in the answers there is none: equal answers prove nothing."""
    if not np.isfinite(value):
        return Estimate(None, None, None, n)
    if not half:
        return Estimate(float(value), None, None, n)
    return Estimate(float(value), float(value - half), float(value + half), n)
