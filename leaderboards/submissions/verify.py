"""A bundle held against its own digests, and a sample of its clips scored again."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dubbench.core.identity import info_digest
from dubbench.core.plugins import in_file, names
from dubbench.core.spec import parse_spec
from dubbench.datasets.roots import open_dataset, roots_of
from dubbench.errors import DubbenchError
from dubbench.leaderboards.statistics import values
from dubbench.leaderboards.submissions.unpack import Opened, unpack
from dubbench.pipeline.cell import Resources
from dubbench.pipeline.components import metric_entries
from dubbench.pipeline.prepare import content_digest, prepare, sound_file
from dubbench.pipeline.score_step import score_run
from dubbench.pipeline.store import ClipRow, Manifest, MetricEntry, Run, ScoreRow
from dubbench.runtime.digests import digest
from dubbench.runtime.progress import progress
from dubbench.signal.media import RATE, read_audio, write_wav
from dubbench.version import __version__

SAMPLE = 8
"""Clips that are scored again unless told otherwise."""


@dataclass(frozen=True)
class Difference:
    """A number of the bundle that does not come out here; None where the clip is unscored. On the printed scale."""

    system: str
    clip: str
    column: str
    claimed: float | None
    found: float | None


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        bundle: its digest, as `dubbench.leaderboards.submissions.archive.Contents.digest`.
        verdict: ``holds``; ``fails`` if a number differs; ``unchecked`` if none could be scored again.
        parts: how many parts have the digest that the bundle declares (all: another bundle is refused).
        clips: that were scored again. compared: numbers, one a (system, clip, column).
        equal: of them, those that are the same to the last bit.
        largest: column -> largest difference on the printed scale, of the numbers that hold.
        differences: numbers that are apart by more than one unit of the last printed digit.
        skipped: what was not scored again, and why, a line each.
        seed: of the sample. dubbench: the version that verified.
    """

    bundle: str
    verdict: str
    parts: int
    clips: tuple[str, ...] = ()
    compared: int = 0
    equal: int = 0
    largest: Mapping[str, float] | None = None
    differences: tuple[Difference, ...] = ()
    skipped: tuple[str, ...] = ()
    seed: int = 0
    dubbench: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def verify(
    bundle: Path,
    root: Sequence[str],
    resources: Resources,
    sample: int = SAMPLE,
    seed: int = 0,
    voices: Path | None = None,
) -> Report:
    """Unpack a bundle with care, check all digests, and score ``sample`` clips again from the data set here.

    The clips are drawn by the bundle's digest and ``seed``: choose a seed that the sender could not know. Only metrics
    whose whole recipe is the same here are scored; nothing that the bundle names is imported or run.

    Args:
        root: where the data set lies, as ``--root`` has it; empty for its usual place.
        voices: folder of the reference wavs, for Setting 3.0.

    Raises:
        DubbenchError: the bundle is refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        opened = unpack(bundle, Path(folder))
        base = Report(opened.contents.digest, "unchecked", len(opened.contents.parts), seed=seed)
        manifest = opened.run.manifest
        metrics, skipped = _metrics_here(manifest)
        if not metrics:
            return replace(base, skipped=tuple(skipped))
        try:
            clips = _ready(opened, root, _drawn(opened, sample, seed), resources, voices, skipped)
        except DubbenchError as error:
            return replace(base, skipped=(*skipped, f"no clip scored again: {error}"))
        if not clips:
            return replace(base, skipped=tuple(skipped))
        part = manifest.model_copy(update={"clips": tuple(clips), "metrics": metrics})
        wanted = {clip.id for clip in clips}
        dubs = [row for row in opened.run.dubs if row.clip in wanted]
        rows = score_run(opened.run.path, part, dubs, resources)
        return _compared(base, opened.run, part, rows, skipped)


def _metrics_here(manifest: Manifest) -> tuple[dict[str, MetricEntry], list[str]]:
    """The metrics of the bundle whose whole recipe is the same here, and a line for each other."""
    here: dict[str, MetricEntry] = {}
    skipped = []
    for name, entry in manifest.metrics.items():
        try:
            own = _entry(name)
        except DubbenchError as error:
            skipped.append(f"{name}: {error}")
            continue
        same = info_digest(own.info) == info_digest(entry.info) and _ways(own) == _ways(entry)
        if same and own.signature == entry.signature:
            here[name] = own
        else:
            skipped.append(f"{name}: another recipe here ({own.signature}) than the bundle's ({entry.signature})")
    return here, skipped


def _ways(entry: MetricEntry) -> list[tuple[Any, ...]]:
    """How the columns of a metric come from its statistics."""
    return [(c.name, c.aggregate, c.scale, c.digits) for c in entry.columns]


def _entry(name: str) -> MetricEntry:
    """The metric of that name here. The name is a stranger's: no file is loaded for it, and no option names a path."""
    spec = parse_spec(name)
    known = {other.replace("_", "-") for other in names("metrics")}
    texts = [value for _, value in spec.kwargs if not isinstance(value, (int, float))]
    if in_file(spec.name) or spec.name.replace("_", "-") not in known:
        raise DubbenchError("no such metric is installed here")
    if spec.args or any(not isinstance(text, str) or "/" in text or "\\" in text or "." in text for text in texts):
        raise DubbenchError("made with options that are not taken from a bundle")
    return metric_entries("", (name,))[0][name]


