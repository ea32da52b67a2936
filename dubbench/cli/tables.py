"""``dubbench tables``: the paper's tables from runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dubbench.errors import DubbenchError


class Style(StrEnum):
    """Layouts."""

    paper = "paper"


class Format(StrEnum):
    """Of the files."""

    latex = "latex"
    markdown = "markdown"
    html = "html"
    csv = "csv"
    parquet = "parquet"


class Which(StrEnum):
    """Tables 1 and 2, 4, 5."""

    main = "main"
    nfe = "nfe"
    prosody = "prosody"


def tables(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN]...", help="Scored run folders.")] = None,
    style: Annotated[Style, typer.Option(help="Layout.")] = Style.paper,
    format: Annotated[Format, typer.Option("--format", "-f", help="Of the files.")] = Format.latex,
    table: Annotated[
        list[Which] | None, typer.Option("--table", "-t", help="main: Tables 1, 2; nfe: 4; prosody: 5; repeat.")
    ] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="Print each number's interval.")] = False,
    training: Annotated[bool, typer.Option("--training", help="Add the training data that systems declare.")] = False,
    published: Annotated[
        bool, typer.Option("--published", help="Add what papers print, below and never ranked.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of the files [default: print the text].")
    ] = None,
) -> None:
    """Make the tables of a paper from runs: settings side by side, ground truth first, best bold, second underlined.

    Columns that the paper does not have, such as WER-grammar or DNSMOS, stand in a panel of their own. A run that
    cannot be used is named on the error output; exit 3 if there was one.
    """
    from dubbench.leaderboards.paper.write import make, write

    if not runs and not published:
        raise DubbenchError("no runs to make tables of; give run folders, or --published alone for what papers print")
    made = make(runs or [], published, [which.value for which in table or Which])
    for line in made.problems:
        typer.echo(f"left out: {line}", err=True)
    for line in made.notes:
        typer.echo(line, err=True)
    if not made.tables:
        raise DubbenchError("no table can be made of these runs: " + ("; ".join(made.problems) or "no number is there"))
    if out is None:
        if format is Format.parquet:
            raise DubbenchError("parquet is not text; give the folder of its file with --out DIR")
        typer.echo(made.text(format.value, intervals, training), nl=False)
    else:
        for path in write(made, out, format.value, intervals, training):
            typer.echo(path)
    raise typer.Exit(3 if made.problems else 0)
