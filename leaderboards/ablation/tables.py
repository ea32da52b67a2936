"""An ablation or sweep as tables of text, one form for Markdown, LaTeX and pages; and as rows for CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dubbench.core.ablation import Published, Row
from dubbench.leaderboards.ablation.effects import Effect, Held
from dubbench.leaderboards.ablation.sweep import TIMES, Sweep
from dubbench.leaderboards.markdown import ARROW, cell_text
from dubbench.leaderboards.markdown import table as markdown_table
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.table import number

MINUS = "−"


@dataclass(frozen=True)
class Text:
    """One table of text.

    Attributes:
        groups: index of a row -> heading above it.
        notes: sentences under it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def signed(x: float | None, digits: int) -> str:
    """With its sign, but for what rounds to zero; a dash for None."""
    if x is None:
        return "–"
    text = f"{x:+.{digits}f}".replace("-", MINUS)
    return text if text.strip(f"+{MINUS}0.") else text[1:]


def counted(n: int, of: int) -> str:
    """`` (n/N)`` where not all clips entered."""
    return f" ({n}/{of})" if n < of else ""


def ranged(e: Estimate, digits: int) -> str:
    """A signed value with its interval."""
    if e.value is None:
        return "–"
    tail = f" [{signed(e.low, digits)}, {signed(e.high, digits)}]" if e.low is not None else ""
    return signed(e.value, digits) + tail


MARK = {"better": "▲", "worse": "▼", "not told apart": ""}


def _groups(rows: Sequence[Row]) -> dict[int, str]:
    return {i: row.group for i, row in enumerate(rows) if row.group and (i == 0 or rows[i - 1].group != row.group)}


def _heading(effect: Effect) -> str:
    column = effect.measure.column
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.name} {ARROW[column.direction]}{unit}"


def headings(rows: Sequence[Row], found: Mapping[tuple[str, str], Effect]) -> dict[str, str]:
    """Column -> its heading."""
    return {column: _heading(effect) for (row, column), effect in found.items() if row == rows[0].name}


def values_table(
    rows: Sequence[Row], found: Mapping[tuple[str, str], Effect], truth: Mapping[str, Estimate], clips: int
) -> Text:
    """Every row's value in every column, mean over the seeds."""
    heads = headings(rows, found)
    body = []
    if truth:
        body.append(("Ground truth", *(_plain(truth.get(c), found[rows[0].name, c], clips) for c in heads)))
    for row in rows:
        cells = []
        for column in heads:
            effect = found[row.name, column]
            n = min(e.n for e in effect.value)
            mean = effect.mean
            value = f"{mean:.{effect.measure.column.digits}f}" if mean is not None else "–"
            cells.append(value + counted(n, clips))
        body.append((row.title, *cells))
    shift = len(body) - len(rows)
    groups = {i + shift: name for i, name in _groups(rows).items()}
    notes = (f"Of {clips} clips; n/N where not all are scored in every seed.",)
    return Text("Values, mean over the seeds", ("", *heads.values()), tuple(body), groups, notes)


def _plain(e: Estimate | None, effect: Effect, clips: int) -> str:
    if e is None or e.value is None:
        return "–"
    return f"{e.value:.{effect.measure.column.digits}f}{counted(e.n, clips)}"


def changes_table(rows: Sequence[Row], found: Mapping[tuple[str, str], Effect], seeds: int) -> Text:
    """Every row minus the whole system, with intervals and the seeds' spread."""
    heads = headings(rows, found)
    body = []
    for row in rows[1:]:
        cells = []
        for column in heads:
            effect = found[row.name, column]
            digits = effect.measure.column.digits
            spread = f" ± {effect.spread:.{digits}f}" if effect.spread is not None else ""
            cells.append(f"{ranged(effect.change, digits)}{spread} {MARK[effect.verdict]}".strip())
        body.append((row.title, *cells))
    notes = [
        f"Row minus “{rows[0].title}”, mean over {seeds} seed{'s' if seeds > 1 else ''}, paired on the same clips; in "
        "brackets its 95 % interval over clips"
        + (
            "; after ± the standard deviation from seed to seed." if seeds > 1 else "; one seed: its spread is unknown."
        ),
        "▲ better and ▼ worse than it: the interval excludes zero and every seed has the same sign. Single intervals, "
        f"not corrected for {len(body) * len(heads)} comparisons.",
    ]
    return Text("Differences", ("", *heads.values()), tuple(body), _groups(rows[1:]), tuple(notes))


def held_table(rows: Sequence[Row], published: Published, held: Sequence[Held]) -> Text:
    """The printed differences, and whether ours have the same sign."""
    by = {(h.row.name, h.column): h for h in held}
    ours = {h.column: h.ours for h in held}
    heads = [
        f"{column} {ARROW[published.columns[column]]}" + (f" / {name}" if name and name != column else "")
        for column, name in ours.items()
    ]
    marks = {"agrees": "✓", "contradicts": "✗", "cannot be told": "?", "no difference printed": "="}
    body = []
    for row in rows[1:]:
        cells = []
        for column in ours:
            h = by.get((row.name, column))
            cells.append(f"{signed(h.change, 2 if abs(h.change) >= 0.1 else 3)} {marks[h.agreement]}" if h else "–")
        body.append((row.title, *cells))
    count = {mark: sum(h.agreement == name for h in held) for name, mark in marks.items()}
    missing = [column for column, name in ours.items() if not name]
    others = [f"{name} stands for {column}" for column, name in ours.items() if name and name != column]
    notes = [
        f"The paper's row minus its whole system ({published.source}), and whether ours goes the same way: ✓ it does "
        f"({count['✓']}), ✗ the opposite ({count['✗']}), ? cannot be told ({count['?']}), = no difference printed "
        f"({count['=']}).",
    ]
    if others:
        notes.append(f"Another measure of the same aspect, whose sign alone can be compared: {'; '.join(others)}.")
    if missing:
        notes.append(f"Not measured in this run, nor anything that stands for it: {', '.join(missing)}.")
    return Text("Beside the paper's signs", ("", *heads), tuple(body), _groups(rows[1:]), tuple(notes))


