"""The command line: one function a verb; heavy imports inside, so that ``dubbench --help`` is instant."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import click
import typer

from dubbench.errors import DubbenchError
from dubbench.train_cli import codec_app, dub, train_app

app = typer.Typer(
    help="dubbench: the benchmark for video dubbing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Data sets: list, show, check, prepare, download.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(codec_app, name="codec")
app.command()(dub)

SystemOption = Annotated[
    list[str] | None,
    typer.Option(
        "--system", "-s", metavar="SPEC", help="name, name(key=value) or label=name(…); repeat. See: dubbench systems"
    ),
]
DatasetOption = Annotated[str, typer.Option(help="Data set. See: dubbench data list")]
RootOption = Annotated[
    list[str] | None, typer.Option(metavar="DIR", help="Where the data set lies; NAME=DIR, repeated, for suites.")
]
SettingOption = Annotated[
    str, typer.Option(help="1.0: reference is the clip itself; 2.0: same speaker; 3.0: --voices.")
]
SplitOption = Annotated[str, typer.Option(help="test, all, another split of the data set, or a file of clip ids.")]
LimitOption = Annotated[int | None, typer.Option(min=1, help="At most this many clips, spread over the split.")]
ProfileOption = Annotated[str, typer.Option(help="Set of metric recipes: offline needs no download.")]
MetricOption = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this metric; repeat.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Run folder [default: runs/…].")]
SeedOption = Annotated[int, typer.Option(help="Seed of all systems.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Scoring processes; 0: one a core.")]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
TimeoutOption = Annotated[float, typer.Option(min=1, help="Seconds after which one clip counts as hung.")]
VoicesOption = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of reference wavs for Setting 3.0.")]
PairingOption = Annotated[Path | None, typer.Option(metavar="CSV", help="Pairing table from elsewhere.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_SYSTEMS = (
    "delay",
    "another_clip",
    "shuffled",
    "silence",
    "noise",
    "espeak-meanspan",
    "espeak-lipspan",
)


@app.command()
def run(
    system: SystemOption = None,
    dataset: DatasetOption = "toon",
    root: RootOption = None,
    setting: SettingOption = "2.0",
    split: SplitOption = "test",
    limit: LimitOption = None,
    suite: Annotated[str | None, typer.Option(help="paper: Chem and GRID under 1.0 and 2.0; quick: embedded.")] = None,
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
    voices: VoicesOption = None,
    pairing: PairingOption = None,
) -> None:
    """Dub, score and make a board. Given again after an interruption, it goes on where it was.

    Without --system: the controls and both espeak baselines. The ground truth is always a row.
    """
    from dubbench.bench import Cell, Machine
    from dubbench.main_job import run_cell, run_suite, show

    specs = _with_truth(system or DEFAULT_SYSTEMS)
    machine = Machine(workers or os.cpu_count() or 1, device, timeout)
    cell = Cell(dataset, split, setting, limit, profile, seed, tuple(metric or ()), voices, pairing)
    roots = _roots(root, dataset)
    if suite:
        outcome = run_suite(suite, cell, roots, specs, out or Path("runs") / suite, machine)
    else:
        outcome = run_cell(cell, roots, specs, out or _default_out(cell), machine)
    show(outcome)
    raise typer.Exit(3 if outcome.failed else 0)


@app.command()
def synth(
    system: SystemOption = None,
    dataset: DatasetOption = "toon",
    root: RootOption = None,
    setting: SettingOption = "2.0",
    split: SplitOption = "test",
    limit: LimitOption = None,
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
    voices: VoicesOption = None,
    pairing: PairingOption = None,
) -> None:
    """Only dub: the first step of run. Score it later with: dubbench score RUN."""
    from dubbench import bench
    from dubbench.main_job import open_dataset

    cell = bench.Cell(dataset, split, setting, limit, profile, seed, tuple(metric or ()), voices, pairing)
    folder = out or _default_out(cell)
    machine = bench.Machine(workers or os.cpu_count() or 1, device, timeout)
    data = open_dataset(dataset, _roots(root, dataset))
    manifest = bench.plan(data, cell, _with_truth(system or DEFAULT_SYSTEMS), folder, machine)
    rows = bench.synth(folder, manifest, machine)
    failed = sum(1 for row in rows if row.reason)
    typer.echo(f"{len(rows) - failed} of {len(rows)} dubs are in {folder}; next: dubbench score {folder}")
    raise typer.Exit(3 if failed else 0)


@app.command()
def score(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN]...", help="Run folders made by synth.")] = None,
    dubs: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of finished wavs instead.")] = None,
    rule: Annotated[str, typer.Option(help="File name of a clip's dub, e.g. 'wav_pred_{id}.wav'.")] = "auto",
    label: Annotated[str | None, typer.Option(help="Name of the system [default: the folder's name].")] = None,
    dataset: DatasetOption = "toon",
    root: RootOption = None,
    setting: SettingOption = "2.0",
    split: SplitOption = "test",
    limit: LimitOption = None,
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
    voices: VoicesOption = None,
    pairing: PairingOption = None,
) -> None:
    """Score runs, or a folder of wavs (--dubs), and make a board."""
    from dubbench import bench
    from dubbench.main_job import rescore, run_cell, show
    from dubbench.registry import Spec

    machine = bench.Machine(workers or os.cpu_count() or 1, device, timeout)
    if (dubs is None) == (not runs):
        raise DubbenchError("give run folders, or --dubs FOLDER with --dataset and --setting")
    if dubs is None:
        outcome = rescore(runs or [], profile, tuple(metric or ()), out, machine)
    else:
        cell = bench.Cell(dataset, split, setting, limit, profile, 0, tuple(metric or ()), voices, pairing)
        spec = Spec("precomputed", (str(dubs.resolve()),), (("rule", rule),), label or dubs.resolve().name)
        outcome = run_cell(cell, _roots(root, dataset), [*_with_truth(()), spec], out or _default_out(cell), machine)
    show(outcome)
    raise typer.Exit(3 if outcome.failed else 0)


@app.command()
def board(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, joined on one board.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="[default: RUN/board]")] = None,
) -> None:
    """Make a board from scored runs. Rows rank together only where they can be compared."""
    from dubbench.leaderboards.board import write_board
    from dubbench.store import read_run

    page = write_board([read_run(path) for path in runs], out or runs[0] / "board")
    typer.echo(f"board: {page}")


@app.command()
def systems(name: Annotated[str | None, typer.Argument(help="Show one.")] = None, json: JsonOption = False) -> None:
    """List the systems, or show one."""
    from dubbench.listing import list_systems, show_system

    _print(show_system(name) if name else list_systems(), json)


@app.command()
def metrics(
    name: Annotated[str | None, typer.Argument(help="Show one: its recipe, columns and signature.")] = None,
    json: JsonOption = False,
) -> None:
    """List the metrics, or show one."""
    from dubbench.listing import list_metrics, show_metric

    _print(show_metric(name) if name else list_metrics(), json)


@app.command()
def doctor(json: JsonOption = False) -> None:
    """Say what works here, what is missing, and the command that brings it."""
    from dubbench.listing import examine

    rows = examine()
    _print(rows, json)
    raise typer.Exit(0 if all(row["state"] == "ok" for row in rows) else 1)


@app.command()
def validity(
    dataset: DatasetOption = "toon",
    root: RootOption = None,
    setting: SettingOption = "2.0",
    split: SplitOption = "test",
    limit: LimitOption = 100,
    out: OutOption = None,
    page: Annotated[Path, typer.Option(help="The page to write.")] = Path("validity.md"),
    workers: WorkersOption = 0,
    timeout: TimeoutOption = 600.0,
) -> None:
    """Hold every metric against every control and graded damage; write the page. Exit 3 if one fails its word."""
    from dubbench import bench
    from dubbench.main_job import validate

    cell = bench.Cell(dataset, split, setting, limit)
    machine = bench.Machine(workers or os.cpu_count() or 1, "cpu", timeout)
    broken = validate(cell, _roots(root, dataset), out or Path("runs") / f"validity-{dataset}", page, machine)
    typer.echo(f"page: {page}")
    raise typer.Exit(3 if broken else 0)


@data_app.command("list")
def data_list(json: JsonOption = False) -> None:
    """List the data sets."""
    from dubbench.listing import list_datasets

    _print(list_datasets(), json)


@data_app.command("show")
def data_show(
    dataset: Annotated[str, typer.Argument()] = "toon", root: RootOption = None, json: JsonOption = False
) -> None:
    """Show one data set: what it is, and what of it is here."""
    from dubbench.listing import show_dataset
    from dubbench.main_job import open_dataset

    _print(show_dataset(dataset, open_dataset, _roots(root, dataset)), json)


@data_app.command("check")
def data_check(
    dataset: Annotated[str, typer.Argument()] = "toon",
    root: RootOption = None,
    split: SplitOption = "all",
    workers: WorkersOption = 0,
    json: JsonOption = False,
) -> None:
    """Open every clip and report, a line each, what is wrong. Exit 3 if anything is."""
    from dubbench.listing import check_dataset
    from dubbench.main_job import open_dataset

    data = open_dataset(dataset, _roots(root, dataset))
    report, problems = check_dataset(data, split, workers or os.cpu_count() or 1)
    _print(report, json)
    raise typer.Exit(3 if problems else 0)


@data_app.command("prepare")
def data_prepare(
    dataset: Annotated[str, typer.Argument(help="toon: make it; chem: cut sentence clips out of lectures.")] = "toon",
    root: Annotated[Path | None, typer.Option(help="Where the prepared data set goes.")] = None,
    source: Annotated[Path | None, typer.Option(help="chem: folder with intervals/<id>/cut-N.mp4 or videos/.")] = None,
    table: Annotated[Path | None, typer.Option(help="chem: CSV, TSV or JSONL with id, start, end, text.")] = None,
    workers: WorkersOption = 0,
) -> None:
    """Make a data set ready: the embedded corpus, or Chem's sentence clips. Goes on where it was."""
    from dubbench.listing import prepare_dataset

    problems = prepare_dataset(dataset, root, source, table, workers or os.cpu_count() or 1)
    for problem in problems:
        typer.echo(f"{problem.clip}: {problem.what}", err=True)
    raise typer.Exit(3 if problems else 0)


