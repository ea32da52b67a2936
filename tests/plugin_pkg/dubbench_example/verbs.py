"""Verbs that a package brings: one of its own, and one within ``train``."""

import typer

from dubbench.errors import DubbenchError


def sing(times: int = typer.Option(1, help="How often.")) -> None:
    """Sing."""
    if times < 1:
        raise DubbenchError(f"--times {times}: sing at least once")
    typer.echo(" ".join(["la"] * times))


def train_example() -> None:
    """Train nothing."""
    typer.echo("trained")
