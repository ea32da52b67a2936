"""``dubbench assets``: list, fetch, verify, import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubbench.cli.options import JsonOption
from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from dubbench.weights.catalogue import Asset

assets_app = typer.Typer(help="Weights that recipes load: list, fetch, verify, import.", no_args_is_help=True)


ConvertOption = Annotated[
    bool, typer.Option("--convert", help="Turn pickles into safetensors, in a process of its own. See docs/assets.md.")
]
NamesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Which weights. See: dubbench assets list")
]
WORD = "research"


@assets_app.command("list")
def list_assets(json: JsonOption = False) -> None:
    """List the weights: what they are, how large, under which licence, and whether they are here."""
    from dubbench.cli.listing import to_json, to_text
    from dubbench.weights.catalogue import assets, assets_dir

    rows = rows_of(assets().values())
    if json:
        typer.echo(to_json(rows))
        return
    shown = ("name", "state", "size", "digest", "licence", "used_by")
    typer.echo(to_text([{key: row[key] for key in shown} for row in rows]))
    typer.echo(f"\nfolder: {assets_dir()}")


@assets_app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which. See: dubbench assets list")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Those that the metrics of this profile load.")] = None,
    convert: ConvertOption = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    non_commercial: Annotated[
        bool, typer.Option("--non-commercial", help="You use what may only serve research for research.")
    ] = False,
) -> None:
    """Fetch weights; licence and size are said first. Goes on where it was."""
    from dubbench.weights.catalogue import have
    from dubbench.weights.store import bring

    chosen = _chosen(names, profile)
    needed = [item for item in chosen if not have(item.name)]
    for item in chosen:
        if item not in needed:
            typer.echo(f"{item.name}: here already")
    if not needed:
        return
    _agree(needed, convert, yes, non_commercial)
    failed = False
    with _bar() as told:
        for item in needed:
            try:
                bring(item, convert, print, told)  # print: the bar makes way for it
            except DubbenchError as error:  # the others are fetched all the same
                typer.echo(f"dubbench: {error}", err=True)
                failed = True
    raise typer.Exit(2 if failed else 0)


@assets_app.command()
def verify(
    names: NamesArgument = None,
    json: JsonOption = False,
) -> None:
    """Read every file of the weights that are here and hold it against its digest. Exit 3 if one is wrong."""
    from dubbench.cli.listing import to_json, to_text
    from dubbench.weights.catalogue import assets_dir
    from dubbench.weights.store import verify as check

    rows = check(names)
    if json:
        typer.echo(to_json(rows))
    else:
        typer.echo(to_text(rows) if rows else f"no weights are in {assets_dir()}")
    raise typer.Exit(0 if all(row["state"] == "ok" for row in rows) else 3)


@assets_app.command("import")
def import_path(
    path: Annotated[Path, typer.Argument(help="A file, or a folder such as another machine's assets folder.")],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Which weight the file is.")] = "",
    convert: ConvertOption = False,
) -> None:
    """Bring in weights that were carried here; they are known by their digests."""
    from dubbench.weights.catalogue import assets_dir
    from dubbench.weights.importing import take

    brought = take(path, name, convert, typer.echo)
    typer.echo(f"{len(brought)} brought into {assets_dir()}")


def rows_of(items: Any) -> list[dict[str, Any]]:
    """One row a weight, for tables and JSON."""
    from dubbench.weights.needs import users

    used = users()
    return [
        {
            "name": item.name,
            "state": _state(item),
            "size": megabytes(item),
            "bytes": item.total,
            "digest": "published" if all(part.sha256 for part in item.files) else "pinned on the first fetch",
            "licence": item.licence,
            "commercial": item.commercial,
            "used_by": ", ".join(used.get(item.name, [])),
            "summary": item.summary,
            "citation": item.citation,
            "files": [
                {"file": p.file, "address": p.address, "sha256": p.sha256 or "pinned on the first fetch"}
                for p in item.files
            ],
            "convert": item.convert or "",
        }
        for item in items
    ]


def megabytes(item: Asset) -> str:
    """Size for a reader."""
    return f"{item.total / 1e6:,.0f} MB" if item.total else "size ?"


def _state(item: Asset) -> str:
    from dubbench.weights.catalogue import folder_of, have, target_of

    folder = folder_of(item)
    if have(item.name):
        return "here"
    if any((folder / f"{part.file}.part").exists() for part in item.files):
        return "half fetched"
    if item.convert and (folder / item.file).exists() and not target_of(item).exists():
        return "not converted"
    return "not usable" if any((folder / part.file).exists() for part in item.files) else "missing"


def _chosen(names: Sequence[str] | None, profile: str | None) -> list[Asset]:
    from dubbench.pipeline.components import of_profile
    from dubbench.weights.catalogue import asset

    chosen = {name: asset(name) for name in names or ()}
    if profile:
        chosen |= {name: asset(name) for name in of_profile(profile)}
        if not chosen:
            raise DubbenchError(f"no metric of profile {profile!r} loads weights (dubbench metrics lists the profiles)")
    if not chosen:
        raise DubbenchError("say which: dubbench assets fetch NAME, or --profile paper (dubbench assets list)")
    return list(chosen.values())


def _agree(items: Sequence[Asset], convert: bool, yes: bool, non_commercial: bool) -> None:
    """Show size and licence, and ask.

    Raises:
        DubbenchError: not agreed, or nobody is there to ask.
    """
    from dubbench.weights.catalogue import assets_dir
    from dubbench.weights.convert import RISK

    for item in items:
        use = "" if item.commercial else "; not for commercial use"
        typer.echo(f"{item.name}: {megabytes(item)}, licence: {item.licence}{use}; {item.citation}")
        if item.convert:
            typer.echo(
                f"  {item.file} {RISK}" + ("" if convert else ". Without that flag it is fetched, but not usable")
            )
    known = f"{sum(item.total for item in items) / 1e6:,.0f} MB"
    typer.echo(f"in all {known}{'' if all(item.total for item in items) else ' or more'}, into {assets_dir()}")
    restricted = [item.name for item in items if not item.commercial]
    if restricted and not non_commercial:
        if not sys.stdin.isatty():
            raise DubbenchError(f"{', '.join(restricted)}: not for commercial use; give --non-commercial to say so too")
        if typer.prompt(f"{', '.join(restricted)}: type {WORD!r} if that is what you use them for") != WORD:
            raise DubbenchError("nothing was fetched")
    elif not yes and sys.stdin.isatty() and not typer.confirm("fetch?", default=True):
        raise DubbenchError("nothing was fetched")
    elif not yes and not sys.stdin.isatty():
        raise DubbenchError("nobody is here to agree to the licences; give --yes")


@contextmanager
def _bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar a file on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        from dubbench.runtime.progress import transfer

        with transfer() as told:
            yield told
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    shown = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def told_bar(name: str, there: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=there, total=total or None)

        yield told_bar
