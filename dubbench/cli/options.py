"""Options that several verbs share, and how they are read and answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system", "-s", metavar="SPEC", help="name, name(key=value) or label=name(…); repeat. See: dubbench systems"
    ),
]
DatasetOption = Annotated[str, typer.Option(help="Data set. See: dubbench data list")]
RootOption = Annotated[
    list[str] | None, typer.Option(metavar="DIR", help="Where the data set lies; NAME=DIR where there are several.")
]
SettingOption = Annotated[
    str,
    typer.Option(
        help="1.0: reference is the clip itself; 2.0: another clip of the speaker; 3.0: --voices.",
        callback=lambda text: f"{text}.0" if text in ("1", "2", "3") else text,
    ),
]
SplitOption = Annotated[str, typer.Option(help="test, all, another split of the data set, or a file of clip ids.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many clips, spread over the split.")]
ProfileOption = Annotated[str, typer.Option(help="Set of metric recipes: offline needs no download.")]
MetricOption = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this metric; repeat.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Run folder [default: named after what is run, as runs/grid-test-2.0-offline].",
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of all systems.")]
WorkersOption = Annotated[
    int, typer.Option(min=0, help="Scoring processes; 0: one a core, and one in all for metrics with large models.")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
TimeoutOption = Annotated[
    float, typer.Option(min=1, help="Seconds after which one clip counts as hung; in scoring, for every 8 dubs of it.")
]
VoicesOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of reference wavs for Setting 3.0.")]
PairingOption = Annotated[Path | None, typer.Option(metavar="CSV", help="Pairing table from elsewhere.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def answer(value: Any, as_json: bool) -> None:
    """Print rows as an aligned table or as JSON."""
    from dubbench.cli.listing import to_json, to_text
    from dubbench.runtime.containment import printable

    typer.echo(to_json(value) if as_json else printable(to_text(value)))
