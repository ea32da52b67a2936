"""``dubbench merge``: one run of its shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def merge(run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of all shards.")]) -> None:
    """Make one run, with its board, of the shards of dubbench run --shard I/N.

    Refused, and nothing written, if a shard is at work, clips are missing, or versions or plans differ. Exit 3 if clips
    failed and the board was written.
    """
    from dubbench.api import run_to_board

    outcome = run_to_board.merge(run)
    run_to_board.show(outcome)
    raise typer.Exit(3 if outcome.failed else 0)
