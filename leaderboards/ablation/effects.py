"""The effect of a change: paired differences from the whole system, over clips and beside the seeds' spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dubbench.core.ablation import Published, Row
from dubbench.leaderboards.ablation.work import label
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import Estimate

Verdict = Literal["better", "worse", "not told apart"]
Agreement = Literal["agrees", "contradicts", "cannot be told", "no difference printed"]


@dataclass(frozen=True)
class Effect:
    """A row in one column, against the whole system.

    Attributes:
        value: of the row, one a seed.
        change: mean over the seeds of row minus whole, with its interval over clips.
        by_seed: row minus whole in each seed, paired over clips.
        verdict: better or worse where the interval excludes zero and the sign is the same in every seed.
    """

    row: Row
    measure: Measure
    value: tuple[Estimate, ...]
    change: Estimate
    by_seed: tuple[Estimate, ...]

    @property
    def mean(self) -> float | None:
        """The row's value, mean over the seeds."""
        known = [e.value for e in self.value if e.value is not None]
        return float(np.mean(known)) if len(known) == len(self.value) and known else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the change from seed to seed; None for one seed."""
        found = [e.value for e in self.by_seed if e.value is not None]
        return float(np.std(found, ddof=1)) if len(found) > 1 else None

    @property
    def verdict(self) -> Verdict:
        """See the class."""
        change = self.change.value
        if change is None or not self.change.apart:
            return "not told apart"
        if any(e.value is None or (e.value > 0) != (change > 0) for e in self.by_seed):
            return "not told apart"
        return "better" if (change > 0) == (self.measure.column.direction == "up") else "worse"


def effects(
    sheet: Sheet, rows: Sequence[Row], seeds: Sequence[int], headline: bool = False
) -> dict[tuple[str, str], Effect]:
    """(row name, column name) -> effect; the first row is the whole system.

    Args:
        sheet: of the runs of all ``seeds``.
        headline: only columns of a board's main table.
    """
    sampler = Sampler(sheet)
    out: dict[tuple[str, str], Effect] = {}
    whole = [label(rows[0], seed) for seed in seeds]
    for measure in columns(sheet, headline):
        for row in rows:
            mine = [label(row, seed) for seed in seeds]
            out[row.name, measure.column.name] = Effect(
                row,
                measure,
                tuple(sampler.estimate(one, measure) for one in mine),
                sampler.contrast(mine, whole, measure),
                tuple(sampler.difference(one, other, measure) for one, other in zip(mine, whole, strict=True)),
            )
    return out


def columns(sheet: Sheet, headline: bool = True) -> list[Measure]:
    """The columns with a better and a worse."""
    return [m for m in sheet.measures if m.column.direction != "none" and (m.column.headline or not headline)]


@dataclass(frozen=True)
class Held:
    """A row of a paper's table held against ours in one column.

    Attributes:
        column: the paper's. ours: the column of ours that stands for it (the same name, or a stand-in); empty if none.
        change: the paper's row minus its whole system, as printed.
    """

    row: Row
    column: str
    ours: str
    change: float
    printed: Verdict | None
    found: Verdict | None
    agreement: Agreement


def against(published: Published, rows: Sequence[Row], found: Mapping[tuple[str, str], Effect]) -> list[Held]:
    """Every printed difference beside ours. One without a column of ours cannot be told."""
    names = {column for _, column in found}
    out = []
    base = published.rows.get(rows[0].name, {})
    for row in rows[1:]:
        for column, direction in published.columns.items():
            if column not in published.rows.get(row.name, {}) or column not in base:
                continue
            change = round(published.rows[row.name][column] - base[column], 6)
            printed: Verdict | None = None
            if change:
                printed = "better" if (change > 0) == (direction == "up") else "worse"
            ours = next((c for c in (column, *published.stand_ins.get(column, ())) if c in names), "")
            verdict = found[row.name, ours].verdict if ours else None
            out.append(Held(row, column, ours, change, printed, verdict, _agreement(printed, verdict)))
    return out


def _agreement(printed: Verdict | None, found: Verdict | None) -> Agreement:
    if printed is None:
        return "no difference printed"
    if found is None or found == "not told apart":
        return "cannot be told"
    return "agrees" if found == printed else "contradicts"
