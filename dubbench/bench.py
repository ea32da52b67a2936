"""The main job: a data set under a setting, systems on it, metrics on those, each step resumable by content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubbench.clip import Clip
from dubbench.datasets.base import Dataset
from dubbench.datasets.selection import Selection, select
from dubbench.errors import DubbenchError, one_line
from dubbench.identity import clip_seed, file_digest, info_digest, rows_digest, signature
from dubbench.media import RATE, read_audio, write_wav
from dubbench.prepare import Prepared, prepare, sound_file, video_file
from dubbench.progress import progress
from dubbench.provenance import code, hardware, packages
from dubbench.registry import Spec, check_columns, make_metric, make_system, metrics_of
from dubbench.request import DubRequest, Truth
from dubbench.scoring import Job, Work, score, score_key
from dubbench.settings import Pairing, Reference, another_clip, load_table, pair
from dubbench.store import (
    ClipRow,
    DubRow,
    Manifest,
    MetricEntry,
    ScoreRow,
    SystemEntry,
    journal,
    ledger,
    read_manifest,
    slug,
    write_manifest,
    write_scores,
)
from dubbench.synthesis import Wanted, dub_key, resolve_device, synthesise


@dataclass(frozen=True)
class Cell:
    """One (data set, split, setting) under one seed and profile: what a run folder holds."""

    dataset: str
    split: str = "test"
    setting: str = "2.0"
    limit: int | None = None
    profile: str = "offline"
    seed: int = 0
    metrics: tuple[str, ...] = ()
    voices: Path | None = None
    pairing: Path | None = None


@dataclass(frozen=True)
class Machine:
    """How the work is done here; nothing in it changes a score."""

    workers: int = 1
    device: str = "auto"
    timeout: float = 600.0
    threads: int = 1


def plan(data: Dataset, cell: Cell, specs: Sequence[Spec], out: Path, machine: Machine) -> Manifest:
    """Choose clips and references, make them ready under ``out/work``, and write the manifest.

    Raises:
        DubbenchError: nothing to do, names that do not exist, or ``out`` holds another run.
    """
    systems = _systems(specs, data)
    metrics, left_out = metric_entries(cell.profile, cell.metrics)
    chosen = select(data, cell.split)
    clips = select(data, cell.split, cell.limit).clips
    pairing = (
        load_table(cell.pairing, clips, chosen.clips)
        if cell.pairing
        else pair(clips, chosen.clips, cell.setting, cell.voices)
    )
    others = another_clip(clips, chosen.clips) if any(e.info.privileged for e in systems.values()) else {}
    by_id = {c.id: c for c in chosen.clips}
    needed = {c.id: c for c in clips}
    for reference in (*pairing.references.values(), *others.values()):
        if reference.clip:
            needed[reference.clip] = by_id[reference.clip]
    with progress("preparing clips", len(needed)) as advance:
        ready = prepare(
            needed.values(),
            out / "work",
            machine.workers,
            machine.timeout,
            lambda r: advance(bool(r.problem)),
            data.info.seconds,
        )
    rows = tuple(_clip_row(c, ready, pairing, others, out / "work") for c in clips)
    device = resolve_device(machine.device) if any(e.info.kind == "model" for e in systems.values()) else "cpu"
    manifest = Manifest(
        dataset=data.info.name,
        root=str(data.root),
        split=cell.split if cell.limit is None else f"{cell.split}[{cell.limit}]",
        setting=pairing.setting,
        pairing_digest=pairing.digest,
        data_digest=rows_digest((r.id, r.digest, r.reference_digest) for r in rows),
        seed=cell.seed,
        profile=cell.profile,
        clips=rows,
        systems=systems,
        metrics=metrics,
        notes=(*_notes(data, chosen), *left_out),
        code=code(),
        packages=packages(),
        hardware=hardware(device),
    )
    manifest = _join_earlier(out, manifest)
    write_manifest(out, manifest)
    return manifest


def _notes(data: Dataset, chosen: Selection) -> list[str]:
    """What a reader of the board must know of the selection: where the split comes from, what could not be used."""
    notes = [chosen.note] if chosen.note else []
    problems = data.problems()
    notes += [f"not a clip: {p.clip}: {p.what}" for p in problems[:20]]
    if len(problems) > 20:
        notes.append(f"… and {len(problems) - 20} more (dubbench data check {data.info.name})")
    return notes


def _systems(specs: Sequence[Spec], data: Dataset) -> dict[str, SystemEntry]:
    entries: dict[str, SystemEntry] = {}
    for spec in specs:
        label = spec.label or str(spec)
        if str(spec) == "espeak-meanspan" and data.info.speech_span:
            start, end = data.info.speech_span  # the data set's own mean span, as the name says
            spec = replace(spec, kwargs=(("start", start), ("end", end)))
        if label in entries:
            raise DubbenchError(f"two systems are called {label!r}; give one a label: --system 'label={spec}'")
        _own_folder(label, entries)
        info = make_system(spec).info
        entries[label] = SystemEntry(spec=str(spec), info=info, digest=info_digest(info))
    return entries


def metric_entries(profile: str, chosen: Sequence[str]) -> tuple[dict[str, MetricEntry], list[str]]:
    """The metrics of a run, and a line for each of the profile's that cannot be made.

    Raises:
        DubbenchError: an unknown metric among ``chosen``, a profile without any, or two that give one column.
    """
    made, broken = ({name: make_metric(name) for name in chosen}, []) if chosen else metrics_of(profile)
    check_columns(made)
    if broken and not made:
        raise DubbenchError(f"no metric of profile {profile!r} can be made; {'; '.join(broken)}")
    if not made:
        raise DubbenchError(f"no metric belongs to profile {profile!r} (dubbench metrics lists them)")
    entries = {
        name: MetricEntry(info=m.info, columns=tuple(m.columns), signature=signature(m.info))
        for name, m in made.items()
    }
    return entries, broken


def _clip_row(
    clip: Clip, ready: dict[str, Prepared], pairing: Pairing, others: dict[str, Reference], work: Path
) -> ClipRow:
    made, reference = ready[clip.id], pairing.references[clip.id]
    problem, reference_digest = made.problem or reference.problem, ""
    if not problem and reference.clip:
        voice = ready[reference.clip]
        reference_digest = voice.digest
        if voice.problem or voice.truth_problem:
            problem = f"its reference {reference.clip} has no usable sound: {voice.problem or voice.truth_problem}"
    elif not problem and reference.file:
        try:
            reference_digest = file_digest(reference.file)
            if not sound_file(work, reference_digest).exists():
                write_wav(sound_file(work, reference_digest), read_audio(reference.file), RATE)
        except (DubbenchError, OSError) as error:
            problem = f"its reference {reference.file.name} has no usable sound: {one_line(error)}"
    other = others.get(clip.id)
    usable = other is not None and other.clip and not (ready[other.clip].problem or ready[other.clip].truth_problem)
    return ClipRow(
        id=clip.id,
        speaker=clip.speaker,
        text=clip.text,
        video=str(clip.video),
        phones=str(clip.phones or ""),
        digest=made.digest,
        duration=made.duration,
        fps=made.fps,
        reference=reference.name,
        reference_digest=reference_digest,
        other_digest=ready[other.clip].digest if usable and other else "",
        problem=problem,
        truth_problem=made.truth_problem,
    )


IDENTITY = ("dataset", "split", "setting", "pairing_digest", "seed", "profile")
"""What one folder holds. Not the data's digest: a clip whose file was mended is made again, under another key."""


