"""Sheets to rows: `table.csv`, `paired.csv`, `timings.csv`.

Numbers are printed with six significant digits, in a fixed order, so that equal runs give the same bytes. A column that
fails its own declaration is in neither `table.csv` nor `paired.csv`, so that what stands there may be relied on.
`table.md` says why it is missing, `matrix.csv` names the cells, and the run's `scores.parquet` keeps the clips' scores.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import (
    Bits,
    Draws,
    Estimate,
    draws,
    estimate,
    interval,
    rank_groups,
    resampled,
    seed_of,
    value,
)
from dubbench.pipeline.store import DubRow

TABLE = (
    *("system", "dataset", "split", "setting", "profile", "metric", "value", "ci_low", "ci_high", "n_scored"),
    *("n_total", "direction", "signature", "class"),
)
PAIRED = ("metric", "system_a", "system_b", "difference", "ci_low", "ci_high", "n", "signature", "class")
TIMINGS = (
    *("system", "dataset", "split", "setting", "metric", "value", "ci_low", "ci_high", "mean", "n_scored", "n_total"),
    *("audio_seconds", "hardware", "workers", "class"),
)

Hidden = Mapping[tuple[str, str], str]
"""(metric, column) -> why it is not shown."""
NONE_HIDDEN: Hidden = {}

Key = tuple[str, str, str, bytes]


@dataclass(eq=False)
class Sampler:
    """Estimates from one sheet. The same clips are drawn for all systems, and each resampling is done once."""

    sheet: Sheet
    _draws: dict[bytes, Draws] = field(default_factory=dict)
    _samples: dict[Key, tuple[float, NDArray[np.float64]]] = field(default_factory=dict)
    _differences: dict[tuple[str, Key], Estimate] = field(default_factory=dict)

    def unit(self) -> tuple[str, int]:
        """What is drawn over all clips (``speaker`` or ``clip``), and how many of them there are."""
        drawn = self._drawn(np.ones(self.sheet.count, bool))
        return drawn.unit, drawn.units

    def estimate(self, label: str, measure: Measure, among: Bits | None = None) -> Estimate:
        """A system's value over its scored clips (those in ``among``, if given)."""
        keep = self._keep(measure, among, label)
        return estimate(*self._resampled(label, measure, keep), int(keep.sum()))

    def difference(self, a: str, b: str, measure: Measure, among: Bits | None = None) -> Estimate:
        """``a`` minus ``b``, paired over the clips on which both are scored."""
        keep = self._keep(measure, among, a, b)
        key = (a, (b, measure.metric, measure.column.name, keep.tobytes()))
        if key not in self._differences:
            left, right = self._resampled(a, measure, keep), self._resampled(b, measure, keep)
            self._differences[key] = estimate(left[0] - right[0], left[1] - right[1], int(keep.sum()))
        return self._differences[key]

    def contrast(self, a: Sequence[str], b: Sequence[str], measure: Measure, among: Bits | None = None) -> Estimate:
        """Mean of the systems ``a`` minus mean of the systems ``b``, paired over the clips on which all are scored."""
        keep = self._keep(measure, among, *a, *b)

        def mean(labels: Sequence[str]) -> tuple[float, NDArray[np.float64]]:
            found = [self._resampled(label, measure, keep) for label in labels]
            return float(np.mean([point for point, _ in found])), np.mean([samples for _, samples in found], axis=0)

        (one, first), (other, second) = mean(a), mean(b)
        return estimate(one - other, first - second, int(keep.sum()))

    @cached_property
    def timings(self) -> list[Timing]:
        """Those of the sheet."""
        return timings(self.sheet)

    def _keep(self, measure: Measure, among: Bits | None, *labels: str) -> Bits:
        keep = np.ones(self.sheet.count, bool) if among is None else among.copy()
        for label in labels:
            keep &= self.sheet.scored(label, measure)
        return keep

    def _drawn(self, keep: Bits) -> Draws:
        key = keep.tobytes()
        if key not in self._draws:
            if len(self._draws) >= 8:  # one may take many MB; most columns share one clip set
                self._draws.pop(next(iter(self._draws)))
            speakers = [clip.speaker for clip, kept in zip(self.sheet.clips, keep, strict=True) if kept]
            self._draws[key] = draws(speakers, seed_of(self.sheet.manifest.comparability))
        return self._draws[key]

    def _resampled(self, label: str, measure: Measure, keep: Bits) -> tuple[float, NDArray[np.float64]]:
        """The value over the clips in ``keep``, and in every resample of them."""
        key = (label, measure.metric, measure.column.name, keep.tobytes())
        if key not in self._samples:
            stats = self.sheet.stats(label, measure)
            samples = resampled(measure.column, stats, keep, self._drawn(keep))
            self._samples[key] = value(measure.column, stats, keep), samples
        return self._samples[key]


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of a table.

    Attributes:
        rank: 1 for the best group; None for controls, for systems that do not cover what others do, and where there
            are too few clips for intervals.
        tied: the others of its group, which it cannot be told apart from.
        leads: whether its value is the best of all that rank.
    """

    estimate: Estimate
    rank: int | None = None
    tied: tuple[str, ...] = ()
    leads: bool = False


Grid = Mapping[tuple[str, str, str], Entry]
"""(label, metric, column name) -> entry."""


def grid(sampler: Sampler, common: bool = False) -> Grid:
    """All cells of a sheet; with ``common`` only over the clips that every ranking system did.

    Ranks are given among the ranking systems that are scored on every clip that any of them is scored on, if those
    clips are enough for intervals.
    """
    sheet = sampler.sheet
    out: dict[tuple[str, str, str], Entry] = {}
    for measure in sheet.measures:
        among = sheet.common(measure) if common else None
        full = among if among is not None else sheet.full(measure)
        found = {label: sampler.estimate(label, measure, among) for label in sheet.entrants}
        ranked = [
            label
            for label in sheet.ranking
            if found[label].value is not None and bool(np.all(sheet.scored(label, measure)[full]))
        ]
        points = [found[label].value or 0.0 for label in ranked]
        groups = _groups(sampler, measure, ranked, points, among) if measure.column.direction != "none" else []
        where = (measure.metric, measure.column.name)
        out |= {(label, *where): Entry(estimated) for label, estimated in found.items()}
        before = 0
        for group in groups:
            for i in group:
                tied = tuple(ranked[j] for j in group if j != i)
                leads = points[i] == points[groups[0][0]]
                known = found[ranked[i]].low is not None
                out[ranked[i], *where] = Entry(
                    found[ranked[i]], before + 1 if known else None, tied if known else (), leads
                )
            before += len(group)
    return out


def _groups(
    sampler: Sampler, measure: Measure, labels: Sequence[str], points: Sequence[float], among: Bits | None
) -> list[tuple[int, ...]]:
    both = combinations(range(len(labels)), 2)
    apart = {(a, b): sampler.difference(labels[a], labels[b], measure, among).apart for a, b in both}

    def told_apart(a: int, b: int) -> bool:
        return apart[min(a, b), max(a, b)]

    return rank_groups(points, measure.column.direction == "up", told_apart)


def kept(sheet: Sheet, hidden: Hidden) -> list[Measure]:
    """The columns that keep their word."""
    return [m for m in sheet.measures if (m.metric, m.column.name) not in hidden]


def number(x: float | None) -> str:
    """Six significant digits, no negative zero; empty for None."""
    return "" if x is None else format(x + 0.0 if x else 0.0, ".6g")


def csv_text(header: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """CSV with ``\\n`` line ends."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_no_formula(cell) for cell in row] for row in rows)
    return file.getvalue()


_FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d|\.\d|inf|nan|$)")


def _no_formula(cell: str) -> str:
    """A text that a spreadsheet would take for a formula, with a quote mark before it; numbers are left."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def table_rows(sampler: Sampler, cells: Grid, hidden: Hidden = NONE_HIDDEN) -> Iterator[tuple[str, ...]]:
    """The rows of ``table.csv`` (see `TABLE`): metrics in the run's order, then systems in the order asked for."""
    sheet, m = sampler.sheet, sampler.sheet.manifest
    for measure in kept(sheet, hidden):
        for label in sheet.entrants:
            if not sheet.asked(label, measure):
                continue
            e = cells[label, measure.metric, measure.column.name].estimate
            yield (
                *(label, m.dataset, m.split, m.setting, measure.profile, measure.column.name),
                *(number(e.value), number(e.low), number(e.high), str(e.n), str(sheet.count)),
                *(measure.column.direction, measure.signature, m.comparability),
            )


def pairs(sheet: Sheet) -> list[tuple[str, str]]:
    """The pairs that are compared: every two systems of which one may rank; all, in a run of controls alone."""
    both = combinations(sheet.entrants, 2)
    return [(a, b) for a, b in both if not sheet.ranking or sheet.entrants[a].ranks or sheet.entrants[b].ranks]


