"""95 % intervals from few or many units. Pure: arrays in, numbers out.

- With fewer than `UNITS` units there is none: all of them agree in sign too often by chance.
- Below `MANY` units: value ± t(units − 1) × standard error. The percentile bootstrap is too narrow there (it lacks the
  t quantile and the factor units / (units − 1)). The standard error of a mean or a ratio is the delete-one-unit
  jackknife's, which leans to the wide side; that of a quantile is the spread of its resamples.
- From `MANY` units on: BCa bootstrap (Efron 1987), which follows the skew of error rates; for quantiles, whose
  acceleration no jackknife gives, the percentile bootstrap.

Every resample draws whole units with replacement, the same for all systems and columns of a sheet.
``docs/statistics.md`` has the measured coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Mean, Quantile, Ratio
from dubbench.leaderboards.statistics import LEVEL, RESAMPLES, UNITS, Arrays, Bits, Estimate, value
from dubbench.leaderboards.units import Units

MANY = 50
"""Fewest units for the bootstrap; below, t."""

_CHUNK = 1 << 18
"""Clips of resamples that are held at once; keeps the work inside the processor's cache."""

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spread:
    """How a value moves with the units, on the printed scale.

    Attributes:
        point: the value itself; NaN if undefined.
        samples: (B,) the value in each resample.
        jackknife: (K,) the value without each of the K units that have a clip; None for quantiles.
        units: K. n: clips.
        lowest, highest: what no value of the column can pass.
    """

    point: float
    samples: Values
    jackknife: Values | None
    units: int
    n: int
    lowest: float = -np.inf
    highest: float = np.inf

    def minus(self, other: Spread) -> Spread:
        """The difference, paired: both are of the same units and resamples."""
        both = self.jackknife is not None and other.jackknife is not None
        jackknife = self.jackknife - other.jackknife if both else None  # type: ignore[operator]
        point = self.point - other.point
        if abs(point) < 1e-12 * max(abs(self.point), abs(other.point)):
            point = 0.0  # sums of equal numbers in another order
        whole = self.samples.size == other.samples.size  # not where one of the values is undefined
        samples = self.samples - other.samples if whole else np.empty(0)
        return Spread(point, samples, jackknife, self.units, self.n)


def mean(each: Sequence[Spread]) -> Spread:
    """The mean of several values over the same clips and resamples."""
    first = each[0]
    whole = len({s.samples.size for s in each}) == 1
    samples = np.mean([s.samples for s in each], axis=0) if whole else np.empty(0)
    left = [s.jackknife for s in each if s.jackknife is not None]
    jackknife = np.mean(left, axis=0) if len(left) == len(each) else None
    return Spread(float(np.mean([s.point for s in each])), samples, jackknife, first.units, first.n)


def weights(count: int, seed: int, resamples: int = RESAMPLES) -> Values:
    """(resamples, count) how often each unit was drawn; each row adds up to ``count``."""
    rng = np.random.default_rng(seed)
    if not count:
        return np.zeros((resamples, 0))
    drawn = rng.integers(0, count, (resamples, count))
    rows = np.arange(resamples)[:, None] * count
    return np.bincount((drawn + rows).ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)


def spread(column: Column, stats: Arrays, keep: Bits, units: Units, drawn: Values) -> Spread:
    """The spread of a column over the clips in ``keep``, all of them scored.

    Args:
        stats: statistic -> (N,). drawn: `weights` of ``units``.
    """
    present = units.present(keep)
    n, count = int(keep.sum()), int(present.sum())
    point = value(column, stats, keep)
    top = column.best if column.direction == "up" and column.best is not None else np.inf
    if count < UNITS or not np.isfinite(point):
        return Spread(point, np.empty(0), None, count, n)
    aggregate, scale = column.aggregate, column.scale
    if isinstance(aggregate, Quantile):
        x = stats[aggregate.value]
        samples = _quantiles(x[keep], units.of[keep], aggregate.q, drawn) * scale
        return Spread(point, samples, None, count, n, 0.0 if x[keep].min() >= 0 else -np.inf, top)
    above, below = _sums(aggregate, stats, keep, units)
    lowest = 0.0 if above.min() >= 0 and below.min() >= 0 else -np.inf
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = (drawn @ above) / (drawn @ below) * scale
        left = (above.sum() - above[present]) / (below.sum() - below[present]) * scale
    return Spread(point, samples, left, count, n, lowest, top)


