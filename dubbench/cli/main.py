"""The command line: one function a verb; heavy imports inside, so that ``dubbench --help`` is instant."""

from __future__ import annotations

import errno
import io
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import dubbench
from dubbench.cli.assets import assets_app
from dubbench.cli.data import data_app
from dubbench.cli.options import (
    Clips,
    LimitOption,
    MetricOption,
    OutOption,
    ProfileOption,
    SeedOption,
    SystemOption,
    Voices,
    Work,
)
from dubbench.cli.show import doctor, metrics, systems
from dubbench.cli.verbs import Verbs
from dubbench.core.spec import parse_spec
from dubbench.datasets.roots import roots_of
from dubbench.errors import DubbenchError
from dubbench.runtime.containment import printable
from dubbench.runtime.option_groups import grouped
from dubbench.runtime.spelling import did_you_mean

if TYPE_CHECKING:
    from dubbench.pipeline.cell import Cell

app = typer.Typer(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="dubbench: the benchmark for video dubbing.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(data_app, name="data")
app.add_typer(assets_app, name="assets")
for verb in (systems, metrics, doctor):
    app.command()(verb)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"dubbench {dubbench.__version__}")
        raise typer.Exit()


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """dubbench: the benchmark for video dubbing."""


DEFAULT_SYSTEMS = (
    "codec_copy",
    "delay",
    "another_clip",
    "shuffled",
    "silence",
    "noise",
    "espeak_meanspan",
    "espeak_lipspan",
    "diflowdubber",
)


@app.command()
@grouped
def run(
    system: SystemOption = None,
    *,
    clips: Clips,
    limit: LimitOption = None,
    suite: Annotated[str | None, typer.Option(help="paper: Chem and GRID under 1.0 and 2.0; quick: embedded.")] = None,
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    work: Work,
    voices: Voices,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the I-th of N parts of the clips; then: dubbench merge RUN.")
    ] = None,
) -> None:
    """Dub, score and make a board. Given again after an interruption, it goes on where it was.

    Without --system: the controls, both espeak baselines and diflowdubber. The ground truth is always a row. Exit 3 if
    clips failed, or cells of a suite are missing, and the board was written.
    """
    from dubbench.api.run_to_board import default_folder, run_cell, run_suite, show, suite_cells, with_truth
    from dubbench.pipeline.cell import parse_shard

    if suite and shard:
        raise DubbenchError("--shard belongs to one data set under one setting; leave --suite out")
    if suite and (voices.pairing or voices.voices):
        raise DubbenchError("--pairing and --voices belong to one data set under one setting; leave --suite out")
    specs = with_truth([parse_spec(text) for text in system or DEFAULT_SYSTEMS])
    cell = _cell(clips, voices, limit, profile, seed, metric)
    resources = replace(work.resources, shard=parse_shard(shard) if shard else None)
    if suite:
        roots = roots_of(clips.root, *dict.fromkeys(name for name, _ in suite_cells(suite)))
        outcome = run_suite(suite, cell, roots, specs, out or Path("runs") / suite, resources)
    else:
        roots = roots_of(clips.root, clips.dataset)
        out = out or default_folder(cell, roots)
        outcome = run_cell(cell, roots, specs, out, resources)
    show(outcome)
    if shard:
        typer.echo(f"shard {shard} is done; after the last one: dubbench merge {out}")
    raise typer.Exit(3 if outcome.failed or outcome.missing else 0)


def _cell(
    clips: Clips, voices: Voices, limit: int | None, profile: str, seed: int = 0, metric: list[str] | None = None
) -> Cell:
    from dubbench.pipeline.cell import Cell

    names = tuple(metric or ())
    return Cell(clips.dataset, clips.split, clips.setting, limit, profile, seed, names, voices.voices, voices.pairing)


@app.command()
@grouped
def synth(
    system: SystemOption = None,
    *,
    clips: Clips,
    limit: LimitOption = None,
    profile: Annotated[str, typer.Option(help="Set of metric recipes for the later 'dubbench score RUN'.")] = "offline",
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="Only this metric in 'dubbench score RUN'; repeat.")
    ] = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    work: Work,
    voices: Voices,
) -> None:
    """Only dub: the first step of run. Score it later with: dubbench score RUN."""
    from dubbench.api.run_to_board import default_folder, synth_cell, with_truth

    cell = _cell(clips, voices, limit, profile, seed, metric)
    roots = roots_of(clips.root, clips.dataset)
    folder = out or default_folder(cell, roots)
    specs = with_truth([parse_spec(text) for text in system or DEFAULT_SYSTEMS])
    manifest, rows = synth_cell(cell, roots, specs, folder, work.resources)
    failed = sum(1 for row in rows if row.reason)
    for clip, what in manifest.rejected:
        typer.echo(f"no clip: {clip}: {what}", err=True)
    typer.echo(f"{len(rows) - failed} of {len(rows)} dubs are in {folder}; next: dubbench score {folder}")
    raise typer.Exit(3 if failed or manifest.rejected else 0)


