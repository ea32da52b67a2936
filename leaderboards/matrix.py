"""The metric × control matrix: the declared effect of each control on each metric against the measured one.

A column that fails its own declaration is not shown on a board. `dubbench.leaderboards.validity` writes the same with
figures for the docs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Effect, lies_with_clip
from dubbench.core.spec import plain
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Entrant, Measure, Sheet, sheets
from dubbench.leaderboards.statistics import NOTHING, Estimate, values
from dubbench.pipeline.store import Run

TRUTH = "ground_truth"
"""Spec of the control that the others are held against."""

DECISIVE = 20
"""Fewest clips on which an interval that includes zero speaks against ``worse`` or ``better``, and a difference beyond
the tolerance against ``invariant`` although its interval reaches into it."""

SETTLED = 10
"""Fewest units (speakers, recordings, clips) for that: the interval of fewer is too wide to speak against an effect."""

EXACT = 1e-9
"""How close a perfect clip must come to the best value, on the printed scale."""

COVERAGE = 0.99
"""Share of the clips that ``perfect`` must score: all of them up to 99 clips, less those at fault themselves."""

Verdict = Literal["holds", "fails", "not run"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One declared cell.

    Attributes:
        metric, column: where it was declared. control: the spec that it was declared for.
        system: label of that control in the run; empty if the run lacks it.
        effect: what was declared. verdict: what was found. detail: the figures behind it, one line.
        value: of the control. difference: control minus ground truth on the same clips.
    """

    metric: str
    column: str
    control: str
    system: str
    effect: Effect
    verdict: Verdict
    detail: str
    value: Estimate = NOTHING
    difference: Estimate = NOTHING


def matrix(run: Run) -> tuple[Cell, ...]:
    """Every declared cell of a run: columns in the run's order, controls as declared."""
    return matrix_of(Sampler(sheets([run])[0]))


def matrix_of(sampler: Sampler) -> tuple[Cell, ...]:
    """Every declared cell of a sheet."""
    sheet = sampler.sheet
    by_spec: dict[str, Entrant] = {}
    for entrant in sheet.entrants.values():
        by_spec.setdefault(plain(entrant.entry.spec), entrant)
    truth = by_spec.get(TRUTH)
    return tuple(
        _cell(sampler, measure, control, effect, by_spec.get(plain(control)), truth)
        for measure in sheet.measures
        for control, effect in measure.column.expects.items()
    )


def broken(cells: tuple[Cell, ...]) -> dict[tuple[str, str], str]:
    """(metric, column) -> why it is not shown, for every column that fails a declared cell."""
    out: dict[tuple[str, str], str] = {}
    for cell in cells:
        if cell.verdict == "fails":
            line = f"{cell.control} was declared {cell.effect}: {cell.detail}"
            where = (cell.metric, cell.column)
            out[where] = f"{out[where]}; {line}" if where in out else line
    return out


