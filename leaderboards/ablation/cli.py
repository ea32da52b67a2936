"""The verbs ``ablate`` and ``sweep``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from dubbench.errors import DubbenchError

SystemOption = Annotated[str, typer.Option("--system", "-s", metavar="SPEC", help="The system. See: dubbench systems")]
DatasetOption = Annotated[str | None, typer.Option(help="Data set to compare on [default: toon, a few clips of it].")]
RootOption = Annotated[
    list[str] | None, typer.Option(metavar="DIR", help="Folder of the data set; NAME=DIR, repeated, for several.")
]
SplitOption = Annotated[str, typer.Option(help="Clips to compare on.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many of them.")]
SettingOption = Annotated[str, typer.Option(help="1.0, as the paper's Tables 3 and 4, or 2.0.")]
ProfileOption = Annotated[str, typer.Option(help="Set of metric recipes.")]
MetricOption = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this metric; repeat.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder; given again, it goes on.")]
PageOption = Annotated[
    Path | None, typer.Option(metavar="FILE.md", help="Write the result there too, its picture beside it.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Say what there is to do and how long it takes, and end.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the plan or the result as JSON.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Processes for features and scoring; 0: one a core.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds after which one clip counts as hung.")]

QUICK = {"limit": 10, "train_limit": 60}
"""Clips of toon to compare on and to train on where no data set is named."""


def ablate(
    system: SystemOption = "diflowdubber",
    row: Annotated[list[str] | None, typer.Option(help="Only this row, beside the whole system; repeat.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of every row; with --vary, dubs of every clip.")] = 1,
    size: Annotated[str, typer.Option(help="Size of the system [default: the recipe's own; diflowdubber: tiny].")] = "",
    steps: Annotated[int, typer.Option(min=0, help="Of every row's training; 0: the size's own.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting in every row; repeat.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Of the recipe; --dry-run lists them; repeat.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(metavar="ROW=PATH", help="Take it instead of training the row; one a seed.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="Train nothing; change options, each alone: 'NAME(option=1|2)'; repeat."),
    ] = None,
    base: Annotated[str, typer.Option(metavar="SPEC", help="With --vary: what is varied [default: defaults].")] = "",
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    train_on: Annotated[list[str] | None, typer.Option(help="Data sets to train on [default: the same].")] = None,
    train_split: Annotated[str, typer.Option(help="Clips to train on.")] = "train",
    train_limit: Annotated[int | None, typer.Option(min=1, help="At most this many of each data set.")] = None,
    setting: SettingOption = "1.0",
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    page: PageOption = None,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
) -> None:
    """Take a system apart: train every row of its ablation, run all, compare each with the whole (the paper's Table 3).

    Alone: Table 3 of DiFlowDubber at its smallest size on the embedded corpus, in some minutes, to see what it is.
    Given again after an interruption it goes on where it was. Exit 3 if clips failed.
    """
    from dubbench.core.ablation import Order, TrainOn
    from dubbench.core.plugins import factory
    from dubbench.core.spec import parse_spec
    from dubbench.datasets.roots import roots_of
    from dubbench.leaderboards.ablation.vary import Vary
    from dubbench.leaderboards.ablation.work import Bench, plan, same_as_before, work
    from dubbench.leaderboards.ablation.write import ablation_content, write
    from dubbench.pipeline.cell import Cell, Resources
    from dubbench.pipeline.store import slug
    from dubbench.runtime.files import held

    if dataset is None:
        limit, train_limit = limit or QUICK["limit"], train_limit or QUICK["train_limit"]
    name = dataset or "toon"
    learn = train_on or [name]
    roots = roots_of(root, *dict.fromkeys([name, *learn]))
    spec = parse_spec(system)
    what = "vary" if vary else slug(size or spec.name)
    folder = (out or Path("runs") / slug(f"ablation-{name}-{setting}-{what}")).absolute()
    cell = Cell(name, split, setting, limit, profile, 0, tuple(metric or ()))
    bench = Bench(cell, {k: v for k, v in roots.items() if k == name}, folder, Resources(workers, device, timeout))
    chosen = tuple(range(seeds))
    told: dict[str, Any] = {"cell": [name, str(roots.get(name, "")), split, setting, limit, profile, metric or []]}
    if vary:
        _alone(vary=True, row=row, size=size, steps=steps, set_=set_, option=option, checkpoint=checkpoint)
        recipe: Any = Vary(vary, base)
        told |= {"vary": vary, "base": base}
    else:
        if base or spec.args or spec.kwargs:
            raise DubbenchError(
                "--base and options of --system belong to --vary; what is trained takes --set, --option"
            )
        make = getattr(factory("systems", spec.name), "ablation", None)
        if make is None:
            raise DubbenchError(f"system {spec.name!r} declares no ablation; change its options with --vary")
        order = Order(
            folder=folder / "training",
            data=tuple(TrainOn(on, roots.get(on), train_split, train_limit) for on in learn),
            seeds=chosen,
            rows=tuple(row or ()),
            size=size,
            settings=tuple(set_ or ()),
            steps=steps,
            checkpoints=tuple((key, Path(path)) for key, path in _pairs("--checkpoint", checkpoint, many=True)),
            options=dict(_pairs("--option", option)),
            device=device,
            workers=workers,
        )
        recipe = make(order)
        train = [[on.dataset, str(on.root or ""), on.split, on.limit] for on in order.data]
        told |= {"system": spec.name, "size": size, "settings": set_ or [], "steps": steps, "train": train}
        told["options"] = dict(recipe.options)
    if dry_run:
        _show_plan(recipe, chosen, bench, as_json)
        return
    command = _command(roots)
    with held(folder):
        same_as_before(folder, told)
        left = [line.seconds for line in plan(recipe, chosen, bench, _clips(bench)) if not line.done]
        typer.echo(f"{len(left)} steps, about {about(sum(left))}; given again, it goes on where it was", err=True)

        def after(done: Sequence[int]) -> None:
            content = ablation_content(recipe, done, chosen, [bench.folder(seed) for seed in done], command)
            write(content, folder / "table", page)

        failures = work(recipe, chosen, bench, after)
    _end(folder / "table", "ablation", as_json, failures)


def sweep(
    system: SystemOption = "diflowdubber",
    nfe: Annotated[str, typer.Option(help="Function evaluations: 1,2,4,8. The same as --over nfe=1,2,4,8.")] = "",
    over: Annotated[str, typer.Option(metavar="OPTION=A,B,…", help="Any option of the system and its values.")] = "",
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: SplitOption = "test",
    limit: LimitOption = None,
    setting: SettingOption = "1.0",
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    page: PageOption = None,
    dry_run: DryOption = False,
    as_json: JsonOption = False,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
) -> None:
    """Quality and real-time factor over an option of a system, with a line through the latter (the paper's Table 4).

    Exit 3 if clips failed.
    """
    from dubbench.core.spec import parse_spec
    from dubbench.datasets.roots import roots_of
    from dubbench.leaderboards.ablation.sweep import specs
    from dubbench.leaderboards.ablation.vary import values
    from dubbench.leaderboards.ablation.work import TRUTH, Bench, run_specs, same_as_before
    from dubbench.leaderboards.ablation.write import sweep_content, write
    from dubbench.pipeline.cell import Cell, Resources
    from dubbench.pipeline.store import slug
    from dubbench.runtime.files import held

    if bool(nfe) == bool(over):
        raise DubbenchError("give --nfe 1,2,4,8, or --over OPTION=A,B,… for another option")
    option, mark, text = (over or f"nfe={nfe}").partition("=")
    if not mark or not option.strip():
        raise DubbenchError(f"--over {over}: write it as OPTION=A,B,…")
    if dataset is None:
        limit = limit or QUICK["limit"]
    name = dataset or "toon"
    roots = roots_of(root, name)
    spec = parse_spec(system)
    option = option.strip()
    swept = values(spec.name, option, "|".join(part.strip() for part in text.split(",")))
    made = specs(spec, option, swept)
    folder = (out or Path("runs") / slug(f"sweep-{name}-{setting}-{spec.name}-{option}")).absolute()
    cell = Cell(name, split, setting, limit, profile, 0, tuple(metric or ()))
    bench = Bench(cell, roots, folder, Resources(workers, device, timeout))
    if dry_run:
        _show_sweep(made, bench, as_json)
        return
    command = _command(roots)
    with held(folder):
        where = [name, str(roots.get(name, "")), split, setting, limit, profile, metric or []]
        same_as_before(folder, {"cell": where, "system": str(spec), "option": option})
        failures = run_specs([TRUTH, *made], cell, bench, folder / "run")
        write(sweep_content(spec, option, swept, folder / "run", command), folder / "table", page)
    _end(folder / "table", "sweep", as_json, failures)


def _alone(vary: bool, **others: Any) -> None:
    given = [f"--{key.strip('_')}" for key, value in others.items() if value]
    if vary and given:
        raise DubbenchError(f"--vary trains nothing: leave {', '.join(given)} out")


def _pairs(flag: str, texts: Sequence[str] | None, many: bool = False) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in texts or ():
        key, mark, value = text.partition("=")
        if not mark or not key or not value:
            raise DubbenchError(f"{flag} {text}: write it as NAME=VALUE")
        if not many and key in dict(pairs):
            raise DubbenchError(f"{flag} {key} is given twice")
        pairs.append((key, value))
    return pairs


def _command(roots: Mapping[str, Path]) -> str:
    """The command as it was given, a data set's name in the place of its folder."""
    words = ["dubbench", *sys.argv[1:]]
    for name, root in roots.items():
        folder = str(root)
        words = [word.removesuffix(folder) + name.upper() if word.endswith(folder) else word for word in words]
    return shlex.join(words)


def _clips(bench: Any) -> int:
    from dubbench.datasets.roots import open_dataset
    from dubbench.datasets.selection import select

    cell = bench.cell
    return len(select(open_dataset(cell.dataset, bench.roots), cell.split, cell.limit).clips)


def _show_plan(recipe: Any, seeds: Sequence[int], bench: Any, as_json: bool) -> None:
    from dubbench.leaderboards.ablation.work import plan

    lines = plan(recipe, seeds, bench, _clips(bench))
    total = sum(line.seconds for line in lines)
    if as_json:
        steps = [{"step": line.name, "done": line.done, "seconds": round(line.seconds, 1)} for line in lines]
        rows = [row.name for row in recipe.rows]
        told = {"title": recipe.title, "rows": rows, "options": dict(recipe.options), "steps": steps, "seconds": total}
        typer.echo(json.dumps(told, indent=1))
        return
    typer.echo(f"{recipe.title}: {len(recipe.rows)} rows, {len(seeds)} seeds, into {bench.out}")
    if recipe.options:
        typer.echo("options: " + ", ".join(f"{key}={value}" for key, value in recipe.options.items()))
    for line in lines:
        typer.echo(f"{'done' if line.done else about(line.seconds):>9}  {line.name}")
    typer.echo(f"{about(total):>9}  in all, about: training timed here just now, the rest by rough figures")


def _show_sweep(made: Sequence[Any], bench: Any, as_json: bool) -> None:
    from dubbench.leaderboards.ablation.work import dub_and_score_seconds

    clips = _clips(bench)
    seconds = dub_and_score_seconds(len(made) + 1, clips, bench.resources)
    if as_json:
        told = {"systems": {spec.label: str(spec) for spec in made}, "clips": clips, "seconds": seconds}
        typer.echo(json.dumps(told, indent=1))
        return
    for spec in made:
        typer.echo(f"{spec.label}: {spec}")
    typer.echo(f"{clips} clips each, about {about(seconds)} by rough figures, into {bench.out}")


def about(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _end(folder: Path, name: str, as_json: bool, failures: Mapping[str, int]) -> None:
    kind = "json" if as_json else "md"
    typer.echo((folder / f"{name}.{kind}").read_text("utf-8"))
    for reason, count in sorted(failures.items(), key=lambda pair: (-pair[1], pair[0]))[:10]:
        typer.echo(f"failed ({count}): {reason}", err=True)
    if not as_json:
        typer.echo(f"page: {folder / 'index.html'}")
    raise typer.Exit(3 if failures else 0)
