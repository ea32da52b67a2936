"""The verbs that list systems and metrics and examine the installation."""

from __future__ import annotations

from typing import Annotated

import typer

from dubbench.cli.options import JsonOption, answer


def systems(name: Annotated[str | None, typer.Argument(help="Show one.")] = None, json: JsonOption = False) -> None:
    """List the systems, or show one."""
    from dubbench.cli.listing import list_systems, show_system

    answer(show_system(name) if name else list_systems(), json)


def metrics(
    name: Annotated[str | None, typer.Argument(help="Show one: its recipe, columns and signature.")] = None,
    json: JsonOption = False,
) -> None:
    """List the metrics, or show one."""
    from dubbench.cli.listing import list_metrics, show_metric

    answer(show_metric(name) if name else list_metrics(), json)


def doctor(
    name: Annotated[str | None, typer.Argument(help="Only this system: what it lacks, and where.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for what is optional, too.")] = False,
    json: JsonOption = False,
) -> None:
    """Say what works here, what is missing, and the command that brings it.

    Exit 1 if something is missing or broken; what is marked optional (weights to download, and packages for them alone)
    may be missing.
    """
    from dubbench.cli.doctor import examine, examine_system, healthy

    rows = examine_system(name) if name else examine()
    answer(rows, json)
    raise typer.Exit(0 if healthy(rows, strict) else 1)
