"""The verbs ``bundle``, ``verify`` and ``leaderboard``: runs that are sent, checked and shown together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dubbench.cli.options import DeviceOption, JsonOption, RootOption, TimeoutOption, VoicesOption, WorkersOption


def bundle(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A scored run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="[default: RUN.dubs.zip beside the run]")
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Keep the controls; some dubs are the data set's sound.")
    ] = True,
) -> None:
    """Pack a run into one file for somebody else: manifest, dubs, scores, and a digest of each. No private path."""
    from dubbench.leaderboards.submissions.pack import bundle as pack

    path = run.absolute()
    file = out or path.with_name(f"{path.name}.dubs.zip")
    contents = pack(run, file, controls)
    typer.echo(f"{file}: bundle {contents.digest}, {len(contents.parts)} parts; next: dubbench verify {file}")


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file that bundle made.")],
    root: RootOption = None,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to score again, drawn by lot.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the lot; choose one that the sender does not know.")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write the report as JSON.")
    ] = None,
    voices: VoicesOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "auto",
    timeout: TimeoutOption = 600.0,
    json: JsonOption = False,
) -> None:
    """Check a bundle: its digests, and whether its numbers come out again on a sample of clips. Exit 3 if not.

    Needs the data set of the run (--root). Nothing in the bundle is run, and nothing is written outside a temporary
    folder. A report at BUNDLE.verified.json is shown by leaderboard.
    """
    from dubbench.cli.listing import to_json
    from dubbench.leaderboards.submissions.verify import told
    from dubbench.leaderboards.submissions.verify import verify as check
    from dubbench.pipeline.cell import Resources
    from dubbench.runtime.containment import printable
    from dubbench.runtime.files import write_text

    report = check(bundle, root or [], Resources(workers, device, timeout), clips, seed, voices)
    if out is not None:
        write_text(out, to_json(report.as_dict()) + "\n")
    typer.echo(to_json(report.as_dict()) if json else printable("\n".join(told(report))))
    raise typer.Exit(0 if report.verdict == "holds" else 3)


def leaderboard(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of bundles.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="[default: FOLDER/leaderboard]")
    ] = None,
    players: Annotated[int, typer.Option(min=0, help="Most clips that can be heard on the page.")] = 6,
) -> None:
    """Make a static board of all bundles in a folder; any page host can serve it. Run again when the folder changes.

    A bundle that is refused is named on the board with the reason. Exit 3 if there was one.
    """
    from dubbench.leaderboards.submissions.gallery import gallery
    from dubbench.runtime.containment import printable

    page, refused = gallery(folder, out or folder / "leaderboard", players)
    for line in refused:
        typer.echo(printable(f"refused: {line}"), err=True)
    typer.echo(f"leaderboard: {page}")
    raise typer.Exit(3 if refused else 0)
