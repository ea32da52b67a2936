"""``dubbench status``: how far a run is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dubbench.cli.options import JsonOption


def status(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")], as_json: JsonOption = False
) -> None:
    """Tell how far a run is, also one that goes on elsewhere: done, failed, left, rate, time left. Only reads."""
    import json

    from dubbench.pipeline.status import status as look
    from dubbench.runtime.containment import printable

    found = look(run)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    for stage in found.stages:
        pace = f", {stage.rate:.2f}/s, {_span(stage.seconds_left)} left" if stage.rate and stage.seconds_left else ""
        typer.echo(
            f"{stage.stage}: {stage.done:,} of {stage.total:,} done, {stage.failed:,} failed, {stage.left:,} left{pace}"
        )
    for part, who in found.working.items():
        typer.echo(printable(f"at work{'' if part == 'run' else f' on {part}'}: {who}"))
    if not found.working:
        typer.echo("nobody is at work on it")
    if found.last_result is not None:
        typer.echo(f"last result: {_span(found.last_result)} ago")
    if found.shards:
        typer.echo(f"shards here: {', '.join(found.shards)}; when all are done: dubbench merge {printable(str(run))}")


def _span(seconds: float) -> str:
    """A length of time in the two largest units."""
    whole = round(seconds)
    for size, name, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // small} {below}"
    return f"{whole} s"
