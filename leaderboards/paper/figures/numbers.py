"""Figures of a sheet's numbers: intervals, quality against RTF, quality and RTF by NFE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from dubbench.errors import DubbenchError, require
from dubbench.leaderboards.markdown import ARROW
from dubbench.leaderboards.paper.build import TRUTH, Slot
from dubbench.leaderboards.paper.figures.canvas import BLUE, COLOURS, GREY, RED, drawing, short
from dubbench.leaderboards.sheet import Measure
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.table import timings


def chosen(slot: Slot, columns: Sequence[str]) -> list[Measure]:
    """The columns asked for by name, or all headline columns that have a direction and a value.

    Raises:
        DubbenchError: no such column, or none has a value.
    """
    for name in columns:
        if slot.by_name(name) is None:
            known = ", ".join(m.column.name for m in slot.measures)
            raise DubbenchError(f"{slot.sheet.title}: no column {name!r}; there are: {known or 'none'}")
    some = (
        [m for m in slot.measures if m.column.name in columns]
        if columns
        else [m for m in slot.measures if m.column.headline and m.column.direction != "none"]
    )
    found = [m for m in some if any(_estimate(slot, label, m).value is not None for label in slot.sheet.ranking)]
    if not found:
        raise DubbenchError(f"{slot.sheet.title}: no number of a system to draw; is the run scored?")
    return found


def _estimate(slot: Slot, label: str, measure: Measure) -> Estimate:
    return slot.cells[label, measure.metric, measure.column.name].estimate


def intervals(slot: Slot, measures: Sequence[Measure], out: Path) -> None:
    """A panel a column: each system's value with its interval, the ground truth as a line."""
    labels = [label for label in slot.sheet.ranking][::-1]
    wide = min(3, len(measures))
    tall = -(-len(measures) // wide)
    with drawing(out, 2.6 * wide + 0.8, tall * (0.75 + 0.2 * len(labels))) as figure:
        axes = figure.subplots(tall, wide, squeeze=False, sharey=True)
        for axis, measure in zip(axes.flat, measures, strict=False):
            for at, label in enumerate(labels):
                e = _estimate(slot, label, measure)
                if e.value is None:
                    axis.text(0.5, at, "-", transform=axis.get_yaxis_transform(), ha="center", va="center")
                    continue
                if e.low is not None and e.high is not None:
                    axis.plot([e.low, e.high], [at, at], color=BLUE, linewidth=1.6, solid_capstyle="butt")
                axis.plot([e.value], [at], "o", color=BLUE, markersize=4)
            _truth(axis, slot, measure, upright=True)
            axis.set_title(_name(measure))
            axis.set_yticks(range(len(labels)), [short(label, 28) for label in labels])
            axis.set_ylim(-0.6, len(labels) - 0.4)
        for axis in list(axes.flat)[len(measures) :]:
            axis.set_visible(False)


@dataclass(frozen=True, slots=True)
class Timed:
    """A system's RTF and one quality."""

    label: str
    rtf: Estimate
    quality: Estimate


def timed(slot: Slot, measure: Measure) -> tuple[list[Timed], str]:
    """Systems with an RTF and a value, and the one machine that all were timed on.

    Raises:
        DubbenchError: nothing was timed, or on several machines.
    """
    rows = [t for t in timings(slot.sheet) if t.metric == "RTF" and t.label in slot.sheet.ranking]
    machines = sorted({t.machine for t in rows})
    if len(machines) > 1:
        raise DubbenchError(
            f"{slot.sheet.title}: times of {len(machines)} machines cannot be compared: {' / '.join(machines)}"
        )
    found = [Timed(t.label, t.pooled, _estimate(slot, t.label, measure)) for t in rows]
    found = [row for row in found if row.quality.value is not None and row.rtf.value is not None]
    if not found:
        raise DubbenchError(f"{slot.sheet.title}: no system has both an RTF and {measure.column.name}")
    return found, machines[0]


def front(rows: Sequence[Timed], up: bool) -> list[int]:
    """Indices of the rows that no other beats in both RTF and quality, fastest first."""
    order = sorted(
        range(len(rows)), key=lambda i: (rows[i].rtf.value, (-1 if up else 1) * (rows[i].quality.value or 0))
    )
    out: list[int] = []
    best = -np.inf
    for i in order:
        gain = (rows[i].quality.value or 0.0) * (1 if up else -1)
        if gain > best:
            out.append(i)
            best = gain
    return out


def pareto(slot: Slot, measure: Measure, out: Path) -> None:
    """Quality against RTF with the front of systems that none beats in both."""
    if measure.column.direction == "none":
        raise DubbenchError(
            f"{measure.column.name} has no better or worse, and so no Pareto front; choose another column"
        )
    rows, machine = timed(slot, measure)
    best = front(rows, measure.column.direction == "up")
    require("matplotlib", "figures", "drawing figures")
    from matplotlib.ticker import LogLocator, NullFormatter

    with drawing(out, 3.6, 3.0) as figure:
        axis = figure.subplots()
        axis.plot(
            [rows[i].rtf.value for i in best],
            [rows[i].quality.value for i in best],
            color=GREY,
            linewidth=1,
            drawstyle="steps-post",
            zorder=1,
        )
        for at, row in enumerate(rows):
            colour = COLOURS[at % len(COLOURS)]
            filled = colour if at in best else "white"
            x, y = [(e.value, e.low, e.high) for e in (row.rtf, row.quality)]
            if y[1] is not None:
                axis.plot([x[0], x[0]], y[1:], color=colour, linewidth=1)
            if x[1] is not None:
                axis.plot(x[1:], [y[0], y[0]], color=colour, linewidth=1)
            axis.plot([x[0]], [y[0]], "o", color=colour, markerfacecolor=filled, label=short(row.label, 30))
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("RTF ↓")
        axis.set_title("\n".join(wrap(short(machine, 160), 70)), fontsize=5.5, loc="left", color=GREY)
        axis.set_ylabel(_name(measure))
        _truth(axis, slot, measure)
        axis.legend()


def by_nfe(slot: Slot, measures: Sequence[Measure], out: Path) -> None:
    """RTF with its fitted line, then each column, over the number of function evaluations.

    Raises:
        DubbenchError: fewer than two numbers of function evaluations.
    """
    systems: dict[str, list[tuple[int, str]]] = {}
    for label in slot.sheet.ranking:
        info = slot.sheet.entrants[label].entry.info
        nfe = info.settings.get("nfe")
        if isinstance(nfe, int):
            systems.setdefault(info.name, []).append((nfe, label))
    systems = {name: sorted(rows) for name, rows in systems.items() if len({nfe for nfe, _ in rows}) > 1}
    if not systems:
        raise DubbenchError(
            f"{slot.sheet.title}: no system ran with two NFE; give -s 'NAME(nfe=4)' more than "
            "once, or see: dubbench sweep"
        )
    spent = {t.label: t.pooled for t in timings(slot.sheet) if t.metric == "RTF"}
    panels: list[Measure | None] = [*([None] if spent else []), *measures]
    wide = min(3, len(panels))
    tall = -(-len(panels) // wide)
    with drawing(out, 2.4 * wide, 2.0 * tall) as figure:
        axes = list(figure.subplots(tall, wide, squeeze=False).flat)
        for axis, measure in zip(axes, panels, strict=False):
            for at, (name, rows) in enumerate(systems.items()):
                pairs = [
                    (n, spent.get(label) if measure is None else _estimate(slot, label, measure)) for n, label in rows
                ]
                points = [(nfe, e) for nfe, e in pairs if e is not None and e.value is not None]
                _line(axis, points, COLOURS[at % len(COLOURS)], short(name, 24))
                if measure is None and len(points) > 1:
                    _fit(axis, points)
            axis.set_xscale("log", base=2)
            axis.set_xticks(sorted({nfe for rows in systems.values() for nfe, _ in rows}))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.set_xlabel("NFE")
            if measure is None:
                axis.set_title("RTF ↓")
            else:
                axis.set_title(_name(measure))
                _truth(axis, slot, measure)
        if len(systems) > 1:
            axes[0].legend()
        for axis in axes[len(panels) :]:
            axis.set_visible(False)


def _line(axis: Any, points: Sequence[tuple[int, Estimate]], colour: str, label: str) -> None:
    axis.plot([nfe for nfe, _ in points], [e.value for _, e in points], "o-", color=colour, markersize=3, label=label)
    for nfe, e in points:
        if e.low is not None and e.high is not None:
            axis.plot([nfe, nfe], [e.low, e.high], color=colour, linewidth=2.5, alpha=0.35)


def _fit(axis: Any, points: Sequence[tuple[int, Estimate]]) -> None:
    """RTF = a + b · NFE by least squares."""
    x, y = np.array([nfe for nfe, _ in points], float), np.array([e.value for _, e in points], float)
    slope, start = np.polyfit(x, y, 1)
    grid = np.geomspace(x.min(), x.max(), 50)
    axis.plot(grid, start + slope * grid, color=RED, linewidth=0.8, linestyle="--")
    text = f"{start:.3g} {'+' if slope >= 0 else '-'} {abs(slope):.2g} · NFE"
    axis.text(0.04, 0.94, text, transform=axis.transAxes, va="top", color=RED, fontsize=7)


def _truth(axis: Any, slot: Slot, measure: Measure, upright: bool = False) -> None:
    """The ground truth's value as a dashed line."""
    label = next((x for x, e in slot.sheet.entrants.items() if e.entry.info.name == "ground_truth"), None)
    value = _estimate(slot, label, measure).value if label else None
    if value is not None:
        line = axis.axvline if upright else axis.axhline
        line(value, color=GREY, linestyle="--", linewidth=0.8, label=None if upright else TRUTH)


def _name(measure: Measure) -> str:
    c = measure.column
    return " ".join(part for part in (c.name, f"({c.unit})" if c.unit else "", ARROW[c.direction]) if part)
