"""The verbs' work: cells and suites from data to board."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubbench import bench
from dubbench.bench import Cell, Machine
from dubbench.datasets.base import Dataset
from dubbench.errors import DubbenchError
from dubbench.registry import Spec, factory, parse_spec
from dubbench.store import DubRow, ScoreRow, read_manifest, read_run, slug, write_manifest

SUITES: dict[str, tuple[tuple[str, str], ...]] = {
    "paper": (("chem", "1.0"), ("chem", "2.0"), ("grid", "1.0"), ("grid", "2.0")),
    "quick": (("toon", "1.0"), ("toon", "2.0")),
}


@dataclass(frozen=True)
class Outcome:
    """What came of a verb.

    Attributes:
        page: the board.
        failed: how many (system, clip) have no dub, or had a metric break on them.
        reasons: (reason, count), the most frequent first.
        missing: cells of a suite whose data is not here, and why.
    """

    page: Path | None
    failed: int
    reasons: tuple[tuple[str, int], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def open_dataset(name: str, roots: dict[str, Path]) -> Dataset:
    """The data set of that name at its root.

    Raises:
        DubbenchError: unknown, or not where it was said to be.
    """
    data: Dataset = factory("datasets", name)(roots.get(name))
    return data


def run_cell(cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine) -> Outcome:
    """Plan, dub, score, board."""
    return _finish([out], out / "board", [_work(cell, roots, specs, out, machine)])


def run_suite(
    name: str, cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine
) -> Outcome:
    """Every cell of a suite whose data is here, on one board; the others are listed as missing.

    Raises:
        DubbenchError: unknown suite, or no cell's data is here.
    """
    if name not in SUITES:
        raise DubbenchError(f"no suite named {name!r}; there are {', '.join(SUITES)}")
    done: list[Path] = []
    results: list[tuple[list[DubRow], list[ScoreRow]]] = []
    missing: list[str] = []
    for dataset, setting in SUITES[name]:
        try:
            data = open_dataset(dataset, roots)
            data.clips()
        except DubbenchError as error:
            missing.append(f"{dataset} {setting}: {error}")
            continue
        folder = out / slug(f"{dataset}-{setting}")
        results.append(_work(replace(cell, dataset=dataset, setting=setting), roots, specs, folder, machine))
        done.append(folder)
    if not done:
        raise DubbenchError(f"suite {name}: no cell's data is here; " + "; ".join(missing))
    return replace(_finish(done, out / "board", results, missing), missing=tuple(missing))


def _work(
    cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, machine: Machine
) -> tuple[list[DubRow], list[ScoreRow]]:
    manifest = bench.plan(open_dataset(cell.dataset, roots), cell, specs, out, machine)
    dubs = bench.synth(out, manifest, machine)
    return dubs, bench.score_run(out, manifest, dubs, machine)


def rescore(
    runs: Sequence[Path], profile: str, metrics: tuple[str, ...], out: Path | None, machine: Machine
) -> Outcome:
    """Score runs that hold dubs with today's metrics."""
    results = []
    for path in runs:
        manifest = read_manifest(path)
        entries, left_out = bench.metric_entries(profile, metrics)
        notes = tuple(dict.fromkeys((*manifest.notes, *left_out)))
        manifest = manifest.model_copy(update={"metrics": entries, "profile": profile, "notes": notes})
        write_manifest(path, manifest)
        dubs = bench.dubs_of(path, manifest)
        results.append((dubs, bench.score_run(path, manifest, dubs, machine)))
    return _finish(runs, out or runs[0] / "board", results)


def _finish(
    folders: Sequence[Path],
    board: Path,
    results: Iterable[tuple[list[DubRow], list[ScoreRow]]],
    missing: Sequence[str] = (),
) -> Outcome:
    from dubbench.leaderboards.board import write_board

    runs = [read_run(folder) for folder in folders]
    page = write_board(runs, board, missing=missing)
    notes = tuple(dict.fromkeys(note for run in runs for note in run.manifest.notes))
    counts: dict[str, int] = {}
    broken: set[tuple[int, str, str]] = set()
    for number, (dubs, scores) in enumerate(results):
        for dub in dubs:
            if dub.reason:
                broken.add((number, dub.system, dub.clip))
                counts[f"{dub.system}: {dub.reason}"] = counts.get(f"{dub.system}: {dub.reason}", 0) + 1
        for row in scores:
            if row.error:
                broken.add((number, row.system, row.clip))
                counts[f"{row.metric}: {row.reason}"] = counts.get(f"{row.metric}: {row.reason}", 0) + 1
    reasons = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return Outcome(page, len(broken), reasons, notes=notes)


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
    from dubbench.leaderboards.matrix import matrix, validity_page

    specs = [parse_spec(text) for text in (*CONTROLS, *DAMAGE)]
    _work(cell, roots, specs, out, machine)
    loaded = read_run(out)
    validity_page(loaded, page)
    return sum(1 for cell_ in matrix(loaded) if cell_.verdict == "fails")
