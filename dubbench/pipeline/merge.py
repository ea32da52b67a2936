"""Shards to one run: their rows in its ledger and journal, if they are all there and of one plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from dubbench.core.identity import info_digest
from dubbench.errors import DubbenchError
from dubbench.pipeline import shards
from dubbench.pipeline.cell import Shard, parse_shard
from dubbench.pipeline.dub_step import intact, key_of
from dubbench.pipeline.nearest_reference import note_nearest
from dubbench.pipeline.score_worker import score_key
from dubbench.pipeline.store import DubRow, Manifest, ScoreRow, journal, ledger, read_manifest, write_scores
from dubbench.runtime.digests import digest
from dubbench.runtime.files import Journal, durable

R = TypeVar("R", bound=BaseModel)
Dubs = dict[tuple[str, str], DubRow]
Marks = dict[tuple[str, str, str], ScoreRow]


def merged(run: Path) -> tuple[Manifest, list[DubRow], list[ScoreRow]]:
    """Write the shards' rows to the run's ledger and journal, write ``scores.parquet``, remove the shards' files.

    For the one who holds the folder. Stopped at any moment, it can be done again.

    Raises:
        DubbenchError: no shards, one was made by another plan or version, or clips are missing, which are named.
    """
    manifest = read_manifest(run)
    names = shards.found(run)
    if not names:
        raise DubbenchError(f"{run} holds no shards (of dubbench run --shard I/N); there is nothing to merge")
    parts = [parse_shard(name.replace("-of-", "/")) for name in names]
    if len({part.of for part in parts}) > 1:
        raise DubbenchError(f"{run} holds shards of several counts ({', '.join(names)}); remove those of one count")
    own = digest(shards.plan(manifest))
    if strange := [name for name in names if shards.planned_as(run, name) != own]:
        raise DubbenchError(
            f"{run}: made by another plan or version than run.json tells: shard {', '.join(strange)}; "
            "nothing was merged: run them again with the same command and installation"
        )
    dubs, scores = rows_of(run, names)
    lost = [dub.clip for dub in dubs.values() if dub.path and not intact(run, dub)]
    lacking = [clip for clip, _ in undone(manifest, dubs, scores)] + lost
    if lacking:
        raise DubbenchError(f"{run}: {_told(manifest, list(dict.fromkeys(lacking)), parts[0].of)}")
    _rewrite(ledger(run), dubs.values())
    _rewrite(journal(run), scores.values())
    found = [dubs[label, clip.id] for label in manifest.systems for clip in manifest.clips]
    note_nearest(run, manifest, found)
    rows = [scores[s, clip.id, m] for s in manifest.systems for clip in manifest.clips for m in manifest.metrics]
    write_scores(run, manifest, rows)
    for name in names:
        shards.remove(run, name)
    return manifest, found, rows


def rows_of(run: Path, names: Sequence[str]) -> tuple[Dubs, Marks]:
    """The rows of a run and of its shards; of several for one thing the last."""
    dubs = {(r.system, r.clip): r for r in ledger(run).read()}
    scores = {(r.system, r.clip, r.metric): r for r in journal(run).read()}
    for name in names:
        dubs.update({(r.system, r.clip): r for r in _alone(ledger(run, name)).read()})
        scores.update({(r.system, r.clip, r.metric): r for r in _alone(journal(run, name)).read()})
    return dubs, scores


def _alone(book: Journal[R]) -> Journal[R]:
    return Journal(book.path, book.kind)


def undone(manifest: Manifest, dubs: Dubs, scores: Marks) -> Iterable[tuple[str, str]]:
    """(clip, metric) of every score without a row of today's key, (clip, "") of every dub without one."""
    recipes = {name: info_digest(entry.info) for name, entry in manifest.metrics.items()}
    for clip in manifest.clips:
        for label, entry in manifest.systems.items():
            dub = dubs.get((label, clip.id))
            if dub is None or dub.key != key_of(entry, clip, manifest.seed):
                yield clip.id, ""
                continue
            for name, metric in manifest.metrics.items():
                score = scores.get((label, clip.id, name))
                if score is None or score.key != score_key(metric.signature, recipes[name], clip, dub):
                    yield clip.id, name


def _told(manifest: Manifest, lacking: Sequence[str], of: int) -> str:
    """Which clips are not done, and the shards to run for them."""
    blocks = [Shard(number, of) for number in range(1, of + 1)]
    missing = set(lacking)
    todo = [f"{b.number}/{of}" for b in blocks if any(clip.id in missing for clip in b.block(manifest.clips))]
    named = ", ".join(lacking[:10]) + (f" and {len(lacking) - 10} more" if len(lacking) > 10 else "")
    return (
        f"{len(lacking)} of {len(manifest.clips)} clips are not done ({named}); nothing was merged: give the command "
        f"with --shard {', '.join(todo)}"
    )


def _rewrite(book: Journal[R], rows: Iterable[R]) -> None:
    with durable(book.path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(row.model_dump_json() + "\n" for row in rows)