def _own_folder(label: str, others: Iterable[str]) -> None:
    """Raise if the dubs of ``label`` would go where another system's go."""
    for other in others:
        if other != label and slug(other).casefold() == slug(label).casefold():
            raise DubbenchError(f"systems {other!r} and {label!r} would share a folder; give one another label")


def _join_earlier(out: Path, manifest: Manifest) -> Manifest:
    """The manifest together with the systems that the folder holds already."""
    if not (out / "run.json").exists():
        return manifest
    earlier = read_manifest(out)
    for name in IDENTITY:
        old, new = getattr(earlier, name), getattr(manifest, name)
        if old != new:
            raise DubbenchError(f"{out} holds another run ({name} {old!r}, now {new!r}); give another --out")
    for label in manifest.systems:
        _own_folder(label, earlier.systems)
    return manifest.model_copy(update={"systems": {**earlier.systems, **manifest.systems}})


def synth(out: Path, manifest: Manifest, machine: Machine) -> list[DubRow]:
    """Dub what the ledger lacks; failures are tried again. Returns a row for every (system, clip)."""
    book = ledger(out)
    rows = {(r.system, r.clip): r for r in (DubRow.model_validate(line) for line in book.read())}
    for label, entry in manifest.systems.items():
        wanted: list[Wanted] = []
        problems: list[DubRow] = []
        for clip in manifest.clips:
            other = clip.other_digest if entry.info.privileged else ""
            key = dub_key(entry, clip.digest, clip.reference_digest, other, manifest.seed)
            old = rows.get((label, clip.id))
            if clip.problem:
                problems.append(DubRow(system=label, clip=clip.id, key=key, reason=clip.problem))
            elif old is None or old.key != key or old.reason or not (out / old.path).is_file():
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


