"""Intervals, paired differences and ranks from per-clip statistics. Pure: arrays in, numbers out.

Intervals are 95 % percentile bootstrap intervals (Efron 1979; paired for two systems as in Koehn 2004): the same
clips are drawn for every system and column. With at least `UNITS` speakers whole speakers are drawn, since clips
of one speaker are alike and an interval over clips would be too narrow (cluster bootstrap); otherwise clips are.
With fewer than `UNITS` units there is no interval: all of them agree in sign too often by chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column

RESAMPLES = 1000
"""Bootstrap resamples."""

LEVEL = 0.95
"""Coverage of every interval."""

UNITS = 5
"""Fewest units (speakers, else clips) that an interval is made from."""

_CHUNK = 1 << 18
"""Indices held at once as intp while resampling; keeps the work inside the processor's cache."""

Arrays = Mapping[str, NDArray[np.float64]]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value on the column's printed scale with its interval. None where undefined; ``n`` clips entered."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def apart(self) -> bool:
        """Whether the interval excludes zero; False without an interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


NOTHING = Estimate(None, None, None, 0)


@dataclass(frozen=True, slots=True)
class Draws:
    """The resamples of one set of clips, to be used for every system and column on it.

    Attributes:
        unit: ``speaker`` or ``clip``: what was drawn.
        units: how many there are.
        rows: blocks of indices into the clips, (b, n) int32 each; all b together are the resamples, or there are
            none. With speakers of unequal size n differs from block to block.
    """

    unit: str
    units: int
    rows: tuple[NDArray[np.int32], ...]


def seed_of(text: str) -> int:
    """The bootstrap seed of a comparability class, in [0, 2**32): equal runs give equal intervals."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def draws(speakers: Sequence[str], seed: int, resamples: int = RESAMPLES) -> Draws:
    """Resamples of ``len(speakers)`` clips; ``speakers[i]`` speaks clip i, empty if unknown (a unit of its own)."""
    count = len(speakers)
    rng = np.random.default_rng(seed)
    if len({speaker for speaker in speakers if speaker}) >= UNITS:
        members: dict[str, list[int]] = {}
        for i, speaker in enumerate(speakers):
            members.setdefault(speaker or f"\0{i}", []).append(i)
        groups = [np.asarray(members[key], np.int32) for key in sorted(members)]
        by_length: dict[int, list[NDArray[np.int32]]] = {}
        for picks in rng.integers(0, len(groups), (resamples, len(groups))):
            row = np.concatenate([groups[g] for g in picks])
            by_length.setdefault(row.size, []).append(row)
        blocks = [np.stack(by_length[length]) for length in sorted(by_length)]
        return Draws("speaker", len(groups), tuple(part for block in blocks for part in _cut(block)))
    if count < UNITS:
        return Draws("clip", count, ())
    return Draws("clip", count, tuple(_cut(rng.integers(0, count, (resamples, count), dtype=np.int32))))


def _cut(block: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    step = max(1, _CHUNK // block.shape[1])
    for at in range(0, len(block), step):
        yield block[at : at + step]


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


def resampled(column: Column, stats: Arrays, keep: Bits, drawn: Draws) -> NDArray[np.float64]:
    """(B,) the column's value in every resample of the clips in ``keep``, on the printed scale."""
    if not drawn.rows:
        return np.empty(0)
    chosen = _only(column, stats, keep)
    parts = [column.aggregate.resample(chosen, rows.astype(np.intp)) for rows in drawn.rows]
    return np.concatenate(parts) * column.scale


def interval(samples: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Percentile interval of resampled values; resamples without a value are left out; (None, None) if none has one."""
    finite = samples[np.isfinite(samples)]
    if not finite.size:
        return None, None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def estimate(point: float, samples: NDArray[np.float64], n: int) -> Estimate:
    """A point value with the interval of its resamples."""
    if not np.isfinite(point):
        return Estimate(None, None, None, n)
    low, high = interval(samples)
    return Estimate(point, low, high, n)


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