@data_app.command("download")
def data_download(
    dataset: Annotated[str, typer.Argument(help="grid, or chem (lists and instructions).")],
    root: Annotated[Path | None, typer.Option(help="Where it goes [default: the data set's usual place].")] = None,
    speaker: Annotated[list[str] | None, typer.Option(help="grid: only this speaker; repeat.")] = None,
) -> None:
    """Fetch a data set; the licence and the sizes are said first. Goes on where it was."""
    from dubbench.listing import download_dataset

    download_dataset(dataset, root, speaker)


def _with_truth(texts: Any) -> list[Any]:
    from dubbench.registry import parse_spec

    specs = [parse_spec(text) for text in texts]
    return specs if any(spec.name == "ground_truth" for spec in specs) else [parse_spec("ground_truth"), *specs]


def _roots(values: list[str] | None, dataset: str) -> dict[str, Path]:
    """``--root DIR`` belongs to ``dataset``; ``--root NAME=DIR`` says whose it is."""
    roots: dict[str, Path] = {}
    for value in values or []:
        name, mark, folder = value.partition("=")
        if mark and not Path(value).exists():
            roots[name] = Path(folder).expanduser()
        else:
            roots[dataset] = Path(value).expanduser()
    return roots


def _default_out(cell: Any) -> Path:
    from dubbench.store import slug

    limit = f"-{cell.limit}" if cell.limit else ""
    return Path("runs") / slug(f"{cell.dataset}-{Path(cell.split).stem}{limit}-{cell.setting}-{cell.profile}")


def _print(value: Any, as_json: bool) -> None:
    from dubbench.listing import to_json, to_text

    typer.echo(to_json(value) if as_json else to_text(value))


def main() -> None:
    """Entry point: one line for what a user can mend, 130 for Ctrl-C."""
    try:
        code = app(standalone_mode=False)
    except DubbenchError as error:
        _fail(str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; nothing is lost, the same command goes on from here", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror or error}; what was done is kept, the same command goes on from here", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"dubbench: {message}", err=True)
    sys.exit(code)
