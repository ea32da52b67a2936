"""``dubbench setup NAME``."""

from __future__ import annotations

from typing import Annotated

import typer

from dubbench.errors import DubbenchError


def setup(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Systems. See: dubbench systems")],
    environment: Annotated[str, typer.Option(help="Which environment [default: the first that can be made].")] = "",
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Fetch weights, too.")] = True,
) -> None:
    """Make a system of others ready: its clone, its environment, its weights. Given again, it goes on.

    Exit 3 if something is left to be fetched by hand; each such file is named with its address and its command.
    """
    from .recipe import recipes
    from .setup import set_up

    known, left = recipes(), 0
    names = [name.replace("-", "_") for name in names]  # as in dubbench.core.plugins
    for name in names:
        if name not in known:
            raise DubbenchError(f"{name!r} needs no set-up, or is no system; these do: {', '.join(known)}")
    for name in names:
        lines = set_up(known[name], environment, weights, typer.echo)
        for line in lines:
            typer.echo(f"{name}: by hand: {line}")
        left += len(lines)
        if not lines:
            typer.echo(f"{name}: ready; dubbench run --system {name}")
    raise typer.Exit(3 if left else 0)
