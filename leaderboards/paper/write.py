"""From run folders to table files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards.paper import render
from dubbench.leaderboards.paper.beside import Printed
from dubbench.leaderboards.paper.build import apart, build
from dubbench.leaderboards.paper.latex import latex, preview
from dubbench.leaderboards.paper.layout import Table
from dubbench.leaderboards.published.rows import published as published_numbers
from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.pipeline.store import Run, read_run
from dubbench.runtime.files import durable, in_use, write_text


@dataclass(frozen=True)
class Made:
    """Tables, a line for each run that could not be used, and one for each pair that had to be kept apart."""

    tables: tuple[Table, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self, form: str, intervals: bool = False, training: bool = False) -> str:
        """All tables as one text: ``latex``, ``markdown``, ``html`` or ``csv``."""
        if form == "csv":
            return render.csv(self.tables)
        if form == "html":
            return render.html(self.tables, intervals, training)
        one: Callable[[Table, bool, bool], str] = latex if form == "latex" else render.markdown
        return "\n".join(one(table, intervals, training) for table in self.tables)


def usable(folders: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Runs that can be read, and one line for each that cannot, or is empty, or is being written."""
    runs: list[Run] = []
    problems: list[str] = []
    for folder in folders:
        try:
            holder = in_use(folder)
            if holder:
                raise DubbenchError(f"{folder} is being written by {holder}; wait for it")
            run = read_run(folder)
            if not run.manifest.clips or not run.manifest.systems:
                what = "clips" if not run.manifest.clips else "systems"
                raise DubbenchError(f"{folder}: an empty run, without {what}; run it again with some")
            runs.append(run)
        except DubbenchError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(f"{folder}: cannot be read ({error.strerror or error}); check the folder")
    return runs, problems


def opened(folders: Sequence[Path]) -> tuple[list[Sheet], list[str]]:
    """Sheets of the runs that can be used, and the lines of `usable`."""
    runs, problems = usable(folders)
    return sheets(runs), problems


def make(folders: Sequence[Path], published: bool, kinds: Sequence[str]) -> Made:
    """The tables of run folders; ``kinds`` of ``main``, ``nfe``, ``prosody``."""
    found, problems = opened(folders)
    printed = Printed(published_numbers() if published else ())
    made = build(found, printed, [kind for kind in ("main", "nfe", "prosody") if kind in kinds])
    return Made(tuple(made), tuple(problems), tuple(apart(found)))


def write(made: Made, out: Path, form: str, intervals: bool = False, training: bool = False) -> list[Path]:
    """Write the files into ``out``: one a table and ``preview.tex`` for LaTeX, one a table for Markdown, else one."""
    out.mkdir(parents=True, exist_ok=True)
    if form == "latex":
        texts = {f"{table.name}.tex": latex(table, intervals, training) for table in made.tables}
        texts["preview.tex"] = preview([table.name for table in made.tables])
    elif form == "markdown":
        texts = {f"{table.name}.md": render.markdown(table, intervals, training) for table in made.tables}
    elif form == "parquet":
        with durable(out / "tables.parquet") as temporary:
            temporary.write_bytes(render.parquet(made.tables))
        return [out / "tables.parquet"]
    else:
        texts = {f"tables.{form}": made.text(form, intervals, training)}
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]
