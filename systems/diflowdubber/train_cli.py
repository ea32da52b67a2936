"""The verbs that train the two stages, and the one that shows their settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dubbench.datasets.roots import roots_of
from dubbench.errors import DubbenchError
from dubbench.runtime.option_groups import grouped

from .cli_options import ConfigOption, PresetOption, RunOption, SetOption, TrainingOptions


def _train(stage: Literal["tts", "dub"], o: dict[str, Any]) -> None:
    from .settings import resolve
    from .training.jobs import features_of
    from .training.options import Settings
    from .training.run import Job, Machine, estimate, train

    presets = [*(o["preset"] or []), *(["no-pretraining"] if o.get("no_pretraining") else [])]
    config = resolve(o["config"], presets, o["set_"] or [])
    settings = Settings(**{name: o[name] for name in Settings.__dataclass_fields__ if name in o})
    machine = Machine(o["device"], o["engine"], o["precision"])
    caches = list(o["features"] or [])
    for name in o["dataset"] or []:
        roots = roots_of(o["root"], *dict.fromkeys(o["dataset"]))
        caches.append(features_of(name, roots, o["split"], o["codec"], o["workers"]))
    if not caches:
        raise DubbenchError("give --features FILE (from: dubbench train features), or --dataset NAME")
    job = Job(stage, config, caches, o["out"], o["hold_out"], o.get("teacher"), o["codec"], o["init"])
    if o["estimate"]:
        found = estimate(job, settings, machine)
        typer.echo(
            f"{found['parameters']:,.0f} parameters, {found['clips']:,.0f} clips, {found['steps']:,.0f} steps: "
            f"{found['steps_per_second']:.3g} steps/s, {found['hours']:.3g} hours, {found['memory_gib']:.2f} GiB"
        )
        return
    done = train(job, settings, machine)
    typer.echo(done.told, err=not done.ended)
    raise typer.Exit(done.status)


@grouped
def tts(
    out: RunOption,
    *,
    options: TrainingOptions,
) -> None:
    """Stage 1: text to speech. Exit 4 if --seconds ran out; Ctrl-C and SIGTERM end it with a checkpoint."""
    _train("tts", {"out": out, **vars(options)})


@grouped
def dub(
    out: RunOption,
    *,
    teacher: Annotated[Path | None, typer.Option(metavar="DIR", help="Run or checkpoint of stage 1.")] = None,
    no_pretraining: Annotated[
        bool, typer.Option("--no-pretraining", help="The same as --preset no-pretraining: there is no stage 1.")
    ] = False,
    options: TrainingOptions,
) -> None:
    """Stage 2: dubbing. Exit 4 if --seconds ran out; Ctrl-C and SIGTERM end it with a checkpoint."""
    _train("dub", {"out": out, "teacher": teacher, "no_pretraining": no_pretraining, **vars(options)})


def settings(config: ConfigOption = "small", preset: PresetOption = None, set_: SetOption = None) -> None:
    """Every setting of a configuration and its value, as a file for --config. What they mean: docs/choices.md."""
    from .settings import as_toml, resolve

    typer.echo(as_toml(resolve(config, preset or [], set_ or [])), nl=False)
