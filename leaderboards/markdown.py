"""`table.md`: the board's tables as Markdown that reads well as text and on a forge."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from dubbench.leaderboards.caveats import floor, odd, within
from dubbench.leaderboards.failures import rejected
from dubbench.leaderboards.intervals import MANY
from dubbench.leaderboards.randomisation import ALPHA, EXACT
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Measure, Sheet, dirty
from dubbench.leaderboards.statistics import LEVEL, RESAMPLES, UNITS
from dubbench.leaderboards.table import Entry, Grid, Hidden, kept

SHOWN = 10
"""Rows named that could not become clips; the others are counted."""

ARROW = {"up": "↑", "down": "↓", "none": ""}


def cell_text(text: str) -> str:
    """Text from outside as the content of a Markdown table cell: no markup, one line."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "\\*_`[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def code_text(text: str) -> str:
    """Text from outside as a code span of one line; it cannot end the span."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; all but the first column to the right. Cells are taken as they are, less line ends and bars."""

    clean = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(4, *(len(row[i]) for row in clean)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        pairs = enumerate(zip(row, widths, strict=True))
        return f"| {' | '.join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in pairs)} |"

    rule = [f"{'-' * (width + 1)}:" if i else "-" * (width + 2) for i, width in enumerate(widths)]
    return [line(clean[0]), f"|{'|'.join(rule)}|", *(line(row) for row in clean[1:])]


def shown(sheet: Sheet, hidden: Hidden, headline: bool = True) -> list[Measure]:
    """The columns of the main table: headline columns that hold their declarations, and all columns of a metric that
    was asked for by name and has no headline column."""
    there = kept(sheet, hidden)
    led = {m.metric for m in there if m.column.headline}
    named = set(sheet.manifest.chosen) - led
    return [m for m in there if m.column.headline or m.metric in named or not headline]


def intervals_note(sampler: Sampler) -> str:
    """How the intervals were made, in one sentence."""
    unit, units = sampler.unit()
    if units < UNITS:
        return f"No intervals and no ranks: fewer than {UNITS} clips."
    what = f"{units} {unit}s" + ("" if unit == "clip" else f" (whole {unit}s are drawn)")
    how = "t with the jackknife's standard error" if units < MANY else f"BCa bootstrap of {RESAMPLES} resamples"
    return f"Intervals: {100 * LEVEL:g} %, {how}, over {what}."


def tests_note(sampler: Sampler, measures: Sequence[Measure]) -> str:
    """How ranks were told apart in these columns, and what could not be tested or decided; empty without tests."""
    sheet = sampler.sheet
    asked = len(list(combinations(sheet.ranking, 2)))
    if not asked or sampler.unit()[1] < UNITS:
        return ""
    unit, units = sampler.unit()
    floor = f"; with {units} {unit}s no p can be under {2.0 ** (1 - units):.2g}" if units <= EXACT else ""
    lines = [
        f"Ties: paired approximate randomisation, whole {unit}s swapped, Holm's correction over the {asked} pairs of "
        f"systems in each column (family-wise {100 * ALPHA:g} %){floor}."
    ]
    lost, open_ = [], []
    for m in (m for m in measures if m.column.direction != "none"):
        found = [c for p, c in sampler.compare(m).items() if all(sheet.entrants[label].ranks for label in p)]
        missing = asked - sum(c.verdict != "not tested" for c in found)
        undecided = sum(c.verdict == "cannot be decided" for c in found)
        lost += [f"{m.column.name} {missing} of {asked}"] if missing else []
        open_ += [f"{m.column.name} {undecided} of {asked}"] if undecided else []
    if lost:
        lines.append(f"Left out before the correction, since they cannot be tested: {', '.join(lost)}.")
    if open_:
        lines.append(f"Cannot be decided, since no p of so few {unit}s reaches Holm's threshold: {', '.join(open_)}.")
    return " ".join(lines)


def page(parts: Sequence[tuple[Sampler, Grid, Grid, Hidden]], notes: Sequence[str], missing: Sequence[str] = ()) -> str:
    """The whole of ``table.md``: a part a sheet (its sampler, all clips, common clips, columns not shown)."""
    lines = ["# dubbench board", ""]
    lines += [f"> **Missing:** {cell_text(line)}\n" for line in missing]
    lines += [f"> {cell_text(note)}\n" for note in notes]
    for sampler, cells, common, hidden in parts:
        sheet = sampler.sheet
        columns = shown(sheet, hidden)
        lines += [f"## {cell_text(sheet.title)}", ""]
        for (_, column), why in hidden.items():
            lines.append(
                f"> **{cell_text(column)} is not shown, here or in the other tables: it fails its own declaration.** "
                f"{cell_text(why)}\n"
            )
        lines += [f"> **{cell_text(line)}**\n" for line in (*within(sheet, cells, hidden), *odd(sheet))]
        lines += [f"{sheet.count} clips. Class {code_text(sheet.manifest.comparability)}. {intervals_note(sampler)}"]
        tests = tests_note(sampler, columns)
        lost = rejected(sheet)
        if lost:
            told = "; ".join(cell_text(f"{clip}: {why}") for clip, why in lost[:SHOWN])
            more = f"; and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            what = "row of the data set" if len(lost) == 1 else "rows of the data set"
            lines += [f"**{len(lost)} {what} could not become clips:** {told}{more}."]
        if any(dirty(run.manifest.code) for run in sheet.runs):
            lines += ["Made with changed files: the commit does not say which code it was."]
        lines += ["Bold: best; underlined: cannot be told apart from the best; n/N where not all clips are scored."]
        lines += ["A system has no rank where others are scored on clips that it lacks.", cell_text(tests), ""]
        lines += _table(sheet, sheet.ranking, columns, cells)
        if sheet.ranking:
            lines += ["", "### Clips that all systems did", ""]
            if sheet.alike(columns):
                lines.append("Every system is scored on the same clips in every column: the table above.")
            else:
                lines += _table(sheet, sheet.ranking, columns, common, common=True)
        if sheet.controls:
            lines += ["", "### Controls (privileged; never ranked)", ""]
            lines += _table(sheet, sheet.controls, columns, cells)
        lines.append("")
    return "\n".join(lines)


def _table(
    sheet: Sheet, labels: Sequence[str], columns: Sequence[Measure], cells: Grid, common: bool = False
) -> list[str]:
    header = ["system"]
    for m in columns:
        name = f"{cell_text(m.column.name)} {ARROW[m.column.direction]}".strip()
        start = floor(sheet, cells, m)
        more = ", ".join([*([m.column.unit] if m.column.unit else []), *([f"floor {start}"] if start else [])])
        name += f" ({more})" if more else ""
        header.append(f"{name}, n {sheet.common(m).sum()}" if common else name)
    rows = []
    for label in labels:
        marks = "".join(f" `{mark}`" for mark in badges(sheet, label))
        row = [cell_text(label) + marks]
        for m in columns:
            whole = int(sheet.common(m).sum()) if common else sheet.count
            row.append(_cell(cells[label, m.metric, m.column.name], m, sheet, label, whole))
        rows.append(row)
    return table(header, rows)


def badges(sheet: Sheet, label: str) -> list[str]:
    """What a reader must know of a system, in a word each."""
    entrant = sheet.entrants[label]
    info, dubs = entrant.entry.info, int(sheet.dubbed(label).sum())
    out: list[str] = [] if info.kind == "model" else [info.kind]
    if any(sheet.conditioned(label, m) for m in sheet.measures):
        out.append("conditioned on SECS encoder")
    if dubs < sheet.count:
        out.append(f"{dubs}/{sheet.count} dubs")
    if sheet.dirty(label):
        out.append("dirty code")
    return out


def _cell(entry: Entry, measure: Measure, sheet: Sheet, label: str, whole: int) -> str:
    e, digits = entry.estimate, measure.column.digits
    if e.value is None:
        return "–" if sheet.asked(label, measure) else ""
    text = f"{e.value:.{digits}f}"
    if entry.leads:
        text = f"**{text}**"
    elif entry.rank == 1:
        text = f"<u>{text}</u>"
    if e.low is not None and e.high is not None:
        text += f" [{e.low:.{digits}f}, {e.high:.{digits}f}]"
    if e.n < whole:
        text += f" ({e.n}/{whole})"
    return text + (" ‡" if sheet.conditioned(label, measure) else "")
