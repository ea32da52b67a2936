"""``dubbench mos``: listening tests with video."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from dubbench.cli.options import JsonOption, answer
from dubbench.errors import DubbenchError

mos_app = typer.Typer(
    help="Listening tests with video: export one, plan its size, analyse its answers, hold metrics against people.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders whose dubs are heard together.")]
Test = Annotated[Path, typer.Argument(metavar="TEST", help="The --out folder of dubbench mos export.")]
Answers = Annotated[
    list[Path],
    typer.Argument(metavar="ANSWERS...", help="Files of answers, folders of them, or tables with answer codes."),
]


@mos_app.command()
def export(
    runs: Runs,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the test.")],
    test: Annotated[
        list[str] | None, typer.Option("--test", "-t", help="mos-n, mos-s, mos-sync, cmos or ab; repeat. [mos-n]")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="paper: 20 listeners, 30 pages, mos-s in half points.")] = None,
    system: Annotated[
        list[str] | None,
        typer.Option("--system", "-s", help="A label of the run; repeat. [all that rank, the ground truth, anchors]"),
    ] = None,
    against: Annotated[str, typer.Option(metavar="LABEL", help="What cmos compares with [the ground truth].")] = "",
    listeners: Annotated[int | None, typer.Option(min=1, max=999, help="Blocks of pages, one a listener. [20]")] = None,
    pages: Annotated[int | None, typer.Option(min=1, help="Pages a listener rates in each test. [30, or all]")] = None,
    clips: Annotated[int | None, typer.Option(min=1, help="Clips that are heard, by lot. [as many as pages]")] = None,
    catches: Annotated[int, typer.Option(min=0, help="Catch trials a listener, on top, in each test.")] = 2,
    repeats: Annotated[int, typer.Option(min=0, help="Pages that a listener hears twice, on top, in each test.")] = 2,
    step: Annotated[float | None, typer.Option(help="Distance of two points of the scale: 1 or 0.5. [1]")] = None,
    lufs: Annotated[float, typer.Option(help="Loudness of all sounds.")] = -23.0,
    seed: Annotated[int, typer.Option(help="Of all lots; the same seed gives the same bytes.")] = 0,
    title: Annotated[str, typer.Option(help="What listeners see above the pages.")] = "Listening test",
    address: Annotated[
        str, typer.Option(metavar="URL", help="Where the page will lie, for crowd.csv.")
    ] = "https://example.org/index.html",
    collect: Annotated[str, typer.Option(metavar="URL", help="Where the page sends answers after every page.")] = "",
    webmushra: Annotated[bool, typer.Option("--webmushra", help="A configuration for webMUSHRA too.")] = False,
) -> None:
    """Make a blind listening test of the dubs of scored runs.

    OUT/page is what listeners see: open its index.html from disk, or put the folder on any web server. OUT/key.json
    says what every page showed: keep it to yourself. OUT/crowd.csv has an address for every block of pages.
    """
    from dubbench.leaderboards.listening.crowd import write_crowd
    from dubbench.leaderboards.listening.export import PRESETS, Wishes
    from dubbench.leaderboards.listening.export import export as make
    from dubbench.leaderboards.listening.key import Asked
    from dubbench.leaderboards.listening.page import write_page
    from dubbench.leaderboards.listening.webmushra import write_webmushra

    if preset is not None and preset not in PRESETS:
        raise DubbenchError(f"no preset {preset!r}; there is {', '.join(PRESETS)}")
    wishes = PRESETS[preset] if preset else Wishes((Asked(name="mos-n"),))
    tests = tuple(Asked(name=name) for name in dict.fromkeys(test or ())) or wishes.tests
    if step is not None:
        tests = tuple(asked.model_copy(update={"step": step}) for asked in tests)
    tests = tuple(a.model_copy(update={"against": against}) if a.name == "cmos" else a for a in tests)
    for asked in tests:
        _ = asked.protocol  # a wrong name is told before anything is read
    told = {"listeners": listeners, "pages": pages, "clips": clips}
    wishes = replace(wishes, tests=tests, **{name: value for name, value in told.items() if value is not None})  # type: ignore[arg-type]
    wishes = replace(wishes, systems=tuple(system or ()), catches=catches, repeats=repeats, lufs=lufs, seed=seed)
    key = make(_one_sheet(runs), replace(wishes, title=title), out)
    page = write_page(out / "page", key, collect)
    write_crowd(out, key, address)
    typer.echo(f"page: {page}")
    typer.echo(f"key: {out / 'key.json'} (keep it to yourself)")
    typer.echo(f"crowd: {out / 'crowd.csv'}")
    if webmushra:
        typer.echo(f"webMUSHRA: {write_webmushra(out / 'webmushra', key, out / 'page' / 'media')}")
    pages_ = {len(block) for block in key.blocks}
    typer.echo(f"{len(key.blocks)} listeners, {max(pages_)} pages each, {len(key.systems)} systems, {key.lufs:g} LUFS")
    for asked, reached in zip(key.tests, key.balance, strict=True):
        typer.echo(f"{asked.name}: " + "; ".join(f"{name} {low} to {high}" for name, (low, high) in reached.items()))
    for note in key.notes:
        typer.echo(f"note: {note}")


def _one_sheet(runs: list[Path]) -> Any:
    """The runs as one sheet.

    Raises:
        DubbenchError: they cannot be compared.
    """
    from dubbench.leaderboards.sheet import differences, sheets
    from dubbench.pipeline.store import read_run

    found = sheets([read_run(path) for path in runs])
    if len(found) > 1:
        raise DubbenchError(f"these runs cannot be heard together: {'; '.join(differences(found[0], found[1]))}")
    return found[0]


@mos_app.command()
def analyse(
    test: Test,
    answers: Answers,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="[default: TEST/analysis]")] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Write mos.csv into this run too, for its tables.")
    ] = None,
    missed: Annotated[int, typer.Option(min=0, help="Catch trials that a listener may fail.")] = 0,
    agreement: Annotated[
        float, typer.Option(min=-1, max=1, help="Least correlation of a listener with the others.")
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Screen listeners, and give means, preferences and differences with their intervals. Exit 3 if nothing is left."""
    from dubbench.leaderboards.listening.analysis import analyse as analysed
    from dubbench.leaderboards.listening.answers import collect
    from dubbench.leaderboards.listening.key import read_key
    from dubbench.leaderboards.listening.reading import read_answers
    from dubbench.leaderboards.listening.results import write_results
    from dubbench.leaderboards.listening.screening import Rules

    if run is not None and not (run / "run.json").is_file():
        raise DubbenchError(f"{run}: not a run folder (no run.json)")
    key = read_key(test)
    found, unread = read_answers(key, answers)
    collected = collect(key, found)
    collected.problems[:0] = unread
    result = analysed(key, collected, Rules(missed, agreement))
    folder = out or (test if test.is_dir() else test.parent) / "analysis"
    files = write_results(result, folder, run)
    rows = [
        {
            "column": r.column,
            "system": r.system,
            "value": _rounded(r.estimate.value),
            "low": _rounded(r.estimate.low),
            "high": _rounded(r.estimate.high),
            "n": r.estimate.n,
            "interval by": r.unit,
        }
        for r in result.ratings
    ]
    for problem in result.problems:
        typer.echo(f"dubbench: {problem}", err=True)
    for listener in result.listeners:
        if listener.why:
            typer.echo(f"dubbench: {listener.name} is left out: {listener.why}", err=True)
    _table(rows, as_json)
    if not as_json:
        typer.echo(f"{len(result.kept)} of {len(result.listeners)} listeners count")
        for path in files:
            typer.echo(f"wrote {path}")
    raise typer.Exit(0 if result.kept else 3)


