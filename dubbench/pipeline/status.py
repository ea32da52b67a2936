"""How far a run is, also one that goes on elsewhere. Only reads."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from dubbench.pipeline import shards
from dubbench.pipeline.merge import rows_of, undone
from dubbench.pipeline.store import journal, ledger, read_manifest
from dubbench.runtime.containment import contained
from dubbench.runtime.files import in_use


@dataclass(frozen=True)
class Stage:
    """One step of a run, in units: dubs are (system, clip), scores (system, clip, metric).

    Attributes:
        total: units of the plan. done: those with a result, a failure included. failed: dubs that failed, or scores
            whose metric broke. left: total less done.
        rate: units a second, summed over those at work; None where nobody is at it.
        seconds_left: at this rate; None where it is not known.
    """

    stage: str
    total: int
    done: int
    failed: int
    left: int
    rate: float | None
    seconds_left: float | None


@dataclass(frozen=True)
class Status:
    """Of a run folder: its steps; who works on it (part -> process; the whole run is ``run``); seconds since the last
    result, None where there is none; its shards that are not merged."""

    run: str
    stages: tuple[Stage, ...]
    working: dict[str, str]
    last_result: float | None
    shards: tuple[str, ...]


def status(run: Path) -> Status:
    """Look at a run.

    Raises:
        DubbenchError: not a run, or it leads out of its folder.
    """
    contained(run)
    manifest = read_manifest(run)
    names = shards.found(run)
    dubs, scores = rows_of(run, names)
    todo = [metric for _, metric in undone(manifest, dubs, scores)]
    lacking = {"dubs": todo.count("")}
    lacking["scores"] = len(todo) - lacking["dubs"] + lacking["dubs"] * len(manifest.metrics)
    pairs = len(manifest.systems) * len(manifest.clips)
    totals = {"dubs": pairs, "scores": pairs * len(manifest.metrics)}
    clips = {clip.id for clip in manifest.clips}
    failed = {
        "dubs": sum(1 for (s, c), r in dubs.items() if r.reason and s in manifest.systems and c in clips),
        "scores": sum(
            1
            for (s, c, m), r in scores.items()
            if r.error and s in manifest.systems and c in clips and m in manifest.metrics
        ),
    }
    working = {part or "run": who for part in ("", *names) if (who := in_use(run, part))}
    if len(working) > 1:  # shards hold the whole together
        working.pop("run", None)
    stages, last = [], 0.0
    for stage, book in (("dubs", ledger), ("scores", journal)):
        rates = []
        for part in ("", *names):
            file = book(run, part)
            last = max(last, file.path.stat().st_mtime if file.path.exists() else 0.0)
            pace = file.pace() if working.get(part or "run") else None
            rates += [pace[0] / pace[1]] if pace else []
        rate = sum(rates) if rates and lacking[stage] else None
        stages.append(
            Stage(
                stage,
                totals[stage],
                totals[stage] - lacking[stage],
                failed[stage],
                lacking[stage],
                rate,
                lacking[stage] / rate if rate else None,
            )
        )
    return Status(str(run), tuple(stages), working, max(0.0, time.time() - last) if last else None, tuple(names))
