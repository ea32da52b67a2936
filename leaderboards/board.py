"""A board from scored runs: ``index.html`` that opens from disk, and its tables as CSV and Markdown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import chain
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards import markdown
from dubbench.leaderboards.caveats import between
from dubbench.leaderboards.data import data, place_media, script_json
from dubbench.leaderboards.examples import LIMIT, Example, choose, examples
from dubbench.leaderboards.matrix import broken, matrix_of
from dubbench.leaderboards.page import Part, view
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Sheet, differences, sheets
from dubbench.leaderboards.table import (
    PAIRED,
    TABLE,
    TIMINGS,
    csv_text,
    grid,
    paired_rows,
    table_rows,
    timing_rows,
)
from dubbench.pipeline.store import Run
from dubbench.runtime.files import write_text

SCRIPTS = ("board.js", "clips.js", "player.js")
MATRIX = ("metric", "column", "control", "system", "declared", "verdict", "detail", "class")


def write_board(runs: Sequence[Run], out: Path, players: int = LIMIT, missing: Sequence[str] = ()) -> Path:
    """Write a board of one or several runs into ``out``.

    Args:
        runs: joined where they can be compared, kept apart where not.
        out: folder of the board.
        players: most clips that can be seen and heard.
        missing: cells of a suite that are not on it, and why, a line each.

    Returns:
        The path of ``index.html``.

    Raises:
        DubbenchError: no runs.
    """
    if not runs:
        raise DubbenchError("no runs to make a board of; give at least one run folder")
    parts = [_part(sheet) for sheet in sheets(runs)]
    tables = [(name, p.sheet, p.cells, p.hidden) for name, p in zip(names(parts), parts, strict=True)]
    notes = [*between(tables), *comparability(parts)]
    write_text(out / "table.csv", csv_text(TABLE, chain(*(table_rows(p.sampler, p.cells, p.hidden) for p in parts))))
    write_text(out / "paired.csv", csv_text(PAIRED, chain(*(paired_rows(p.sampler, p.hidden) for p in parts))))
    write_text(out / "timings.csv", csv_text(TIMINGS, chain(*(timing_rows(p.sheet, p.timings) for p in parts))))
    write_text(out / "matrix.csv", csv_text(MATRIX, chain(*(_matrix_rows(p) for p in parts))))
    write_text(
        out / "table.md", markdown.page([(p.sampler, p.cells, p.common, p.hidden) for p in parts], notes, missing)
    )
    write_text(out / "index.html", _html(parts, notes, missing, out, players))
    return out / "index.html"


def _part(sheet: Sheet) -> Part:
    sampler = Sampler(sheet)
    cells = matrix_of(sampler)
    return Part(sampler, grid(sampler), grid(sampler, common=True), cells, broken(cells))


def _matrix_rows(part: Part) -> Iterator[tuple[str, ...]]:
    for c in part.matrix:
        where = part.sheet.manifest.comparability
        yield (c.metric, c.column, c.control, c.system, c.effect, c.verdict, c.detail, where)


def names(parts: Sequence[Part]) -> list[str]:
    """What each sheet is called: its title, numbered where two have the same."""
    titles = [part.sheet.title for part in parts]
    return [
        title if titles.count(title) == 1 else f"{title} ({titles[: i + 1].count(title)})"
        for i, title in enumerate(titles)
    ]


def comparability(parts: Sequence[Part]) -> list[str]:
    """Which tables are kept apart, and the fields that differ."""
    called = names(parts)
    out = []
    for i, a in enumerate(parts):
        for j in range(i + 1, len(parts)):
            why = "; ".join(differences(a.sheet, parts[j].sheet))
            out.append(f"“{called[i]}” and “{called[j]}” are not ranked together: {why}.")
    return out


def _html(parts: Sequence[Part], notes: Sequence[str], missing: Sequence[str], out: Path, players: int) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("dubbench.leaderboards") / "html"

    def source(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    idents = [f"t{i}" for i in range(1, len(parts) + 1)]
    each = max(2, players // len(parts)) if players else 0
    found: list[tuple[str, Example]] = [
        (ident, example)
        for ident, part in zip(idents, parts, strict=True)
        for example in examples(part.sheet, choose(part.sheet, part.measures, each))
    ]
    place = {
        ident: {label: i for i, label in enumerate([*part.sheet.ranking, *part.sheet.controls])}
        for ident, part in zip(idents, parts, strict=True)
    }
    placed = place_media(found, out, place)
    payload = {
        ident: data(part, [row for row in placed if row["sheet"] == ident])
        for ident, part in zip(idents, parts, strict=True)
    }
    script = "\n".join(source(name) for name in SCRIPTS)
    environment = Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("index.html").render(
        title=" · ".join(dict.fromkeys(part.sheet.manifest.dataset for part in parts)),
        sheets=[view(p, i, n) for p, i, n in zip(parts, idents, names(parts), strict=True)],
        notes=notes,
        missing=missing,
        style=source("style.css"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=script_json(payload),
    )
