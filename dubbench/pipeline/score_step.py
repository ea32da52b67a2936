"""Dubs and scores of a planned run, each step resumable by content."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.core.identity import clip_seed, info_digest
from dubbench.core.plugins import assets_of
from dubbench.core.request import DubRequest, Truth
from dubbench.errors import DubbenchError
from dubbench.pipeline.dub_step import dub_key, synthesise
from dubbench.pipeline.dub_worker import Wanted
from dubbench.pipeline.plan import Machine
from dubbench.pipeline.prepare import sound_file, video_file
from dubbench.pipeline.score_worker import Job, Work, passes, score, score_key
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, ScoreRow, SystemEntry, journal, ledger, write_scores
from dubbench.runtime.digests import file_digest
from dubbench.runtime.progress import Advance, progress


def synth(out: Path, manifest: Manifest, machine: Machine) -> list[DubRow]:
    """Dub what the ledger lacks; failures are tried again. Returns a row for every (system, clip)."""
    book = ledger(out)
    rows = {(r.system, r.clip): r for r in book.read()}
    for label, entry in manifest.systems.items():
        wanted: list[Wanted] = []
        problems: list[DubRow] = []
        for clip in manifest.clips:
            other = clip.other_digest if entry.info.privileged else ""
            key = dub_key(entry, clip.digest, clip.reference_digest, other, manifest.seed)
            old = rows.get((label, clip.id))
            if clip.problem:
                problems.append(DubRow(system=label, clip=clip.id, key=key, reason=clip.problem))
            elif old is None or old.key != key or old.reason or not _intact(out, old):
                wanted.append(Wanted(_request(clip, entry, manifest, out / "work"), key))
        new = [p for p in problems if rows.get((label, p.clip)) != p]
        book.append(new)
        rows.update({(r.system, r.clip): r for r in new})
        if not wanted:
            continue
        with progress(f"dubbing with {label}", len(wanted)) as advance:

            def done(row: DubRow, advance: object = advance) -> None:
                rows[row.system, row.clip] = row
                advance(bool(row.reason))  # type: ignore[operator]

            synthesise(
                out,
                label,
                entry,
                wanted,
                book,
                device=machine.device,
                timeout=machine.timeout,
                threads=machine.threads,
                machine=manifest.machine,
                done=done,
            )
    return [rows[label, clip.id] for label in manifest.systems for clip in manifest.clips]


def _request(clip: ClipRow, entry: SystemEntry, manifest: Manifest, work: Path) -> DubRequest:
    truth = None
    if entry.info.privileged:
        other = clip.other_digest
        truth = Truth(
            audio=sound_file(work, clip.digest),
            other_audio=sound_file(work, other) if other else None,
            other_video=video_file(work, other) if other else None,
            problem=clip.truth_problem,
        )
    return DubRequest(
        clip=clip.id,
        video=video_file(work, clip.digest),
        text=clip.text,
        reference=sound_file(work, clip.reference_digest),
        duration=clip.duration,
        fps=clip.fps,
        seed=clip_seed(manifest.seed, clip.id),
        truth=truth,
    )


OTHER_RECIPE = "not scored: the metric's recipe here is not the run's; score it anew with: dubbench score RUN -m NAME"


def score_run(
    out: Path, manifest: Manifest, dubs: Iterable[DubRow], machine: Machine, frozen: Collection[str] = ()
) -> list[ScoreRow]:
    """Score what the journal lacks and write ``scores.parquet``. Returns a row for every (system, clip, metric).

    ``frozen`` names metrics of the manifest that cannot be had here as they were: their scores stay, and none is added.
    """
    book = journal(out)
    kept = {(r.system, r.clip, r.metric): r for r in book.read()}
    by_clip: dict[str, list[DubRow]] = {}
    for dub in dubs:
        by_clip.setdefault(dub.clip, []).append(dub)
    recipes = {name: info_digest(entry.info) for name, entry in manifest.metrics.items()}
    work: list[Work] = []
    for clip in manifest.clips:
        jobs: list[Job] = []
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
                jobs.append(Job(dub.system, out / dub.path if dub.path else None, dub.reason, wanted))
        if jobs:
            work.append(_work(clip, manifest, out / "work", tuple(jobs), machine.device))
    for models, part in passes(work, assets_of):
        with progress(f"scoring clips with {models}" if models else "scoring clips", len(part)) as advance:

            def done(item: Work, rows: list[ScoreRow], advance: Advance = advance) -> None:
                kept.update({(r.system, r.clip, r.metric): r for r in rows})
                advance(any(r.error for r in rows))

            score(part, book, workers=machine.processes(bool(models)), timeout=machine.timeout, done=done)
    rows = [
        kept[label, clip.id, name] for label in manifest.systems for clip in manifest.clips for name in manifest.metrics
    ]
    write_scores(out, manifest, rows)
    return rows


def _work(clip: ClipRow, manifest: Manifest, work: Path, jobs: tuple[Job, ...], device: str) -> Work:
    truth = sound_file(work, clip.digest) if clip.digest and not clip.truth_problem else None
    reference = sound_file(work, clip.reference_digest) if clip.reference_digest and not clip.problem else None
    for path in (truth, reference):
        if path is not None and not path.exists():
            raise DubbenchError(f"{work}: {path.name} is gone; give the command that made this run again")
    return Work(
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
        reference=reference,
        jobs=jobs,
        device=device,
    )


def _intact(out: Path, row: DubRow) -> bool:
    """Whether the wav of a dub is there, as it was made."""
    path = out / row.path
    return path.is_file() and file_digest(path) == row.digest


def dubs_of(out: Path, manifest: Manifest) -> list[DubRow]:
    """A row for every (system, clip): the ledger's, or a failure where an interrupted synthesis left none, or where
    the wav is no longer the one that was made."""
    rows = {(r.system, r.clip): r for r in ledger(out).read()}
    absent = "not dubbed: the synthesis was interrupted; give its command again"
    changed = "its wav was changed or removed after it was made; give the command that dubbed it again"
    found = []
    for label in manifest.systems:
        for clip in manifest.clips:
            row = rows.get((label, clip.id))
            if row is None:
                row = DubRow(system=label, clip=clip.id, key="", reason=absent)
            elif row.path and not _intact(out, row):
                row = DubRow(system=label, clip=clip.id, key=row.key, reason=changed)
            found.append(row)
    return found
