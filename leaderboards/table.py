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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Ratio
from dubbench.leaderboards.intervals import estimate, spread, weights
from dubbench.leaderboards.sampler import Comparison, Sampler
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import Estimate, rank_groups, seed_of
from dubbench.leaderboards.units import Units
from dubbench.pipeline.store import DubRow

TABLE = (
    *("system", "dataset", "split", "setting", "profile", "metric", "value", "ci_low", "ci_high", "n_scored"),
    *("n_total", "direction", "signature", "class", "interval", "unit", "units"),
)
PAIRED = (
    *("metric", "system_a", "system_b", "difference", "ci_low", "ci_high", "n", "signature", "class"),
    *("interval", "unit", "units", "p", "p_holm", "family", "verdict", "effect_dz", "a_wins"),
)
TIMINGS = (
    *("system", "dataset", "split", "setting", "metric", "value", "ci_low", "ci_high", "mean", "n_scored", "n_total"),
    *("audio_seconds", "hardware", "workers", "class"),
)

Hidden = Mapping[tuple[str, str], str]
"""(metric, column) -> why it is not shown."""
NONE_HIDDEN: Hidden = {}


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell of a table.

    Attributes:
        rank: 1 for the best group; None for controls, for systems that do not cover what others do, and where there
            are too few clips for intervals.
        tied: the others of its group; the corrected tests do not tell the group apart.
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
        ranks = measure.column.direction != "none"
        groups = _groups(sampler.compare(measure, among), measure, ranked, points) if ranks else []
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
    compared: Mapping[tuple[str, str], Comparison], measure: Measure, labels: Sequence[str], points: Sequence[float]
) -> list[tuple[int, ...]]:
    def told_apart(a: int, b: int) -> bool:
        found = compared.get((labels[min(a, b)], labels[max(a, b)]))
        return found is not None and found.apart

    return rank_groups(points, measure.column.direction == "up", told_apart)


def kept(sheet: Sheet, hidden: Hidden) -> list[Measure]:
    """The columns without a failed validity check."""
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
                *(e.method, sampler.units.name, str(e.units)),
            )


def paired_rows(sampler: Sampler, hidden: Hidden = NONE_HIDDEN) -> Iterator[tuple[str, ...]]:
    """The rows of ``paired.csv`` (see `PAIRED`): ``difference`` is a minus b, ``verdict`` is the corrected test's."""
    for measure in kept(sampler.sheet, hidden):
        for (a, b), c in sampler.compare(measure).items():
            e = c.difference
            yield (
                *(measure.column.name, a, b, number(e.value), number(e.low), number(e.high), str(e.n)),
                *(measure.signature, sampler.sheet.manifest.comparability),
                *(e.method, sampler.units.name, str(e.units), number(c.p), number(c.corrected), str(c.family)),
                *({"a": "a is better", "b": "b is better"}.get(c.verdict, c.verdict), number(c.effect), number(c.wins)),
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


RATE = Column(name="RTF", direction="down", aggregate=Ratio(numerator="spent", denominator="heard"))


def timings(sheet: Sheet) -> list[Timing]:
    """RTF (total) and RTF-model of every timed system; warm-up was left out when the times were taken."""
    out: list[Timing] = []
    drawn: dict[int, NDArray[np.float64]] = {}
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
                drawn = {len(done): weights(len(done), seed_of(sheet.manifest.comparability))}
            units = Units("clip", np.arange(len(done)), len(done))
            stats = {"spent": spent, "heard": heard}
            pooled = estimate(spread(RATE, stats, np.ones(len(done), bool), units, drawn[len(done)]))
            out.append(Timing(label, machine, metric, pooled, float(np.mean(spent / heard)), float(heard.sum())))
    return out


def timing_rows(sheet: Sheet, found: Sequence[Timing]) -> Iterator[tuple[str, ...]]:
    """The rows of ``timings.csv`` (see `TIMINGS`) from the sheet's `timings`."""
    m = sheet.manifest
    for timing in found:
        e = timing.pooled
        workers = sheet.entrants[timing.label].run.manifest.hardware.get("workers", "")
        yield (
            *(timing.label, m.dataset, m.split, m.setting, timing.metric, number(e.value), number(e.low)),
            *(number(e.high), number(timing.mean), str(e.n), str(sheet.count), number(timing.audio_seconds)),
            *(timing.machine, workers, m.comparability),
        )
