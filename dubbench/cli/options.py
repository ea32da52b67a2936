"""Options that several verbs share, one by one and in groups, and the answers of listing verbs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from dubbench.pipeline.cell import Resources

SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system", "-s", metavar="SPEC", help="name, name(key=value) or label=name(…); repeat. See: dubbench systems"
    ),
]
DatasetOption = Annotated[str, typer.Option(help="Data set. See: dubbench data list")]
RootOption = Annotated[
    list[str] | None, typer.Option(metavar="DIR", help="Folder of the data set; NAME=DIR, repeated, for several.")
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


def _told_of_cores(workers: int) -> int:
    """The number as it is; a line on standard error if it is more than the machine has cores."""
    cores = os.cpu_count() or 1
    if workers > cores:
        typer.echo(f"dubbench: --workers {workers} on {cores} cores: they share the cores and its memory", err=True)
    return workers


WorkersOption = Annotated[
    int,
    typer.Option(
        min=0,
        help="Scoring processes; 0: one a core, and one in all for metrics with large models.",
        callback=_told_of_cores,
    ),
]
ProcessesOption = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.", callback=_told_of_cores)]
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


@dataclass(frozen=True)
class Clips:
    """The options that choose clips."""

    dataset: DatasetOption = "toon"
    root: RootOption = None
    setting: SettingOption = "2.0"
    split: SplitOption = "test"


@dataclass(frozen=True)
class Voices:
    """The options that choose reference voices beyond `Clips.setting`."""

    voices: VoicesOption = None
    pairing: PairingOption = None


class Engine(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[Engine, typer.Option(help="local: processes of this machine; ray: actors of a Ray cluster.")]
AddressOption = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Of a Ray cluster, or auto [default: start a Ray on this machine].")
]


@dataclass(frozen=True)
class Work:
    """The options that choose processes and devices."""

    workers: WorkersOption = 0
    device: DeviceOption = "auto"
    timeout: TimeoutOption = 600.0
    engine: EngineOption = Engine.local
    address: AddressOption = ""

    @property
    def resources(self) -> Resources:
        """As `dubbench.pipeline` takes them."""
        from dubbench.pipeline.cell import Resources

        if self.address and self.engine != Engine.ray:
            raise DubbenchError("--address is that of a Ray; give --engine ray with it")
        return Resources(self.workers, self.device, self.timeout, engine=self.engine.value, address=self.address)