def _sums(aggregate: Mean | Ratio, stats: Arrays, keep: Bits, units: Units) -> tuple[Values, Values]:
    """(units.count,) numerator and denominator of a mean or ratio, unit by unit."""
    if isinstance(aggregate, Mean):
        return units.sums(stats[aggregate.value], keep), units.sums(np.ones(keep.size), keep)
    return units.sums(stats[aggregate.numerator], keep), units.sums(stats[aggregate.denominator], keep)


def _quantiles(x: Values, unit: NDArray[np.intp], q: float, drawn: Values) -> Values:
    """(B,) the quantile of each resample, by linear interpolation as in numpy; NaN where nothing was drawn."""
    order = np.argsort(x, kind="stable")
    ordered, unit = np.append(x[order], np.nan), unit[order]
    copies = drawn.astype(np.int32)
    out = np.empty(len(drawn))
    step = max(1, _CHUNK // x.size)
    for at in range(0, len(drawn), step):
        behind = np.cumsum(copies[at : at + step, unit], axis=1, dtype=np.int64)  # copies up to and with each clip
        total = behind[:, -1]
        place = q * (total - 1)
        under = np.floor(place)
        shift = np.arange(len(behind)) * (behind.max() + 1)  # all rows one after the other are sorted
        rows = (behind + shift[:, None]).ravel()
        below, above = (
            ordered[np.searchsorted(rows, rank + shift, "right") - np.arange(len(behind)) * x.size]
            for rank in (under, np.minimum(under + 1, total - 1))
        )
        out[at : at + step] = np.where(total > 0, below + (place - under) * (above - below), np.nan)
    return out


def error(s: Spread) -> float:
    """The standard error of a value; NaN where it has none."""
    if s.units < UNITS or not np.isfinite(s.point):
        return float("nan")
    if s.jackknife is not None:
        return float(np.sqrt((s.units - 1) / s.units * np.square(s.jackknife - s.point).sum()))
    finite = s.samples[np.isfinite(s.samples)]
    return float(np.std(finite) * np.sqrt(s.units / (s.units - 1))) if finite.size else float("nan")


def estimate(s: Spread) -> Estimate:
    """The value with its interval; which kind it is stands in `Estimate.method`."""
    if not np.isfinite(s.point):
        return Estimate(None, None, None, s.n, units=s.units)
    if s.units < UNITS:
        return Estimate(s.point, None, None, s.n, units=s.units)
    method = "t" if s.units < MANY else "percentile" if s.jackknife is None else "BCa"
    if method == "t":
        from scipy.stats import t

        half = float(t.ppf((1 + LEVEL) / 2, s.units - 1)) * error(s)
        ends = s.point - half, s.point + half
    else:
        ends = _bootstrap(s)
    if not np.all(np.isfinite(ends)):
        return Estimate(s.point, None, None, s.n, units=s.units)
    low, high = (float(np.clip(end, s.lowest, s.highest)) for end in ends)
    return Estimate(s.point, low, high, s.n, method, s.units)


def _bootstrap(s: Spread) -> tuple[float, float]:
    """BCa interval, or the percentile interval of a quantile; resamples without a value are left out."""
    from scipy.special import ndtr, ndtri

    samples = s.samples[np.isfinite(s.samples)]
    if not samples.size:
        return float("nan"), float("nan")
    tails = np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if s.jackknife is not None and np.ptp(samples) > 0:
        close = 1e-12 * max(abs(s.point), 1e-300)
        under = np.mean(samples < s.point - close) + np.mean(np.abs(samples - s.point) <= close) / 2
        bias = ndtri(np.clip(under, 1 / samples.size, 1 - 1 / samples.size))
        off = s.jackknife.mean() - s.jackknife
        skew = float((off**3).sum() / (6 * (off**2).sum() ** 1.5)) if np.any(off) else 0.0
        moved = bias + ndtri(tails)
        tails = ndtr(bias + moved / (1 - skew * moved))
    low, high = np.quantile(samples, tails)
    return float(low), float(high)
