"""The work of an ablation: trainings, then a run a seed. Each step is kept when done, and goes on where it was."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dubbench.core.ablation import Recipe, Row
from dubbench.core.spec import Spec
from dubbench.errors import DubbenchError
from dubbench.leaderboards.board import write_board
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.dub_step import dub_run, dubs_of
from dubbench.pipeline.plan import labels_of, planned
from dubbench.pipeline.score_step import score_run
from dubbench.pipeline.store import read_manifest, read_run
from dubbench.runtime.files import write_text

TRUTH = Spec("ground_truth")

SECONDS_A_SYSTEM, SECONDS_A_DUB, SECONDS_A_SCORE = 8.0, 0.6, 2.0
"""Rough figures for a plan: to start a system, to dub a clip of 3 s with a small model, to score it on one core."""


@dataclass(frozen=True)
class Bench:
    """Where and on what rows are compared.

    Attributes:
        cell: of all runs but for the seed.
        roots: of its data set.
        out: folder of the ablation: a run a seed, training beside them, the tables in ``table/``.
        resources: how to work.
    """

    cell: Cell
    roots: dict[str, Path]
    out: Path
    resources: Resources

    def folder(self, seed: int) -> Path:
        """The run of one seed."""
        return self.out / f"run-seed-{seed}"


@dataclass(frozen=True)
class Planned:
    """One line of a plan. ``seconds`` are those that are left, None where nothing can be said."""

    name: str
    done: bool
    seconds: float


def label(row: Row, seed: int) -> str:
    """What a trained row is called in its run."""
    return f"{row.name}, seed {seed}"


def plan(recipe: Recipe, seeds: Sequence[int], bench: Bench, clips: int) -> list[Planned]:
    """What there is to do, in order, and how long it takes here, about."""
    steps = list(recipe.steps())
    lines = []
    for seed in (None, *seeds):
        for step in (s for s in steps if s.seed == seed):
            done = step.done()
            lines.append(Planned(step.name, done, 0.0 if done else step.seconds()))
        if seed is not None:
            dubs = clips * len(recipe.rows)
            done = _scored(bench.folder(seed), {label(row, seed) for row in recipe.rows})
            seconds = 0.0 if done else dub_and_score_seconds(len(recipe.rows), clips, bench.resources)
            lines.append(Planned(f"dub and score {dubs} clips, seed {seed}", done, seconds))
    return lines


def _scored(run: Path, labels: set[str]) -> bool:
    """Whether all these systems are dubbed and scored in a run."""
    if not (run / "scores.parquet").is_file():
        return False
    manifest = read_manifest(run)
    failed = any(dub.reason for dub in dubs_of(run, manifest) if dub.system in labels)
    newer = (run / "scores.parquet").stat().st_mtime >= (run / "dubs.jsonl").stat().st_mtime
    return labels <= set(manifest.systems) and newer and not failed


def dub_and_score_seconds(systems: int, clips: int, resources: Resources) -> float:
    """How long it takes to dub and score, by rough figures."""
    each = SECONDS_A_DUB + SECONDS_A_SCORE / resources.processes()
    return systems * (SECONDS_A_SYSTEM + clips * each)


def same_as_before(out: Path, told: Mapping[str, Any]) -> None:
    """Write down what an ablation is, or hold it against what stands in its folder.

    Raises:
        DubbenchError: the folder holds another one.
    """
    path = out / "ablation.json"
    new = json.loads(json.dumps(told))
    if path.is_file():
        try:
            old = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise DubbenchError(f"{path}: damaged ({error}); give another --out") from error
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                raise DubbenchError(
                    f"{out} holds another ablation ({key} {old.get(key)!r}, now {new.get(key)!r}); give another --out"
                )
        return
    write_text(path, json.dumps(new, indent=1, sort_keys=True) + "\n")


def work(recipe: Recipe, seeds: Sequence[int], bench: Bench, after: Any = None) -> Counter[str]:
    """Do everything that is not done yet; returns how many dubs and scores failed, by reason.

    Args:
        recipe: what to train, and its rows.
        seeds: the rows are trained and run seed by seed.
        bench: where.
        after: called with the seeds that are done, after each.
    """
    steps = list(recipe.steps())
    total = len(steps) + len(seeds)
    number = 0
    failures: Counter[str] = Counter()
    for seed in (None, *seeds):
        for step in (s for s in steps if s.seed == seed):
            number += 1
            if not step.done():
                print(f"[{number} of {total}] {step.name}", file=sys.stderr)
                step.work()
        if seed is None:
            continue
        number += 1
        print(f"[{number} of {total}] dub and score, seed {seed}", file=sys.stderr)
        failures += run_seed(recipe, seed, bench, truth=seed == seeds[0])
        if after is not None:
            after(seeds[: seeds.index(seed) + 1])
    return failures


def run_seed(recipe: Recipe, seed: int, bench: Bench, truth: bool) -> Counter[str]:
    """Dub and score every row of a seed in its run folder, the ground truth beside them with ``truth``; its board."""
    specs = [replace(recipe.spec(row, seed), label=label(row, seed)) for row in recipe.rows]
    return run_specs([TRUTH, *specs] if truth else specs, replace(bench.cell, seed=seed), bench, bench.folder(seed))


def run_specs(specs: Sequence[Spec], cell: Cell, bench: Bench, folder: Path) -> Counter[str]:
    """Plan, dub, score, board; returns how many dubs and scores failed, by reason."""
    with planned(cell, bench.roots, specs, folder, bench.resources) as manifest:
        dubs = dub_run(folder, manifest, bench.resources, labels_of(specs))
        scores = score_run(folder, manifest, dubs, bench.resources)
        write_board([read_run(folder)], folder / "board")
        failures = Counter(f"{dub.system}: {dub.reason}" for dub in dubs if dub.reason)
        return failures + Counter(f"{row.metric}: {row.reason}" for row in scores if row.error)
