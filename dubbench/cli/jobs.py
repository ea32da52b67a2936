"""The verbs' work: cells and suites from data to board."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from dubbench.core.spec import Spec, parse_spec
from dubbench.datasets.base import Dataset
from dubbench.datasets.roots import open_dataset
from dubbench.errors import DubbenchError
from dubbench.pipeline import score_step
from dubbench.pipeline.plan import Cell, Machine, metric_entries, plan
from dubbench.pipeline.store import (
    DubRow,
    Manifest,
    MetricEntry,
    ScoreRow,
    read_manifest,
    read_run,
    slug,
    write_manifest,
)
from dubbench.runtime.device import resolve_device
from dubbench.runtime.files import held

Result = tuple[Manifest, list[DubRow], list[ScoreRow]]

SUITES: dict[str, tuple[tuple[str, str], ...]] = {
    "paper": (("chem", "1.0"), ("chem", "2.0"), ("grid", "1.0"), ("grid", "2.0")),
    "quick": (("toon", "1.0"), ("toon", "2.0")),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a verb.

    Attributes:
        page: the board.
        failed: how many (system, clip) have no dub or had a metric break on them, and rows that could not become clips.
        reasons: (reason, count), the most frequent first.
        missing: cells of a suite that could not be run, and why.
    """

    page: Path | None
    failed: int
    reasons: tuple[tuple[str, int], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def run_cell(cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine) -> Outcome:
    """Plan, dub, score, board."""
    out = out.absolute()  # a system or metric may change the working folder
    with _cell_held(cell, roots, out) as data:
        return _finish([out], out / "board", [_work(data, cell, specs, out, machine)])


def run_suite(
    name: str, cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine
) -> Outcome:
    """Every cell of a suite that can be run, on one board; the others are listed as missing, with the reason.

    Raises:
        DubbenchError: unknown suite, or no cell can be run.
    """
    done: list[Path] = []
    results: list[Result] = []
    missing: list[str] = []
    out = out.absolute()
    cells = [replace(cell, dataset=dataset, setting=setting) for dataset, setting in suite_cells(name)]
    with held(out):
        for part in cells:
            folder = out / slug(f"{part.dataset}-{part.setting}")
            try:
                with _cell_held(part, roots, folder) as data:
                    results.append(_work(data, part, specs, folder, machine))
                done.append(folder)
            except DubbenchError as error:
                missing.append(f"{part.dataset} {part.setting}: {error}")
        if not done:
            raise DubbenchError(f"suite {name}: no cell can be run; " + "; ".join(dict.fromkeys(missing)))
        return replace(_finish(done, out / "board", results, missing), missing=tuple(missing))


def suite_cells(name: str) -> tuple[tuple[str, str], ...]:
    """The (data set, setting) cells of a suite.

    Raises:
        DubbenchError: unknown suite.
    """
    if name not in SUITES:
        raise DubbenchError(f"no suite named {name!r}; there are {', '.join(SUITES)}")
    return SUITES[name]


@contextmanager
def _cell_held(cell: Cell, roots: dict[str, Path], out: Path) -> Iterator[Dataset]:
    """A cell's data set, and its run folder held for us: until the board is written, where that lies in it."""
    metric_entries(cell.profile, cell.metrics)  # a wrong name is told before a data set is made
    data = open_dataset(cell.dataset, roots)
    data.clips()  # that there are some is known before a folder is made
    with held(out):
        yield data


def _work(data: Dataset, cell: Cell, specs: Sequence[Spec], out: Path, machine: Machine) -> Result:
    manifest = plan(data, cell, specs, out, machine)
    dubs = score_step.synth(out, manifest, machine)
    return manifest, dubs, score_step.score_run(out, manifest, dubs, machine)


def synth_cell(
    cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine
) -> tuple[Manifest, list[DubRow]]:
    """Plan and dub."""
    out = out.absolute()
    with _cell_held(cell, roots, out) as data:
        manifest = plan(data, cell, specs, out, machine)
        return manifest, score_step.synth(out, manifest, machine)


def rescore(
    runs: Sequence[Path], profile: str, metrics: tuple[str, ...], out: Path | None, machine: Machine
) -> Outcome:
    """Score runs that hold dubs, with today's recipes.

    Args:
        runs: the run folders.
        profile: whose metrics are added or replaced; empty for the run's own.
        metrics: add or replace these instead. In both cases the run's other columns stay as they are; what they lack
            is scored if their recipe is the same here.
        out: where the board goes; None for the first run's.
        machine: how to work.
    """
    results: list[Result] = []
    if machine.device != "auto":
        resolve_device(machine.device)  # a mistake is told before the work begins
    runs = list({path.resolve(): path.absolute() for path in runs}.values())  # one given twice is one
    board = out.absolute() if out else runs[0] / "board"
    with ExitStack() as stack:
        for path in runs:
            read_manifest(path)  # a folder that is no run is not locked
            stack.enter_context(held(path))
            manifest = read_manifest(path)
            update, frozen = _today(manifest, profile, metrics)
            manifest = manifest.model_copy(update=update)
            write_manifest(path, manifest)
            dubs = score_step.dubs_of(path, manifest)
            results.append((manifest, dubs, score_step.score_run(path, manifest, dubs, machine, frozen)))
        if board.parent.resolve() not in {path.resolve() for path in runs}:
            stack.enter_context(_home_held(board))
        return _finish(runs, board, results)


def join(runs: Sequence[Path], out: Path | None) -> Path:
    """The board of scored runs, in ``out`` or in the first run; returns its page.

    Raises:
        DubbenchError: not scored runs, or the board lies in a run that another process works on.
    """
    from dubbench.leaderboards.board import write_board

    board = out or runs[0] / "board"
    loaded = [read_run(path) for path in runs]
    with _home_held(board):
        return write_board(loaded, board)


def _home_held(board: Path) -> AbstractContextManager[None]:
    """Hold the run or suite that a board lies in, if any, so that nobody else writes the same board."""
    return held(board.parent) if (board.parent / "lock").is_file() else nullcontext()


def _today(manifest: Manifest, profile: str, metrics: tuple[str, ...]) -> tuple[dict[str, object], set[str]]:
    """What changes in a manifest that is scored again, and the metrics whose recipe here is not the run's."""
    if not profile and not metrics:  # the run's own: those that it names, or its profile's
        profile, metrics = manifest.profile, manifest.chosen
        gone = [name for name in metrics if not _signature_here(name)]  # they stay as they are
        metrics = tuple(name for name in metrics if name not in gone)
        wanted, left_out = metric_entries(profile, metrics) if metrics or not gone else ({}, [])
    else:
        wanted, left_out = metric_entries(profile, metrics)
    columns = {column.name: name for name, entry in wanted.items() for column in entry.columns}
    kept: dict[str, MetricEntry] = {}
    for name, entry in manifest.metrics.items():
        by = next((columns[c.name] for c in entry.columns if c.name in columns), None)
        if by is None:
            kept[name] = entry
        elif name not in wanted:
            print(f"{name} gives the same column as {by}, which takes its place", file=sys.stderr)
    frozen = {name for name, entry in kept.items() if _signature_here(name) != entry.signature}
    entries = {name: wanted.get(name) or kept[name] for name in manifest.metrics if name in wanted or name in kept}
    entries |= wanted
    update: dict[str, object] = {
        "metrics": entries,
        "notes": tuple(dict.fromkeys((*manifest.notes, *left_out))),
        "profile": manifest.profile if metrics else profile,
    }
    if set(entries) != set(manifest.metrics):
        update["chosen"] = tuple(entries) if metrics or kept else ()
    return update, frozen


def _signature_here(name: str) -> str:
    """The signature of a metric as it is here; empty if it cannot be had."""
    try:
        return metric_entries("", (name,))[0][name].signature
    except DubbenchError:
        return ""


def _finish(folders: Sequence[Path], board: Path, results: Iterable[Result], missing: Sequence[str] = ()) -> Outcome:
    from dubbench.leaderboards.board import write_board

    runs = [read_run(folder) for folder in folders]
    page = write_board(runs, board, missing=missing)
    notes = tuple(dict.fromkeys(note for run in runs for note in run.manifest.notes))
    counts: dict[str, int] = {}
    broken: set[tuple[int, str, str]] = set()
    rejected: set[tuple[str, str, str]] = set()
    for number, (manifest, dubs, scores) in enumerate(results):
        rejected |= {(manifest.dataset, *row) for row in manifest.rejected}
        for dub in dubs:
            if dub.reason:
                broken.add((number, dub.system, dub.clip))
                counts[f"{dub.system}: {dub.reason}"] = counts.get(f"{dub.system}: {dub.reason}", 0) + 1
        for row in scores:
            if row.error:
                broken.add((number, row.system, row.clip))
                counts[f"{row.metric}: {row.reason}"] = counts.get(f"{row.metric}: {row.reason}", 0) + 1
    for dataset, clip, what in rejected:
        counts[f"no clip of {dataset}: {clip}: {what}"] = 1
    reasons = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return Outcome(page, len(broken) + len(rejected), reasons, notes=notes)


def show(outcome: Outcome) -> None:
    """Say on the terminal where the board lies and what failed."""
    if outcome.page:
        table = outcome.page.parent / "table.md"
        print(table.read_text(encoding="utf-8") if table.exists() else "")
    for note in outcome.notes:
        print(f"note: {note}")
    for line in outcome.missing:
        print(f"missing: {line}")
    for reason, count in outcome.reasons[:20]:
        print(f"failed ({count}): {reason}")
    if len(outcome.reasons) > 20:
        print(f"… and {len(outcome.reasons) - 20} more reasons, on the board")
    if outcome.page:
        print(f"board: {outcome.page.resolve()}")


DAMAGE = (
    "delay(ms=40)",
    "delay(ms=200)",
    "warp(ms=50)",
    "warp(ms=100)",
    "warp(ms=200)",
    "warp(ms=300)",
    "other_voice",
    "noisy(snr=20)",
    "noisy(snr=10)",
    "noisy(snr=0)",
    "gain(db=-12)",
)
"""Graded damage for the validity page, beside the controls."""

CONTROLS = ("ground_truth", "delay", "another_clip", "shuffled", "silence", "noise")


def validate(cell: Cell, roots: dict[str, Path], out: Path, page: Path, machine: Machine) -> int:
    """Run controls and damage, write the validity page; returns how many declared cells do not hold."""
    from dubbench.leaderboards.matrix import matrix
    from dubbench.leaderboards.validity import validity_page

    specs = [parse_spec(text) for text in (*CONTROLS, *DAMAGE)]
    out, page = out.absolute(), page.absolute()
    with _cell_held(cell, roots, out) as data:
        _work(data, cell, specs, out, machine)
    loaded = read_run(out)
    validity_page(loaded, page)
    return sum(1 for cell_ in matrix(loaded) if cell_.verdict == "fails")