def _cell(
    sampler: Sampler, measure: Measure, control: str, effect: Effect, entrant: Entrant | None, truth: Entrant | None
) -> Cell:
    def cell(verdict: Verdict, detail: str, value: Estimate = NOTHING, difference: Estimate = NOTHING) -> Cell:
        label = entrant.label if entrant else ""
        return Cell(measure.metric, measure.column.name, control, label, effect, verdict, detail, value, difference)

    sheet, column = sampler.sheet, measure.column
    if entrant is None:
        return cell("not run", "the run has no such control")
    if not sheet.asked(entrant.label, measure):
        return cell("not run", "the control was not scored by this metric")
    found = sampler.estimate(entrant.label, measure)
    readable = ~_faulty(sheet, entrant.label, measure, effect)
    done, of = int(sheet.scored(entrant.label, measure)[readable].sum()), int(readable.sum())
    if not of:
        return cell("not run", "no clip could be read", found)
    if effect == "undefined":
        return cell("holds" if 2 * done <= of else "fails", f"scored on {done} of {of} clips", found)
    if effect == "perfect":
        return cell(*_perfect(sheet, measure, entrant.label, done, of), found)
    if truth is None:
        return cell("not run", f"the run has no {TRUTH} to hold it against", found)
    if not sheet.scored(truth.label, measure).any():
        return cell("not run", f"{TRUTH} is not scored in this column", found)
    if not found.n:
        return cell("fails", f"scored on 0 of {of} clips", found)
    difference = sampler.difference(entrant.label, truth.label, measure)
    show: Callable[[float | None], str] = lambda x: f"{x:+.{column.digits}f}" if x is not None else "?"  # noqa: E731
    if difference.value is None:
        return cell("fails", f"no value on the {difference.n} clips that it shares with {TRUTH}", found, difference)
    if effect == "invariant":
        detail = f"{show(difference.value)} [{show(difference.low)}, {show(difference.high)}] against {TRUTH}, "
        detail += f"{column.tolerance:g} allowed, n = {difference.n}"
        verdict = equivalent(difference, column.tolerance)
        detail += ": too few clips to tell" if verdict == "not run" else ""
        return cell(verdict, detail, found, difference)
    if column.direction == "none":
        return cell("not run", "the column has no direction", found, difference)
    detail = f"{show(difference.value)} [{show(difference.low)}, {show(difference.high)}] against {TRUTH}, "
    detail += f"n = {difference.n}"
    if difference.apart:
        up = difference.value > 0
        holds = (up == (column.direction == "up")) == (effect == "better")
        return cell("holds" if holds else "fails", detail, found, difference)
    if difference.n < DECISIVE or difference.units < SETTLED:
        return cell("not run", f"{detail}: too few clips to tell", found, difference)
    return cell("fails", detail, found, difference)


def equivalent(difference: Estimate, tolerance: float) -> Verdict:
    """Whether a paired difference is within the tolerance, by its interval (a test of equivalence, as TOST).

    It holds where the whole interval lies within, and fails where the whole lies beyond on one side, or the difference
    itself does on `DECISIVE` clips. Otherwise the clips are too few to tell: that there is no difference can only be
    shown by enough of them.
    """
    value, low, high = difference.value, difference.low, difference.high
    if value is None or low is None or high is None:
        return "not run"
    if -tolerance <= low and high <= tolerance:
        return "holds"
    if low > tolerance or high < -tolerance:
        return "fails"
    return "fails" if abs(value) > tolerance and difference.n >= DECISIVE else "not run"


def _faulty(sheet: Sheet, label: str, measure: Measure, effect: Effect) -> NDArray[np.bool_]:
    """(n,) clips that are not held against a metric: not readable, or unscored for their own ground truth or text; and
    where a control is to be ``perfect``, clips that the metric scored without a value in this column alone (nothing is
    voiced in them, say)."""
    heard = "reference" in sheet.manifest.metrics[measure.metric].info.needs
    lacks = [clip.problem or clip.truth_problem or (heard and clip.reference_problem) for clip in sheet.clips]
    fault = np.array(lacks, bool)
    scores = sheet.scores.get((label, measure.metric))
    if scores is None:
        return fault
    fault[[i for i, reason in scores.reasons.items() if lies_with_clip(reason)]] = True
    if effect == "perfect":
        given = scores.asked & ~sheet.scored(label, measure)
        given[list(scores.reasons)] = False
        fault |= given
    return fault


def _perfect(sheet: Sheet, measure: Measure, label: str, done: int, of: int) -> tuple[Verdict, str]:
    column = measure.column
    if column.best is None:
        return "not run", "the column declares no best value"
    own = values(column, sheet.stats(label, measure), sheet.count)
    off = np.abs(own[np.isfinite(own)] - column.best)
    worst = float(off.max()) if off.size else 0.0
    holds = worst <= EXACT and done >= COVERAGE * of and off.size > 0
    detail = f"at most {worst:.3g} from {column.best:g}, {done} of {of} clips scored"
    return ("holds" if holds else "fails"), detail
