"""``dubbench figures``: a paper's figures from runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubbench.cli.options import DeviceOption
from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from dubbench.leaderboards.paper.build import Slot
    from dubbench.leaderboards.sheet import Sheet

figures_app = typer.Typer(
    help="Draw a paper's figures as PDF, SVG or PNG.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Scored run folders.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Ends in .pdf, .svg or .png.")]
ClipOption = Annotated[str | None, typer.Option(help="Id of the clip [default: the run's first].")]
SystemsOption = Annotated[
    list[str] | None, typer.Option("--system", "-s", metavar="LABEL", help="Only this system; repeat.")
]
ColumnsOption = Annotated[list[str] | None, typer.Option("--column", "-c", help="Only this column; repeat.")]


@figures_app.command()
def mel(
    runs: RunsArgument,
    out: OutOption,
    clip: ClipOption = None,
    system: SystemsOption = None,
    box: Annotated[
        list[str] | None, typer.Option(metavar="[SYSTEM=]START-END[@LOW-HIGH]", help="Red box, seconds and Hz; repeat.")
    ] = None,
    auto_box: Annotated[
        bool, typer.Option("--auto-box", help="A box where each dub differs most from the ground truth.")
    ] = False,
    pitch: Annotated[bool, typer.Option(help="Draw F0.")] = True,
) -> None:
    """Mel spectra of ground truth and dubs of one clip, with F0 and boxes (the paper's figures 3 and 6)."""
    from dubbench.leaderboards.paper.figures.mel import draw, parse_box
    from dubbench.leaderboards.paper.figures.voices import heard

    boxes = [parse_box(text) for text in box or []]
    sheet = _sheet(runs)
    found = heard(sheet, _clip(sheet, clip), system or [])
    draw(found, boxes, out, auto_box, pitch)
    _done(out, found.problems)


@figures_app.command()
def warp(runs: RunsArgument, out: OutOption, system: SystemsOption = None, clip: ClipOption = None) -> None:
    """How a dub's time runs against the lips' time (the path behind the column align-ms)."""
    from dubbench.leaderboards.paper.figures.voices import heard
    from dubbench.leaderboards.paper.figures.warp import draw

    sheet = _sheet(runs)
    found = heard(sheet, _clip(sheet, clip), system or [])
    _done(out, draw(found, out))


@figures_app.command()
def intervals(runs: RunsArgument, out: OutOption, column: ColumnsOption = None) -> None:
    """Every system's value with its interval, a panel a column."""
    from dubbench.leaderboards.paper.figures import numbers

    slot = _slot(runs)
    numbers.intervals(slot, numbers.chosen(slot, column or []), out)
    _done(out)


@figures_app.command()
def pareto(
    runs: RunsArgument, out: OutOption, column: Annotated[str, typer.Option("--column", "-c", help="The quality.")]
) -> None:
    """Quality against RTF, with the front of systems that none beats in both."""
    from dubbench.leaderboards.paper.figures import numbers

    slot = _slot(runs)
    numbers.pareto(slot, numbers.chosen(slot, [column])[0], out)
    _done(out)


@figures_app.command()
def nfe(runs: RunsArgument, out: OutOption, column: ColumnsOption = None) -> None:
    """Quality and RTF by the number of function evaluations."""
    from dubbench.leaderboards.paper.figures import numbers

    slot = _slot(runs)
    numbers.by_nfe(slot, numbers.chosen(slot, column or []), out)
    _done(out)


@figures_app.command()
def attention(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Talking-face video.")],
    text: Annotated[str, typer.Option(help="The sentence.")],
    reference: Annotated[Path, typer.Option(help="Recording of the voice.")],
    out: OutOption,
    system: Annotated[str, typer.Option("--system", "-s", metavar="SPEC", help="A diflowdubber.")] = "diflowdubber",
    device: DeviceOption = "auto",
) -> None:
    """DiFlowDubber's attention between video, speech and phonemes on one clip (the paper's figure 5)."""
    import tempfile

    from dubbench.core.request import DubRequest
    from dubbench.core.spec import parse_spec
    from dubbench.leaderboards.paper.figures.attention import draw
    from dubbench.pipeline.components import make_system
    from dubbench.runtime.device import resolve_device
    from dubbench.signal.media import probe, read_audio, silent_copy, write_wav
    from dubbench.systems.diflowdubber.attention import attention as maps
    from dubbench.systems.diflowdubber.system import DiFlowDubber

    made = make_system(parse_spec(system))
    if not isinstance(made, DiFlowDubber):
        raise DubbenchError(f"{system}: attention maps are known of diflowdubber alone; give -s 'diflowdubber(…)'")
    about = probe(video)
    with tempfile.TemporaryDirectory(prefix="dubbench-") as folder:
        silent, voice = Path(folder) / "silent.mkv", Path(folder) / "reference.wav"
        silent_copy(video, silent)
        write_wav(voice, read_audio(reference), 16000)
        try:
            made.load(resolve_device(device))
            found = maps(made, DubRequest("clip", silent, text, voice, about.duration, about.fps, 0))
        finally:
            made.close()
    draw(found.phones, found.video_text, found.speech_text, out)
    _done(out)


def _sheet(runs: list[Path]) -> Sheet:
    """The one sheet of runs that can be compared."""
    from dubbench.leaderboards.paper.build import apart
    from dubbench.leaderboards.paper.write import opened

    sheets, problems = opened(runs)
    for line in problems:
        typer.echo(f"left out: {line}", err=True)
    if not sheets:
        raise DubbenchError("; ".join(problems))
    if len(sheets) > 1:
        why = "; ".join(apart(sheets)) or " / ".join(sheet.title for sheet in sheets)
        raise DubbenchError(f"these runs cannot stand in one figure: {why}; draw one for each")
    return sheets[0]


def _slot(runs: list[Path]) -> Slot:
    from dubbench.leaderboards.paper.build import Slot

    return Slot(_sheet(runs))


def _clip(sheet: Sheet, asked: str | None) -> str:
    return asked or next((clip.id for clip in sheet.clips if not clip.problem), sheet.clips[0].id)


def _done(out: Path, problems: tuple[str, ...] = ()) -> None:
    for line in problems:
        typer.echo(f"left out: {line}", err=True)
    typer.echo(out)
    raise typer.Exit(3 if problems else 0)