def _drawn(opened: Opened, sample: int, seed: int) -> list[ClipRow]:
    able = [clip for clip in opened.run.manifest.clips if clip.digest and not clip.problem]
    rng = np.random.default_rng(int(digest([opened.contents.digest, seed])[:16], 16))
    chosen = rng.permutation(len(able))[:sample]
    return [able[i] for i in sorted(chosen.tolist())]


def _ready(
    opened: Opened,
    root: Sequence[str],
    drawn: Sequence[ClipRow],
    resources: Resources,
    voices: Path | None,
    skipped: list[str],
) -> list[ClipRow]:
    """The clips whose video, sound, text and reference here are the bundle's, made ready to be scored."""
    manifest, work = opened.run.manifest, opened.run.path / "work"
    if manifest.dataset not in names("datasets"):
        raise DubbenchError(f"no data set {manifest.dataset!r} is installed here")
    data = open_dataset(manifest.dataset, roots_of(list(root), manifest.dataset))
    by_id = {clip.id: clip for clip in data.clips()}
    wanted = {row.id: row.digest for row in drawn}
    wanted |= {row.reference: row.reference_digest for row in drawn if row.reference in by_id and row.reference_digest}
    there = [by_id[name] for name in wanted if name in by_id]
    with progress("preparing clips", len(there)) as advance:
        ready = prepare(
            there,
            work,
            resources.processes(),
            resources.timeout,
            lambda made: advance(bool(made.problem)),
            data.info.seconds,
        )
    same = {made.digest for made in ready.values() if made.digest}
    out = []
    for row in drawn:
        if row.id not in by_id:
            skipped.append(f"{row.id}: no such clip in the data set here")
        elif row.digest not in same:
            skipped.append(f"{row.id}: its text, video or sound here is not the one that was dubbed")
        elif row.reference_digest and not row.reference_problem and not _voice(row, same, work, voices):
            skipped.append(f"{row.id}: its reference voice {row.reference} is not here, or another file")
        else:
            phones = by_id[row.id].phones
            out.append(row.model_copy(update={"phones": str(phones) if phones else ""}))
    return out


def _voice(row: ClipRow, same: Collection[str], work: Path, voices: Path | None) -> bool:
    """Whether the reference of a clip is here; one of ``voices`` is made ready."""
    if row.reference_digest in same:
        return True
    if voices is None or Path(row.reference).name != row.reference:
        return False
    file = voices / row.reference
    if not file.is_file() or content_digest("", file) != row.reference_digest:
        return False
    write_wav(sound_file(work, row.reference_digest), read_audio(file), RATE)
    return True


def _compared(base: Report, run: Run, part: Manifest, rows: Sequence[ScoreRow], skipped: Sequence[str]) -> Report:
    place = {clip.id: i for i, clip in enumerate(run.manifest.clips)}
    clips = [clip.id for clip in part.clips]
    index = [place[clip] for clip in clips]
    found = {(row.system, row.metric, row.clip): row.stats for row in rows}
    compared = equal = 0
    largest: dict[str, float] = {}
    differences: list[Difference] = []
    for system in part.systems:
        for metric, entry in part.metrics.items():
            scores = run.columns.get((system, metric))
            claimed = {name: array[index] for name, array in scores.stats.items()} if scores else {}
            own = _arrays([found[system, metric, clip] for clip in clips])
            for column in entry.columns:
                a, b = values(column, claimed, len(clips)), values(column, own, len(clips))
                for clip, x, y in zip(clips, a.tolist(), b.tolist(), strict=True):
                    compared += 1
                    if x == y or (x != x and y != y):
                        equal += 1
                    elif abs(x - y) <= 10.0**-column.digits:
                        largest[column.name] = max(largest.get(column.name, 0.0), abs(x - y))
                    else:
                        told = (None if x != x else x, None if y != y else y)
                        differences.append(Difference(system, clip, column.name, *told))
    return replace(
        base,
        verdict="fails" if differences else "holds",
        clips=tuple(clips),
        compared=compared,
        equal=equal,
        largest=largest,
        differences=tuple(differences),
        skipped=tuple(skipped),
    )


def _arrays(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Statistics of some clips as arrays, NaN where a clip has none."""
    stats = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in stats}


def told(report: Report) -> list[str]:
    """The report as lines for a terminal."""
    lines = [f"bundle {report.bundle}: {report.parts} parts, every digest holds"]
    if report.compared:
        lines.append(
            f"{len(report.clips)} clips scored again (seed {report.seed}): {report.compared} numbers, {report.equal} "
            f"equal to the last bit, {len(report.differences)} apart by more than their last printed digit"
        )
    for name, most in (report.largest or {}).items():
        lines.append(f"  {name}: differs by at most {most:.2g}, less than a printed digit")
    for d in report.differences[:20]:
        lines.append(f"  {d.system}, {d.clip}, {d.column}: {_number(d.claimed)} claimed, {_number(d.found)} found")
    if len(report.differences) > 20:
        counts = Counter(d.column for d in report.differences)
        lines.append(f"  … in all: {', '.join(f'{name} {count}' for name, count in counts.items())}")
    lines += [f"not scored again: {line}" for line in report.skipped]
    said = {"holds": "the numbers hold", "fails": "the numbers do NOT hold", "unchecked": "no number could be checked"}
    return [*lines, said[report.verdict]]


def _number(value: float | None) -> str:
    return "unscored" if value is None else f"{value:.6g}"