def sweep_table(sweep: Sweep) -> Text:
    """Quality and real-time factor by value."""
    heads = [f"{m.column.name} {ARROW[m.column.direction]}" for m in sweep.measures]
    body = []
    for value in sweep.values:
        cells = [_timed(sweep.times.get((value, what))) for what in TIMES]
        for m in sweep.measures:
            e = sweep.quality[value, m.column.name]
            digits = m.column.digits
            tail = f" [{e.low:.{digits}f}, {e.high:.{digits}f}]" if e.low is not None and e.high is not None else ""
            value_text = f"{e.value:.{digits}f}{tail}" if e.value is not None else "–"
            cells.append(value_text + counted(e.n, sweep.clips))
        body.append((f"{sweep.option} {value}", *cells))
    notes = [line_text(what, sweep.option, line) for what, line in sweep.lines.items()]
    if sweep.counted is not None:
        parts = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in sweep.parameters.items())
        notes.append(
            f"#Params without video-related encoders: {sweep.counted / 1e6:.2f} M ({parts}; codec not counted)."
        )
    notes.append(
        f"Times: one clip at a time on {sweep.machine}; pooled over clips, their interval over clips. "
        "RTF is the whole dub with its front end, RTF-model what the system counts as its model."
    )
    return Text(
        f"{sweep.system} over {sweep.option}", ("", *(f"{t} ↓" for t in TIMES), *heads), tuple(body), {}, tuple(notes)
    )


def line_text(what: str, option: str, line: Any) -> str:
    """A fitted line in a sentence."""
    sure = f", R² {line.r2:.3f}" if line.r2 is not None else ""
    slope = f"{'+' if line.slope >= 0 else MINUS} {abs(line.slope):.4g}"
    return f"{what} = {line.start:.4g} {slope} · {option} (least squares{sure}, at most {line.off:.2g} off)."


def _timed(e: Estimate | None) -> str:
    if e is None or e.value is None:
        return "–"
    return f"{e.value:.3f}" + (f" [{e.low:.3f}, {e.high:.3f}]" if e.low is not None and e.high is not None else "")


def published_table(published: Published, option: str, line: Any) -> Text:
    """The paper's table over an option, as printed."""
    heads = [f"{name} {ARROW[direction]}" for name, direction in published.columns.items()]
    body = [
        (f"{option} {name}", *(f"{row[c]:g}" if c in row else "–" for c in published.columns))
        for name, row in published.rows.items()
    ]
    notes = [line_text("RTF", option, line)] if line is not None else []
    return Text(f"As printed: {published.source}", ("", *heads), tuple(body), {}, tuple(notes))


# Forms.


def to_markdown(text: Text) -> str:
    """A heading, the table and its notes."""
    body: list[tuple[str, ...]] = []
    for i, row in enumerate(text.rows):
        if i in text.groups:
            body.append((f"*{cell_text(text.groups[i])}*", *[""] * (len(text.header) - 1)))
        body.append(tuple(cell_text(cell) for cell in row))
    lines = markdown_table([cell_text(cell) for cell in text.header], body)
    return "\n".join([f"## {cell_text(text.title)}", "", *lines, "", *(f"{cell_text(note)}\n" for note in text.notes)])


CSV = (
    *("row", "title", "group", "column", "direction", "unit", "value", "change", "ci_low", "ci_high", "n", "seeds"),
    *("seed_changes", "seed_sd", "verdict", "signature"),
)


def effect_rows(found: Mapping[tuple[str, str], Effect]) -> Iterator[tuple[str, ...]]:
    """The rows of ``ablation.csv`` (see `CSV`)."""
    for (row, column), e in found.items():
        c = e.measure.column
        yield (
            *(row, e.row.title, e.row.group, column, c.direction, c.unit, number(e.mean), number(e.change.value)),
            *(number(e.change.low), number(e.change.high), str(e.change.n), str(len(e.value))),
            *(";".join(number(s.value) for s in e.by_seed), number(e.spread), e.verdict, e.measure.signature),
        )


SWEEP_CSV = ("option", "setting", "column", "direction", "value", "ci_low", "ci_high", "n", "signature")


def sweep_rows(sweep: Sweep) -> Iterator[tuple[str, ...]]:
    """The rows of ``sweep.csv`` (see `SWEEP_CSV`)."""
    for value in sweep.values:
        for what in TIMES:
            e = sweep.times.get((value, what))
            if e is not None:
                yield (
                    sweep.option,
                    str(value),
                    what,
                    "down",
                    number(e.value),
                    number(e.low),
                    number(e.high),
                    str(e.n),
                    "",
                )
        for m in sweep.measures:
            e = sweep.quality[value, m.column.name]
            where = (sweep.option, str(value), m.column.name, m.column.direction)
            yield (*where, number(e.value), number(e.low), number(e.high), str(e.n), m.signature)
