"""Cells and suites, from a plan to a board."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from dubbench.core.spec import Spec, parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.dub_step import dub_run, dubs_of
from dubbench.pipeline.merge import merged
from dubbench.pipeline.plan import labels_of, planned
from dubbench.pipeline.rescore import metrics_today
from dubbench.pipeline.score_step import score_run
from dubbench.pipeline.shards import found
from dubbench.pipeline.store import (
    DubRow,
    Manifest,
    ScoreRow,
    read_manifest,
    read_run,
    slug,
    write_manifest,
)
from dubbench.runtime.containment import printable
from dubbench.runtime.device import resolve_device
from dubbench.runtime.digests import digest
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


def run_cell(cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, resources: Resources) -> Outcome:
    """Plan, dub, score, board."""
    out = out.absolute()  # a system or metric may change the working folder
    with planned(cell, roots, specs, out, resources) as manifest:
        result = _dub_and_score(out, manifest, resources, labels_of(specs))
        if resources.shard is None:
            return _finish([out], out / "board", [result])
        failed, reasons = _failures([result])
        return Outcome(None, failed, reasons)


def merge(out: Path) -> Outcome:
    """One run of its shards, with its board.

    Raises:
        DubbenchError: no shards there, one is at work or unfinished, or they are of different plans or versions.
    """
    out = out.absolute()
    read_manifest(out)  # a folder that is no run is not locked
    with held(out):
        return _finish([out], out / "board", [merged(out)])


def run_suite(
    name: str, cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, resources: Resources
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
                with planned(part, roots, specs, folder, resources) as manifest:
                    results.append(_dub_and_score(folder, manifest, resources, labels_of(specs)))
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


def _dub_and_score(out: Path, manifest: Manifest, resources: Resources, asked: Collection[str]) -> Result:
    dubs = dub_run(out, manifest, resources, asked)
    return manifest, dubs, score_run(out, manifest, dubs, resources)


def synth_cell(
    cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, resources: Resources
) -> tuple[Manifest, list[DubRow]]:
    """Plan and dub."""
    out = out.absolute()
    with planned(cell, roots, specs, out, resources) as manifest:
        return manifest, dub_run(out, manifest, resources, labels_of(specs))


def rescore(
    runs: Sequence[Path], profile: str, metrics: tuple[str, ...], out: Path | None, resources: Resources
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
    if resources.device != "auto":
        resolve_device(resources.device)  # a mistake is told before the work begins
    runs = list({path.resolve(): path.absolute() for path in runs}.values())  # one given twice is one
    board = out.absolute() if out else runs[0] / "board"
    with ExitStack() as stack:
        for path in runs:
            read_manifest(path)  # a folder that is no run is not locked
            stack.enter_context(held(path))
            if found(path):
                raise DubbenchError(f"{path} holds shards that are not one run yet; give: dubbench merge {path}")
            manifest = read_manifest(path)
            update, frozen = metrics_today(manifest, profile, metrics)
            manifest = manifest.model_copy(update=update)
            write_manifest(path, manifest)
            dubs = dubs_of(path, manifest)
            results.append((manifest, dubs, score_run(path, manifest, dubs, resources, frozen)))
        if board.parent.resolve() not in {path.resolve() for path in runs}:
            stack.enter_context(_home_held(board))
        return _finish(runs, board, results)


def join(runs: Sequence[Path], out: Path | None) -> Path:
    """The board of scored runs, in ``out`` or in the first run; returns its page.

    Raises:
        DubbenchError: not scored runs, ``out`` is a file, or the board lies in a run that another process works on.
    """
    from dubbench.leaderboards.board import write_board

    board = out or runs[0] / "board"
    if board.is_file():
        raise DubbenchError(f"{board} is a file, and a board is a folder; give another --out")
    loaded = [read_run(path) for path in runs]
    with _home_held(board):
        return write_board(loaded, board)


def _home_held(board: Path) -> AbstractContextManager[None]:
    """Hold the run or suite that a board lies in, if any, so that nobody else writes the same board."""
    return held(board.parent) if (board.parent / "lock").is_file() else nullcontext()


def _finish(folders: Sequence[Path], board: Path, results: Iterable[Result], missing: Sequence[str] = ()) -> Outcome:
    from dubbench.leaderboards.board import write_board

    runs = [read_run(folder) for folder in folders]
    page = write_board(runs, board, missing=missing)
    notes = tuple(dict.fromkeys(note for run in runs for note in run.manifest.notes))
    failed, reasons = _failures(results)
    return Outcome(page, failed, reasons, notes=notes)


def _failures(results: Iterable[Result]) -> tuple[int, tuple[tuple[str, int], ...]]:
    """`Outcome.failed` and `Outcome.reasons`."""
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
    return len(broken) + len(rejected), reasons


def show(outcome: Outcome) -> None:
    """Say on the terminal where the board lies and what failed."""
    if outcome.page:
        table = outcome.page.parent / "table.md"
        print(printable(table.read_text(encoding="utf-8")) if table.exists() else "")
    for note in outcome.notes:
        print(printable(f"note: {note}"))
    for line in outcome.missing:
        print(printable(f"missing: {line}"))
    for reason, count in outcome.reasons[:20]:
        print(printable(f"failed ({count}): {reason}"))
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


def validate(cell: Cell, roots: dict[str, Path], out: Path, page: Path, resources: Resources) -> int:
    """Run controls and damage, write the validity page; returns how many declared cells do not hold."""
    from dubbench.leaderboards.matrix import matrix
    from dubbench.leaderboards.validity import validity_page

    specs = [parse_spec(text) for text in (*CONTROLS, *DAMAGE)]
    out, page = out.absolute(), page.absolute()
    with planned(cell, roots, specs, out, resources) as manifest:
        _dub_and_score(out, manifest, resources, labels_of(specs))
    loaded = read_run(out)
    validity_page(loaded, page)
    return sum(1 for cell_ in matrix(loaded) if cell_.verdict == "fails")


def with_truth(specs: Sequence[Spec]) -> list[Spec]:
    """The systems, with the ground truth first unless it is among them."""
    there = any(spec.name.replace("-", "_") == "ground_truth" for spec in specs)
    return list(specs) if there else [parse_spec("ground_truth"), *specs]


def default_folder(cell: Cell, roots: dict[str, Path]) -> Path:
    """Where a run lies unless told otherwise: ``runs/`` and a name made of what is run."""
    limit = f"-{cell.limit}" if cell.limit else ""
    name = f"{data_name(cell.dataset, roots)}-{Path(cell.split).stem}{limit}-{cell.setting}-{cell.profile}"
    return Path("runs") / slug(name)


def data_name(dataset: str, roots: dict[str, Path]) -> str:
    """The data set's name; for ``folder``, which says nothing of its clips, with the folder's name and place."""
    if dataset != "folder" or dataset not in roots:
        return dataset
    place = roots[dataset].resolve()
    return f"{dataset}-{place.name}-{digest(str(place))[:6]}"