def score_run(out: Path, manifest: Manifest, dubs: Iterable[DubRow], machine: Machine) -> list[ScoreRow]:
    """Score what the journal lacks and write ``scores.parquet``. Returns a row for every (system, clip, metric)."""
    book = journal(out)
    kept = {(r.system, r.clip, r.metric): r for r in (ScoreRow.model_validate(line) for line in book.read())}
    by_clip: dict[str, list[DubRow]] = {}
    for dub in dubs:
        by_clip.setdefault(dub.clip, []).append(dub)
    recipes = {name: info_digest(entry.info) for name, entry in manifest.metrics.items()}
    work: list[Work] = []
    for clip in manifest.clips:
        jobs: list[Job] = []
        for dub in by_clip.get(clip.id, []):
            keys = {n: score_key(e.signature, recipes[n], clip, dub) for n, e in manifest.metrics.items()}
            wanted = tuple(
                (name, key)
                for name, key in keys.items()
                if (old := kept.get((dub.system, clip.id, name))) is None or old.key != key or old.error
            )
            if wanted:
                jobs.append(Job(dub.system, out / dub.path if dub.path else None, dub.reason, wanted))
        if jobs:
            work.append(_work(clip, manifest, out / "work", tuple(jobs), machine.device))
    if work:
        with progress("scoring clips", len(work)) as advance:

            def done(item: Work, rows: list[ScoreRow]) -> None:
                kept.update({(r.system, r.clip, r.metric): r for r in rows})
                advance(any(r.error for r in rows))

            score(work, book, workers=machine.workers, timeout=machine.timeout, done=done)
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
            phones=Path(clip.phones) if clip.phones else None,
        ),
        duration=clip.duration,
        fps=clip.fps,
        truth=truth,
        truth_problem=clip.truth_problem,
        reference=reference,
        jobs=jobs,
        device=device,
    )


def dubs_of(out: Path, manifest: Manifest) -> list[DubRow]:
    """A row for every (system, clip): the ledger's, or a failure where an interrupted synthesis left none."""
    rows = {(r.system, r.clip): r for r in (DubRow.model_validate(line) for line in ledger(out).read())}
    absent = "not dubbed: the synthesis was interrupted; give its command again"
    return [
        rows.get((label, clip.id)) or DubRow(system=label, clip=clip.id, key="", reason=absent)
        for label in manifest.systems
        for clip in manifest.clips
    ]
