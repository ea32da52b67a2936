"""``dubbench compare``: whether one system beats another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubbench.cli.options import JsonOption, answer

if TYPE_CHECKING:
    from dubbench.leaderboards.compare import Line
    from dubbench.leaderboards.statistics import Estimate


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A system: its label, RUN:LABEL, or a run with one system.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    run: Annotated[
        list[Path] | None, typer.Option("--run", "-r", metavar="RUN", help="Where labels are looked for; repeat.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say whether A beats B: paired difference with its interval, corrected p, and the verdict, for each column."""
    from dubbench.leaderboards.compare import compare as held

    labels, lines = held(a, b, run or [])
    rows = [_row(labels, line) for line in lines]
    answer(rows, json)
    if not json:
        typer.echo(_sentence(labels, lines))


def _row(labels: tuple[str, str], line: Line) -> dict[str, Any]:
    column, c = line.measure.column, line.comparison
    unit = f" ({column.unit})" if column.unit else ""
    won = {"a": f"{labels[0]} is better", "b": f"{labels[1]} is better"}.get(line.winner)
    differs = line.corrected is not None and line.corrected <= 0.05
    return {
        "column": f"{column.name}{ {'up': ' ↑', 'down': ' ↓', 'none': ''}[column.direction] }{unit}",
        labels[0]: _number(line.a, column.digits),
        labels[1]: _number(line.b, column.digits),
        "difference": _interval(c.difference, column.digits),
        "p (Holm)": "not tested" if line.corrected is None else f"{line.corrected:.4f}",
        "n": c.difference.n,
        f"{labels[0]} wins": "–" if c.wins is None else f"{100 * c.wins:.0f} %",
        "verdict": won or ("they differ" if differs else c.verdict if c.verdict == "equal" else "not told apart"),
    }


def _number(e: Estimate, digits: int) -> str:
    return "–" if e.value is None else f"{e.value:.{digits}f}"


def _interval(e: Estimate, digits: int) -> str:
    if e.value is None:
        return "–"
    ends = "" if e.low is None or e.high is None else f" [{e.low:+.{digits}f}, {e.high:+.{digits}f}]"
    return f"{e.value:+.{digits}f}{ends}"


def _sentence(labels: tuple[str, str], lines: list[Line]) -> str:
    won = {side: [line.measure.column.name for line in lines if line.winner == side] for side in ("a", "b")}
    parts = [
        f"{label} is better in {', '.join(won[side]) or 'no column'}" for side, label in zip("ab", labels, strict=True)
    ]
    untested = sum(line.corrected is None for line in lines)
    rest = f"; {untested} of {len(lines)} columns could not be tested (too few clips)" if untested else ""
    return f"{'; '.join(parts)}{rest}. Corrected over these columns (Holm, 5 %)."
