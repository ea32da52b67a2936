"""The validity page: every metric held against every control and graded damage, as Markdown with SVG curves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dubbench.core.spec import plain
from dubbench.leaderboards.markdown import cell_text, code_text, table
from dubbench.leaderboards.matrix import TRUTH, Cell, broken, matrix_of
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Measure, Sheet, sheets
from dubbench.leaderboards.statistics import LEVEL, RESAMPLES, UNITS, Estimate
from dubbench.leaderboards.svg import Panel, figure
from dubbench.pipeline.store import Run, slug
from dubbench.runtime.files import write_text

MARK = {"holds": "✓", "fails": "✗", "not run": "·"}
CURVE = 3
"""Fewest grades of a damage that make a curve."""


def validity_page(run: Run, path: Path) -> list[Path]:
    """Write the page (Markdown) to ``path`` and its curves (SVG) into the folder of that name beside it.

    Returns:
        Everything that was written, the page first.
    """
    sampler = Sampler(sheets([run])[0])
    cells = matrix_of(sampler)
    folder = path.with_suffix("")
    pictures: list[tuple[Path, str]] = []
    for name, option, grades in families(sampler.sheet):
        panels = list(_panels(sampler, grades))
        if panels:
            picture = folder / f"{slug(name)}-{slug(option)}.svg"
            write_text(picture, figure(panels, f"{name}: {option}"))
            pictures.append((picture, f"{code_text(name)}, graded by {code_text(option)}"))
    write_text(path, _page(sampler, cells, path, pictures))
    return [path, *(picture for picture, _ in pictures)]


def families(sheet: Sheet) -> list[tuple[str, str, list[tuple[float, str]]]]:
    """Graded damages: (name, option, [(grade, label) in order]), from systems that differ in one number alone."""
    found: dict[tuple[str, str, str], dict[float, str]] = {}
    for label, entrant in sheet.entrants.items():
        info = entrant.entry.info
        if not info.privileged:
            continue
        for option, number in info.settings.items():
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                continue
            rest = repr(sorted((k, v) for k, v in info.settings.items() if k != option))
            found.setdefault((info.name, option, rest), {}).setdefault(float(number), label)
    return [
        (name, option, sorted(grades.items())) for (name, option, _), grades in found.items() if len(grades) >= CURVE
    ]


def _panels(sampler: Sampler, grades: list[tuple[float, str]]) -> Iterator[Panel]:
    sheet = sampler.sheet
    truth = next((e.label for e in sheet.entrants.values() if plain(e.entry.spec) == TRUTH), "")
    for measure in (m for m in sheet.measures if m.column.direction != "none"):
        estimates = [(grade, sampler.estimate(label, measure)) for grade, label in grades]
        points = [(grade, e.value, e.low, e.high) for grade, e in estimates if e.value is not None]
        if len(points) >= CURVE:
            level = sampler.estimate(truth, measure).value if truth else None
            yield Panel(title(measure), points, level)


def title(measure: Measure) -> str:
    """A column with its direction and unit, as it is."""
    column = measure.column
    arrow = {"up": " ↑", "down": " ↓", "none": ""}[column.direction]
    return f"{column.name}{arrow}" + (f" ({column.unit})" if column.unit else "")


def _name(measure: Measure) -> str:
    return cell_text(title(measure))


def _page(sampler: Sampler, cells: tuple[Cell, ...], path: Path, pictures: list[tuple[Path, str]]) -> str:
    sheet = sampler.sheet
    unit, units = sampler.unit()
    counts = {verdict: sum(cell.verdict == verdict for cell in cells) for verdict in MARK}
    lines = [
        "# Validity of the metrics",
        "",
        "Every metric declares what each control must do to it: `perfect` reaches the best possible value, `worse`",
        "and `better` differ from the ground truth's own value on the same clips (paired interval of "
        f"{100 * LEVEL:g} % apart",
        "from zero), `invariant` keeps that whole interval within the column's tolerance, `undefined` leaves at least",
        "half of the clips unscored. This page holds each declaration against real clips. A board does not show a",
        "column that fails its own declaration.",
        "",
        f"- Clips: {sheet.count} of {cell_text(sheet.title)}; class {code_text(sheet.manifest.comparability)}; "
        f"seed {sheet.manifest.seed}",
        f"- Intervals: {RESAMPLES} bootstrap resamples of {units} {unit}s"
        + ("" if units >= UNITS else f" (none: fewer than {UNITS})"),
        f"- Cells: {counts['holds']} hold, {counts['fails']} fail, {counts['not run']} were not run "
        "or are on too few clips to tell",
        "",
    ]
    failing = broken(cells)
    lines += [
        f"> **{cell_text(column)} fails its declaration:** {cell_text(why)}\n" for (_, column), why in failing.items()
    ]
    legend = "✓ holds, ✗ fails, · not run or too few clips to tell; an empty cell is not declared."
    lines += ["## The matrix", "", legend, ""]
    lines += [*_matrix(sheet, cells), "", "## Figures", "", *_figures(sheet, cells)]
    if pictures:
        lines += ["## Graded damage", "", "Dots are values with their intervals; the dashed line is the ground truth."]
        for picture, caption in pictures:
            where = picture.relative_to(path.parent).as_posix()
            lines += ["", f"{caption}:", "", f"![{cell_text(caption.replace('`', ''))}]({where})"]
        lines.append("")
    lines += ["## All values", "", *_values(sampler), "", "## Recipes", ""]
    lines += table(
        ["column", "signature"], [[cell_text(m.column.name), code_text(m.signature)] for m in sheet.measures]
    )
    return "\n".join(lines) + "\n"


def _matrix(sheet: Sheet, cells: tuple[Cell, ...]) -> list[str]:
    controls = list(dict.fromkeys(cell.control for cell in cells))
    by_place = {(cell.metric, cell.column, cell.control): cell for cell in cells}
    rows = []
    for measure in sheet.measures:
        row = [by_place.get((measure.metric, measure.column.name, control)) for control in controls]
        if any(row):
            rows.append([_name(measure), *(f"{MARK[c.verdict]} {c.effect}" if c else "" for c in row)])
    return table(["column", *(code_text(control) for control in controls)], rows)


def _figures(sheet: Sheet, cells: tuple[Cell, ...]) -> Iterator[str]:
    for measure in sheet.measures:
        own = [c for c in cells if (c.metric, c.column) == (measure.metric, measure.column.name)]
        if not own:
            continue
        yield from (f"### {_name(measure)}", "")
        rows = [
            [code_text(c.control), c.effect, f"{MARK[c.verdict]} {c.verdict}", _shown(c.value, measure), c.detail]
            for c in own
        ]
        yield from table(["control", "declared", "found", "value", "against the declaration"], rows)
        yield ""


def _values(sampler: Sampler) -> list[str]:
    """Every system in every column, so that cells nobody declared can be read too."""
    sheet = sampler.sheet
    rows = [
        [cell_text(label), *(_shown(sampler.estimate(label, measure), measure) for measure in sheet.measures)]
        for label in sheet.entrants
    ]
    return table(["system", *(_name(measure) for measure in sheet.measures)], rows)


def _shown(e: Estimate, measure: Measure) -> str:
    if e.value is None:
        return "unscored"
    digits = measure.column.digits
    between = f" [{e.low:.{digits}f}, {e.high:.{digits}f}]" if e.low is not None and e.high is not None else ""
    return f"{e.value:.{digits}f}{between} (n = {e.n})"