def differences_of(sampler: Sampler, measure: Measure) -> dict[tuple[str, str], Estimate]:
    """Paired differences in one column over the clips on which both systems are scored."""
    found = {pair: sampler.difference(*pair, measure) for pair in pairs(sampler.sheet)}
    return {pair: difference for pair, difference in found.items() if difference.n}


def paired_rows(sampler: Sampler, hidden: Hidden = NONE_HIDDEN) -> Iterator[tuple[str, ...]]:
    """The rows of ``paired.csv`` (see `PAIRED`): ``difference`` is a minus b."""
    for measure in kept(sampler.sheet, hidden):
        for (a, b), e in differences_of(sampler, measure).items():
            yield (
                *(measure.column.name, a, b, number(e.value), number(e.low), number(e.high), str(e.n)),
                *(measure.signature, sampler.sheet.manifest.comparability),
            )


@dataclass(frozen=True, slots=True)
class Timing:
    """A real-time factor: seconds of work a second of speech.

    ``pooled`` is sum(time) / sum(audio), with its interval over clips; ``mean`` is the mean of the clips' ratios. A
    system whose dubs were made on several machines has one for each (``machine``: the hardware class).
    """

    label: str
    machine: str
    metric: str
    pooled: Estimate
    mean: float
    audio_seconds: float


def timings(sheet: Sheet) -> list[Timing]:
    """RTF (total) and RTF-model of every timed system; warm-up was left out when the times were taken."""
    out: list[Timing] = []
    drawn: dict[int, Draws] = {}
    for label, entrant in sheet.entrants.items():
        if not entrant.entry.info.timed:
            continue
        home = entrant.run.manifest.machine
        rows: dict[str, list[DubRow]] = {}
        for clip in sheet.clips:
            row = sheet.dubs.get((label, clip.id))
            if row and not row.reason and row.seconds > 0:
                rows.setdefault(row.machine or home, []).append(row)
        each = ((machine, *timed) for machine in rows for timed in (("RTF", "total"), ("RTF-model", "model")))
        for machine, metric, part in each:
            done = [row for row in rows[machine] if part in row.timings]
            if not done:
                continue
            spent = np.array([row.timings[part] for row in done])
            heard = np.array([row.seconds for row in done])
            if len(done) not in drawn:
                drawn = {len(done): draws([""] * len(done), seed_of(sheet.manifest.comparability))}
            samples = [spent[block].sum(1) / heard[block].sum(1) for block in drawn[len(done)].rows]
            low, high = interval(np.concatenate(samples)) if samples else (None, None)
            pooled = Estimate(float(spent.sum() / heard.sum()), low, high, len(done))
            out.append(Timing(label, machine, metric, pooled, float(np.mean(spent / heard)), float(heard.sum())))
    return out


def timing_rows(sampler: Sampler) -> Iterator[tuple[str, ...]]:
    """The rows of ``timings.csv`` (see `TIMINGS`)."""
    sheet, m = sampler.sheet, sampler.sheet.manifest
    for timing in sampler.timings:
        e = timing.pooled
        workers = sheet.entrants[timing.label].run.manifest.hardware.get("workers", "")
        yield (
            *(timing.label, m.dataset, m.split, m.setting, timing.metric, number(e.value), number(e.low)),
            *(number(e.high), number(timing.mean), str(e.n), str(sheet.count), number(timing.audio_seconds)),
            *(timing.machine, workers, m.comparability),
        )
