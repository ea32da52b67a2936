"""An ablation or a sweep written down: Markdown, CSV, LaTeX, JSON, pictures and a page, in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from dubbench.core.ablation import Recipe
from dubbench.core.spec import Spec
from dubbench.errors import DubbenchError
from dubbench.leaderboards.ablation import tables
from dubbench.leaderboards.ablation.effects import Effect, Held, against, effects
from dubbench.leaderboards.ablation.latex import to_latex
from dubbench.leaderboards.ablation.pictures import curves, forest
from dubbench.leaderboards.ablation.sweep import Sweep, collect
from dubbench.leaderboards.ablation.tables import Text
from dubbench.leaderboards.markdown import cell_text, code_text, intervals_note
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Sheet, differences, dirty, sheets
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.table import csv_text
from dubbench.pipeline.store import read_run
from dubbench.runtime.files import write_text


@dataclass(frozen=True)
class Content:
    """What is written: ``name`` is that of the files, ``record`` the JSON, ``rows`` the CSV with its header."""

    name: str
    title: str
    intro: Sequence[str]
    tables: Sequence[Text]
    picture: str
    picture_label: str
    rows: Sequence[Sequence[str]]
    record: Mapping[str, Any]
    boards: Sequence[tuple[str, Path]]
    command: str
    pending: str = ""


def one_sheet(runs: Sequence[Path]) -> Sheet:
    """The sheet of all ``runs``.

    Raises:
        DubbenchError: they cannot be compared: clips or recipes changed between them.
    """
    found = sheets([read_run(path) for path in runs])
    if len(found) > 1:
        why = "; ".join(differences(found[0], found[1]))
        raise DubbenchError(f"the runs {', '.join(p.name for p in runs)} cannot be compared: {why}; give another --out")
    return found[0]


def _intro(sheet: Sheet, systems: str) -> list[str]:
    m = sheet.manifest
    commit = m.code.get("commit", "")[:12]
    made = f"dubbench {m.code.get('dubbench', '')}" + (f", commit {commit}" if commit else "")
    changed = " with changed files" if any(dirty(run.manifest.code) for run in sheet.runs) else ""
    return [
        f"{systems} on {m.dataset}, split {m.split}, Setting {m.setting}: {sheet.count} clips. "
        f"{intervals_note(Sampler(sheet))}",
        f"Class {m.comparability}; recipes of profile {m.profile}; {made}{changed}.",
    ]


def ablation_content(
    recipe: Recipe, done: Sequence[int], seeds: Sequence[int], runs: Sequence[Path], command: str
) -> Content:
    """The tables of the ``done`` seeds, whose ``runs`` are given in the same order."""
    sheet = one_sheet(runs)
    rows = recipe.rows
    every = effects(sheet, rows, done)
    found = {where: e for where, e in every.items() if e.measure.column.headline}
    sampler = Sampler(sheet)
    truth = {
        e.measure.column.name: sampler.estimate("ground_truth", e.measure)
        for (row, _), e in found.items()
        if row == rows[0].name and "ground_truth" in sheet.entrants
    }
    texts = [tables.changes_table(rows, found, len(done)), tables.values_table(rows, found, truth, sheet.count)]
    held: list[Held] = []
    if recipe.published is not None:
        held = against(recipe.published, rows, found)
        texts.insert(1, tables.held_table(rows, recipe.published, held))
    texts[0] = replace(texts[0], notes=(*texts[0].notes, *recipe.notes))
    options = ", ".join(f"{key} {value}" for key, value in recipe.options.items())
    named = f"{recipe.title} ({options})" if options else recipe.title
    pending = (
        "" if len(done) == len(seeds) else f"{len(done)} of {len(seeds)} seeds are done; the same command goes on."
    )
    return Content(
        name="ablation",
        title=recipe.title,
        intro=_intro(sheet, f"{named}; {len(rows)} rows, {len(done)} seed{'s' if len(done) > 1 else ''}"),
        tables=texts,
        picture=forest(rows, found),
        picture_label="Every row minus the whole system, a panel a column",
        rows=[tables.CSV, *tables.effect_rows(every)],
        record={
            "title": recipe.title,
            "options": dict(recipe.options),
            "seeds": list(done),
            "class": sheet.manifest.comparability,
            "clips": sheet.count,
            "rows": [asdict(row) for row in rows],
            "effects": [_effect(where, e) for where, e in every.items()],
            "published": asdict(recipe.published) if recipe.published else None,
            "against": [{**asdict(h), "row": h.row.name} for h in held],
            "notes": list(recipe.notes),
            "command": command,
        },
        boards=[(f"seed {seed}", run / "board" / "index.html") for seed, run in zip(done, runs, strict=True)],
        command=command,
        pending=pending,
    )


def _effect(where: tuple[str, str], e: Effect) -> dict[str, Any]:
    return {
        "row": where[0],
        "column": where[1],
        "direction": e.measure.column.direction,
        "unit": e.measure.column.unit,
        "headline": e.measure.column.headline,
        "signature": e.measure.signature,
        "value": e.mean,
        "values": [_estimate(one) for one in e.value],
        "change": _estimate(e.change),
        "seed_changes": [_estimate(one) for one in e.by_seed],
        "seed_sd": e.spread,
        "verdict": e.verdict,
    }


def _estimate(e: Estimate) -> dict[str, Any]:
    return {"value": e.value, "low": e.low, "high": e.high, "n": e.n}


def sweep_content(system: Spec, option: str, values: Sequence[Any], run: Path, command: str) -> Content:
    """The tables of a sweep."""
    sheet = one_sheet([run])
    found = collect(sheet, system, option, values)
    texts = [tables.sweep_table(found)]
    if found.published is not None:
        texts.append(tables.published_table(found.published, option, found.published_line))
    return Content(
        name="sweep",
        title=f"{system.name} over {option}",
        intro=_intro(sheet, f"{system} over {option}"),
        tables=texts,
        picture=curves(found),
        picture_label=f"Real-time factor and quality over {option}",
        rows=[tables.SWEEP_CSV, *tables.sweep_rows(found)],
        record=_sweep_record(found, sheet, command),
        boards=[("the run", run / "board" / "index.html")],
        command=command,
    )


def _sweep_record(found: Sweep, sheet: Sheet, command: str) -> dict[str, Any]:
    return {
        "system": str(found.system),
        "option": found.option,
        "class": sheet.manifest.comparability,
        "clips": sheet.count,
        "machine": found.machine,
        "parameters": dict(found.parameters),
        "parameters_without_visual": found.counted,
        "lines": {what: asdict(line) for what, line in found.lines.items()},
        "values": [
            {
                "value": value,
                "times": {what: _estimate(e) for (v, what), e in found.times.items() if v == value},
                "quality": {column: _estimate(e) for (v, column), e in found.quality.items() if v == value},
            }
            for value in found.values
        ],
        "published": asdict(found.published) if found.published else None,
        "command": command,
    }


def write(content: Content, out: Path, page: Path | None = None) -> Path:
    """Write everything to ``out``, and the Markdown with its picture also as ``page``; returns ``index.html``."""
    picture = f"{content.name}.svg"
    write_text(out / picture, content.picture)
    write_text(out / f"{content.name}.md", _markdown(content, picture))
    write_text(out / f"{content.name}.csv", csv_text(content.rows[0], iter(content.rows[1:])))
    write_text(out / f"{content.name}.json", json.dumps(content.record, indent=1, ensure_ascii=False) + "\n")
    parts = [to_latex(text, f"{content.name}-{i}") for i, text in enumerate(content.tables, 1)]
    write_text(out / f"{content.name}.tex", "\n".join(parts))
    write_text(out / "index.html", _html(content, out))
    if page is not None:
        write_text(page.parent / page.stem / picture, content.picture)
        write_text(page, _markdown(content, f"{page.stem}/{picture}"))
    return out / "index.html"


def _markdown(content: Content, picture: str) -> str:
    parts = [f"# {cell_text(content.title)}", ""]
    parts += [f"> **Not finished:** {cell_text(content.pending)}\n"] if content.pending else []
    parts += [f"{cell_text(line)}\n" for line in content.intro]
    parts += [f"Made by {code_text(content.command)}.\n", f"![{cell_text(content.picture_label)}]({picture})\n"]
    return "\n".join([*parts, *(tables.to_markdown(text) for text in content.tables)])


def _html(content: Content, out: Path) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("dubbench.leaderboards") / "html"

    def source(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    boards = [(name, Path(_relative(path, out)).as_posix()) for name, path in content.boards if path.is_file()]
    return environment.get_template("ablation.html").render(
        title=content.title,
        style=source("style.css"),
        intro=content.intro,
        pending=content.pending,
        tables=content.tables,
        picture=content.picture,
        picture_label=content.picture_label,
        files=[f"{content.name}.{kind}" for kind in ("csv", "md", "tex", "json", "svg")],
        boards=boards,
        command=content.command,
    )


def _relative(path: Path, start: Path) -> str:
    import os

    return os.path.relpath(path, start)
