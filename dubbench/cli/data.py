"""The verbs around data sets: list, show, check, prepare, download."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dubbench.cli.options import JsonOption, ProcessesOption, RootOption, SplitOption, answer
from dubbench.datasets.roots import roots_of
from dubbench.errors import DubbenchError

data_app = typer.Typer(help="Data sets: list, show, check, prepare, download.", no_args_is_help=True)


@data_app.command("list")
def data_list(json: JsonOption = False) -> None:
    """List the data sets."""
    from dubbench.cli.listing import list_datasets

    answer(list_datasets(), json)


@data_app.command("show")
def data_show(
    dataset: Annotated[str, typer.Argument()] = "toon", root: RootOption = None, json: JsonOption = False
) -> None:
    """Show one data set: its description, and the parts of it that are here."""
    from dubbench.cli.listing import show_dataset
    from dubbench.datasets.roots import open_dataset

    answer(show_dataset(dataset, open_dataset, roots_of(root, dataset)), json)


@data_app.command("check")
def data_check(
    dataset: Annotated[str, typer.Argument()] = "toon",
    root: RootOption = None,
    split: SplitOption = "all",
    workers: ProcessesOption = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Do not look for faces (about a second a clip).")] = False,
    json: JsonOption = False,
) -> None:
    """Open every clip and report each fault in a line. Exit 3 if there are any."""
    from dubbench.cli.listing import check_dataset
    from dubbench.datasets.roots import open_dataset

    data = open_dataset(dataset, roots_of(root, dataset))
    report, problems = check_dataset(data, split, workers or os.cpu_count() or 1, quick)
    answer(report, json)
    raise typer.Exit(3 if problems else 0)


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="An option of a plugin's data set; repeat. See: data show NAME"),
]


@data_app.command("prepare")
def data_prepare(
    dataset: Annotated[str, typer.Argument(help="toon: make it; chem: cut sentence clips out of lectures.")] = "toon",
    root: Annotated[Path | None, typer.Option(help="Where the prepared data set goes.")] = None,
    source: Annotated[Path | None, typer.Option(help="chem: folder with intervals/<id>/cut-N.mp4 or videos/.")] = None,
    table: Annotated[Path | None, typer.Option(help="chem: CSV, TSV or JSONL with id, start, end, text.")] = None,
    workers: ProcessesOption = 0,
    setting: SetOption = None,
) -> None:
    """Make a data set ready: the embedded corpus, or Chem's sentence clips. Goes on where it was."""
    from dubbench.cli.listing import prepare_dataset

    options = {"source": source, "table": table, **_pairs(setting)}
    problems = prepare_dataset(dataset, root, workers or os.cpu_count() or 1, options)
    for problem in problems:
        typer.echo(f"{problem.clip}: {problem.what}", err=True)
    raise typer.Exit(3 if problems else 0)


@data_app.command("download")
def data_download(
    dataset: Annotated[str, typer.Argument(help="grid, or chem (lists and instructions).")],
    root: Annotated[Path | None, typer.Option(help="Where it goes [default: the data set's usual place].")] = None,
    speaker: Annotated[list[str] | None, typer.Option(help="grid: only this speaker; repeat.")] = None,
    setting: SetOption = None,
) -> None:
    """Fetch a data set; the licence and the sizes are said first. Goes on where it was."""
    from dubbench.cli.listing import download_dataset

    download_dataset(dataset, root, {"speaker": speaker or None, **_pairs(setting)})


def _pairs(values: list[str] | None) -> dict[str, str]:
    """``KEY=VALUE`` as a dictionary."""
    pairs = [value.partition("=") for value in values or []]
    for key, mark, _ in pairs:
        if not mark or not key.isidentifier():
            raise DubbenchError(f"--set {key}: write KEY=VALUE")
    return {key: value for key, _, value in pairs}


@data_app.command("import-list")
def data_import_list(
    source: Annotated[Path, typer.Argument(metavar="CLONE", help="Your clone of InstructDubber or DeepDubber-V1.")],
    dataset: Annotated[str, typer.Option(help="chem, grid or v2c.")],
    root: Annotated[Path | None, typer.Option(help="The data set's folder [default: its usual place].")] = None,
    json: JsonOption = False,
) -> None:
    """Read the public lists, pairings and reference phones of a data set out of a clone, into ROOT/splits."""
    from dataclasses import asdict

    from dubbench.datasets.base import usual_root
    from dubbench.datasets.public_lists import import_lists

    answer([asdict(row) for row in import_lists(source.expanduser(), dataset, root or usual_root(dataset))], json)