@app.command()
@grouped
def score(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="[RUN]...", help="Run folders made by synth.")] = None,
    dubs: Annotated[Path | None, typer.Option(metavar="DIR", help="A folder of finished wavs instead.")] = None,
    rule: Annotated[str, typer.Option(help="File name of a clip's dub, e.g. 'wav_pred_{id}.wav'.")] = "auto",
    label: Annotated[str | None, typer.Option(help="Name of the system [default: the folder's name].")] = None,
    *,
    clips: Clips,
    limit: LimitOption = None,
    profile: Annotated[
        str | None, typer.Option(help="Set of metric recipes [default: the run's own; offline with --dubs].")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help="RUN: add this metric; --dubs: only this one; repeat.")
    ] = None,
    out: OutOption = None,
    work: Work,
    voices: Voices,
) -> None:
    """Score runs, or a folder of wavs (--dubs), and make a board.

    For a run, -m and --profile add metrics or replace those of the same column; its other columns stay.
    """
    from dubbench.api.run_to_board import default_folder, rescore, run_cell, show, with_truth
    from dubbench.core.spec import Spec

    if (dubs is None) == (not runs):
        raise DubbenchError("give run folders, or --dubs FOLDER with --dataset and --setting")
    if dubs is None:
        outcome = rescore(runs or [], profile or "", tuple(metric or ()), out, work.resources)
    else:
        cell = _cell(clips, voices, limit, profile or "offline", metric=metric)
        spec = Spec("precomputed", (str(dubs.resolve()),), (("rule", rule),), label or dubs.resolve().name)
        roots = roots_of(clips.root, clips.dataset)
        outcome = run_cell(cell, roots, with_truth([spec]), out or default_folder(cell, roots), work.resources)
    show(outcome)
    raise typer.Exit(3 if outcome.failed else 0)


@app.command()
def board(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, joined on one board.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="[default: RUN/board]")] = None,
    one_file: Annotated[
        bool, typer.Option("--one-file", help="One HTML file to send, without private paths [RUN/board.html].")
    ] = False,
    zip: Annotated[
        bool, typer.Option("--zip", help="The board's folder as a zip, without private paths [RUN/board.zip].")
    ] = False,
) -> None:
    """Make a board from scored runs. Rows rank together only where they can be compared."""
    from dubbench.api.run_to_board import Outcome, join, show

    if one_file or zip:
        from dubbench.leaderboards.submissions import export
        from dubbench.pipeline.store import read_run

        if one_file and zip:
            raise DubbenchError("--one-file and --zip: give one of them at a time")
        make, name = (export.one_file, "board.html") if one_file else (export.zipped, "board.zip")
        typer.echo(f"board: {make([read_run(run) for run in runs], out or runs[0] / name)}")
        return
    show(Outcome(join(runs, out), 0))


@app.command()
@grouped
def validity(
    *,
    clips: Clips,
    limit: LimitOption = 100,
    profile: ProfileOption = "offline",
    metric: MetricOption = None,
    out: OutOption = None,
    page: Annotated[Path, typer.Option(help="The page to write.")] = Path("validity.md"),
    work: Work,
) -> None:
    """Test every metric on every control and graded damage; write the page. Exit 3 if a declared effect fails."""
    from dubbench.api.run_to_board import data_name, validate
    from dubbench.pipeline.store import slug

    cell = _cell(clips, Voices(), limit, profile, metric=metric)
    roots = roots_of(clips.root, clips.dataset)
    folder = out or Path("runs") / slug(f"validity-{data_name(clips.dataset, roots)}")
    broken = validate(cell, roots, folder, page, work.resources)
    typer.echo(f"page: {page}")
    raise typer.Exit(3 if broken else 0)


USAGE_ERROR = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""The exception of typer for a mistake on the command line: its own click's or the package click's, by version."""


_PLACE = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG}
"""Errors of the operating system that come again as long as the place is the same."""


def main() -> None:
    """Entry point: one line for what a user can mend, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal or pipe cannot show is replaced, and no error
            stream.reconfigure(errors="replace")
    code: object = 0
    ended = _signals()
    try:
        code = app(standalone_mode=False, prog_name="dubbench")
    except DubbenchError as error:
        _fail(str(error), 2)
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        todo = "give another place" if error.errno in _PLACE else "the same command goes on from here"
        _fail(f"{place}{error.strerror or error}; what was done is kept, {todo}", 2)
    except Exception as error:
        if not isinstance(error, USAGE_ERROR):
            raise
        _usage(error)
    if code == 130:  # typer answers Ctrl-C with this code itself
        how, code = (f"ended by {ended[0].name}", 128 + ended[0]) if ended else ("interrupted", 130)
        _fail(f"{how}; nothing is lost, the same command goes on from here", code)
    sys.exit(code if isinstance(code, int) else 0)


def _signals() -> list[signal.Signals]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does; the list holds the one that came."""
    came: list[signal.Signals] = []

    def end(number: int, _: object) -> NoReturn:
        came.append(signal.Signals(number))
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # not where nohup has it ignored
            signal.signal(number, end)
    return came


def _usage(error: Any) -> NoReturn:
    """A mistake on the command line: one line with what was probably meant. A verb without arguments shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        sys.exit(2)
    ctx = getattr(error, "ctx", None)
    where = ctx.command_path if ctx is not None else "dubbench"
    text = " ".join(error.format_message().split())
    if ctx is not None and (unknown := re.fullmatch(r"No such command '([^']*)'\.?", text)):
        text = text.rstrip(".") + (did_you_mean(unknown[1], ctx.command.list_commands(ctx)) or ".")
    _fail(f"{text}{'' if text.endswith(('.', '?')) else '.'} See: {where} --help", 2)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"dubbench: {printable(message)}", err=True)
    sys.exit(code)