def _table(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows as JSON, or as a table in which nothing is a dash."""
    answer(rows if as_json else [{k: "-" if v in (None, "") else v for k, v in row.items()} for row in rows], as_json)


def _rounded(x: float | None) -> float | None:
    return None if x is None else round(x, 3)


@mos_app.command()
def plan(
    within: Annotated[float, typer.Option(help="Half the 95 % interval that is wanted, in points.")] = 0.2,
    systems: Annotated[int, typer.Option(min=1, help="Systems in the test, hidden ones too.")] = 6,
    clips: Annotated[int, typer.Option(min=2, help="Clips.")] = 30,
    pages: Annotated[int, typer.Option(min=1, help="Pages a listener rates.")] = 30,
    pilot: Annotated[
        Path | None, typer.Option(metavar="TEST", help="A test whose --answers tell how votes vary.")
    ] = None,
    answers: Annotated[list[Path] | None, typer.Option(metavar="ANSWERS", help="The pilot's answers; repeat.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How many listeners give a mean, and a difference of two systems, within ± --within.

    Without a pilot the spread of votes is assumed: standard deviations of listeners 0.4, listeners by system 0.2, clips
    0.2, clips by system 0.2, the rest 0.8 points.
    """
    from dubbench.leaderboards.listening.power import Components, needed
    from dubbench.leaderboards.listening.power import plan as planned

    cases = {"assumed": Components()} if pilot is None else _components(pilot, answers or [])
    rows: list[dict[str, Any]] = []
    for name, parts in cases.items():
        for listeners in (5, 10, 15, 20, 30, 50, 100):
            p = planned(parts, listeners, systems, clips, pages)
            rows.append(
                {
                    "votes": name,
                    "listeners": listeners,
                    "votes a system": round(p.votes, 1),
                    "mean ±": round(p.mean, 3),
                    "difference ±": round(p.difference, 3),
                }
            )
    least: dict[str, int | None] = {}
    for name, parts in cases.items():
        for what in ("mean", "difference"):
            found = needed(parts, within, what, systems, clips, pages)
            least[f"{name}, {what}"] = found.listeners if found else None
    if as_json:
        answer(
            {"spread": {n: asdict(c) for n, c in cases.items()}, "plan": rows, "within": within, "needed": least}, True
        )
        return
    for name, parts in cases.items():
        spread = ", ".join(f"{part.replace('_', ' by ')} {sd:.2f}" for part, sd in asdict(parts).items())
        typer.echo(f"{name}: standard deviations {spread}")
    _table(rows, False)
    for what, count in least.items():
        need = f"{count} listeners" if count else f"no number of listeners with {clips} clips; take more clips"
        typer.echo(f"±{within:g} ({what}): {need}")


def _components(pilot: Path, answers: list[Path]) -> dict[str, Any]:
    """Spread of the votes of every rating column of a pilot."""
    from dubbench.leaderboards.listening.analysis import analyse as analysed
    from dubbench.leaderboards.listening.answers import collect
    from dubbench.leaderboards.listening.key import read_key
    from dubbench.leaderboards.listening.power import components
    from dubbench.leaderboards.listening.reading import read_answers
    from dubbench.leaderboards.listening.screening import Rules

    key = read_key(pilot)
    found, _ = read_answers(key, answers)
    result = analysed(key, collect(key, found), Rules())
    votes = [v for v in result.votes if v.listener in result.kept and not v.column.startswith("BT-")]
    out = {c: components([v for v in votes if v.column == c]) for c in dict.fromkeys(v.column for v in votes)}
    if not out:
        raise DubbenchError(f"{pilot}: no ratings in these answers; give --answers of mos-n, mos-s or mos-sync")
    return out


@mos_app.command()
def agree(
    runs: Runs,
    votes: Annotated[
        Path, typer.Option("--votes", metavar="CSV", help="votes.csv of mos analyse, or columns system, score, clip …")
    ],
    controls: Annotated[bool, typer.Option("--controls", help="Count controls as systems.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="CSV", help="Write the table there too.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Do metrics agree with people? Rank correlations and pairwise accuracy of every column against votes."""
    from dubbench.leaderboards.listening.agree import agreements
    from dubbench.leaderboards.listening.votes import read_opinions
    from dubbench.leaderboards.table import csv_text
    from dubbench.runtime.files import write_text

    opinions, problems = read_opinions(votes)
    for problem in problems:
        typer.echo(f"dubbench: {problem}", err=True)
    rows: list[dict[str, Any]] = []
    for a in agreements(_one_sheet(runs), opinions, controls):
        row: dict[str, Any] = {"votes": a.votes, "column": a.column, "over": a.level, "n": a.n}
        for name in ("spearman", "kendall", "accuracy"):
            e = getattr(a, name)
            row |= {name: _rounded(e.value), f"{name} low": _rounded(e.low), f"{name} high": _rounded(e.high)}
        rows.append(row)
    if not rows:
        raise DubbenchError("no column of these runs is scored on a clip that people voted on")
    if out is not None:
        lines = ([("" if x is None else str(x)) for x in row.values()] for row in rows)
        write_text(out, csv_text(tuple(rows[0]), lines))
    _table(rows, as_json)
