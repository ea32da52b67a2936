"""Dubs and scores of a planned run, each step resumable by content."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.core.identity import info_digest
from dubbench.core.plugins import assets_of
from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Resources
from dubbench.pipeline.prepare import sound_file, video_file
from dubbench.pipeline.score_worker import ClipTask, DubToScore, passes, score, score_key
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, ScoreRow, journal, write_scores
from dubbench.runtime.progress import Advance, progress

OTHER_RECIPE = "not scored: the metric's recipe here is not the run's; score it anew with: dubbench score RUN -m NAME"


def score_run(
    out: Path, manifest: Manifest, dubs: Iterable[DubRow], resources: Resources, frozen: Collection[str] = ()
) -> list[ScoreRow]:
    """Score what the journal lacks and write ``scores.parquet``. Returns a row for every (system, clip, metric).

    A shard leaves ``scores.parquet`` to the merge.
    ``frozen`` names metrics of the manifest that cannot be had here as they were: their scores stay, and none is added.
    """
    book = journal(out, resources.shard.name if resources.shard else "")
    kept = {(r.system, r.clip, r.metric): r for r in book.read()}
    by_clip: dict[str, list[DubRow]] = {}
    for dub in dubs:
        by_clip.setdefault(dub.clip, []).append(dub)
    pool = resources.pool()
    recipes = {name: info_digest(entry.info) for name, entry in manifest.metrics.items()}
    work: list[ClipTask] = []
    for clip in manifest.clips:
        jobs: list[DubToScore] = []
        for dub in by_clip.get(clip.id, []):
            keys = {n: score_key(e.signature, recipes[n], clip, dub) for n, e in manifest.metrics.items()}
            lacking = [
                (name, key)
                for name, key in keys.items()
                if (old := kept.get((dub.system, clip.id, name))) is None or old.key != key or old.error
            ]
            for name, key in lacking:
                if name in frozen:
                    row = ScoreRow(system=dub.system, clip=clip.id, metric=name, key=key, reason=OTHER_RECIPE)
                    kept[dub.system, clip.id, name] = row
            wanted = tuple(pair for pair in lacking if pair[0] not in frozen)
            if wanted:
                wav = out / dub.path if dub.path else None
                privileged = manifest.systems[dub.system].info.privileged
                jobs.append(DubToScore(dub.system, wav, dub.reason, wanted, privileged))
        if jobs:
            work.append(_work(clip, manifest, out / "work", tuple(jobs), resources.device))
    for models, part in passes(work, assets_of):
        book.begin()
        with progress(f"scoring clips with {models}" if models else "scoring clips", len(part)) as advance:

            def done(item: ClipTask, rows: list[ScoreRow], advance: Advance = advance) -> None:
                kept.update({(r.system, r.clip, r.metric): r for r in rows})
                advance(any(r.error for r in rows))

            workers = resources.processes(bool(models))
            score(part, book, workers=workers, timeout=resources.timeout, done=done, pool=pool)
    rows = [
        kept[label, clip.id, name] for label in manifest.systems for clip in manifest.clips for name in manifest.metrics
    ]
    if resources.shard is None:
        write_scores(out, manifest, rows)
    return rows


def _work(clip: ClipRow, manifest: Manifest, work: Path, jobs: tuple[DubToScore, ...], device: str) -> ClipTask:
    truth = sound_file(work, clip.digest) if clip.digest and not clip.truth_problem else None
    reference = None
    if clip.reference_digest and not clip.reference_problem:
        reference = sound_file(work, clip.reference_digest)
    for path in (truth, reference):
        if path is not None and not path.exists():
            raise DubbenchError(f"{work}: {path.name} is gone; give the command that made this run again")
    return ClipTask(
        clip=Clip(
            id=clip.id,
            dataset=manifest.dataset,
            speaker=clip.speaker,
            text=clip.text,
            video=video_file(work, clip.digest),
            phones=Path(clip.phones).absolute() if clip.phones else None,  # a plugin may change the folder
        ),
        duration=clip.duration,
        fps=clip.fps,
        truth=truth,
        truth_problem=clip.truth_problem,
        problem=clip.problem,
        reference=reference,
        reference_problem=clip.reference_problem,
        jobs=jobs,
        device=device,
    )
