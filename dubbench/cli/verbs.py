"""Verbs that systems, metrics and other packages bring by an entry point in the group ``dubbench.commands``.

The entry's name is the verb, ``train``, or a verb within another one, ``train.sync``; its value is a `typer.Typer` or a
function with typer's annotations. A verb is imported when it is called or its help is shown, not before.
"""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from dubbench.core.plugins import factory, names
from dubbench.errors import DubbenchError

PANELS = {
    "Run and score": ("run", "synth", "score", "dub", "merge", "status", "validity"),
    "Compare and publish": (
        "board",
        "compare",
        "tables",
        "figures",
        "published",
        "ablate",
        "sweep",
        "mos",
        "bundle",
        "verify",
        "leaderboard",
    ),
    "What there is": ("systems", "metrics", "doctor", "check"),
    "Data and weights": ("data", "assets", "setup"),
    "Train": ("train", "codec"),
}
"""The help's headings and the verbs under them, in reading order; verbs of other packages follow."""


class Verbs(TyperGroup):
    """The root of the command line: the verbs written in `dubbench.cli`, then those of plugins."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The verbs under their headings."""
        rest = self.list_commands(ctx)
        for heading, verbs in [*PANELS.items(), ("From other packages", tuple(rest))]:
            there = [verb for verb in verbs if verb in rest]
            rest = [verb for verb in rest if verb not in there]
            rows = [(verb, self.get_command(ctx, verb).get_short_help_str(90)) for verb in there]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all verbs; a plugin's that has the name of one of ours is left out."""
        own = super().list_commands(ctx)
        return [*own, *(name for name in names("commands") if "." not in name and name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of that name, imported now if it is a plugin's; None if there is none."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in names("commands"):
            return own
        command = load(cmd_name)
        for name in names("commands"):
            parent, _, child = name.rpartition(".")
            if parent == cmd_name and hasattr(command, "add_command"):
                command.add_command(load(name), child)
        return command


def load(name: str) -> Any:
    """The click command behind an entry of ``dubbench.commands``.

    One that cannot be imported becomes a command that says why when it is called, so that the others go on working.
    """
    last = name.rpartition(".")[2]
    try:
        found = factory("commands", name)
    except DubbenchError as error:
        found = _unusable(error)
    holder = typer.Typer(rich_markup_mode=None, add_completion=False, callback=lambda: None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=last)
    else:
        holder.command(last, context_settings=getattr(found, "context_settings", None))(found)
    return typer.main.get_group(holder).commands[last]


def _unusable(error: DubbenchError) -> Any:
    def verb(rest: list[str] | None = typer.Argument(None, hidden=True)) -> None:  # noqa: B008
        raise error

    verb.__doc__ = f"Unusable: {error}"
    verb.context_settings = {"ignore_unknown_options": True}  # type: ignore[attr-defined]
    return verb
