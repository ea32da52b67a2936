"""Dubs to scores: a clip at a time, all systems and metrics of it together, so that each file is decoded once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Metric, Stats, Unscored, heard_seconds, lacking
from dubbench.errors import one_line
from dubbench.pipeline.components import make_metric
from dubbench.pipeline.store import ClipRow, DubRow, ScoreRow
from dubbench.runtime.device import resolve_device
from dubbench.runtime.digests import digest
from dubbench.runtime.files import Journal
from dubbench.runtime.worker_pool import GIVE_UP, Crash, Pool, each
from dubbench.signal.media import RATE, read_audio, read_audio_native
from dubbench.signal.picture import Picture
from dubbench.signal.sound import Sound


@dataclass(frozen=True, slots=True)
class DubToScore:
    """One dub to score: the system's label, its wav (None if the dub failed), why, and the metrics still wanted
    with the keys under which their scores are kept. ``control``: the system is handed the ground truth, so that a clip
    without one is no fault of its own."""

    system: str
    wav: Path | None
    reason: str
    wanted: tuple[tuple[str, str], ...]
    control: bool = False


@dataclass(frozen=True, slots=True)
class ClipTask:
    """One clip to score with all its dubs. ``truth`` and ``reference`` are wavs at 16 kHz, None where there is none.
    ``problem`` is why the clip itself cannot be used: then no system is charged with it."""

    clip: Clip
    duration: float
    fps: float
    truth: Path | None
    truth_problem: str
    reference: Path | None
    jobs: tuple[DubToScore, ...]
    device: str
    reference_problem: str = ""
    problem: str = ""


def score_key(signature: str, recipe_digest: str, clip: ClipRow, dub: DubRow) -> str:
    """What a score depends on: the whole recipe, the clip (text, video, truth), the reference, the dub's bytes."""
    made = f"the clip: {clip.problem}" if clip.problem else dub.digest or f"no dub: {dub.reason}"
    if not clip.problem and dub.seconds > (most := heard_seconds(clip.duration)):
        made += f" up to {most:g} s"
    return digest([signature, recipe_digest, clip.digest or clip.id, clip.reference_digest, made])[:32]


DUBS = 8
"""For so many dubs of a clip, or part of them, a clip's process has the time limit once."""

CUT = "scored_s"
"""Statistic that every metric of a dub has of which only so many seconds were scored (`heard_seconds`)."""


def passes(
    work: Sequence[ClipTask], assets_of: Callable[[str], tuple[str, ...]]
) -> Iterator[tuple[str, list[ClipTask]]]:
    """The work in turns, so that of the metrics with large models (`MetricBase.assets`) one is in memory at a time.

    First all metrics without such models together, under an empty name, then those of each set of models under the
    first one's. Yields only turns with work.
    """
    names = dict.fromkeys(name for item in work for job in item.jobs for name, _ in job.wanted)
    turns: dict[tuple[str, ...], list[str]] = {(): []}
    for name in names:
        turns.setdefault(assets_of(name), []).append(name)
    for assets, members in turns.items():
        part = [narrow for item in work if (narrow := _only(item, members)).jobs]
        if part:
            yield (", ".join(members) if assets else ""), part


def _only(work: ClipTask, metrics: Sequence[str]) -> ClipTask:
    jobs = (replace(job, wanted=tuple(pair for pair in job.wanted if pair[0] in metrics)) for job in work.jobs)
    return replace(work, jobs=tuple(job for job in jobs if job.wanted))


def score(
    work: Sequence[ClipTask],
    journal: Journal[ScoreRow],
    *,
    workers: int,
    timeout: float,
    done: Callable[[ClipTask, list[ScoreRow]], None],
    pool: Pool | None = None,
) -> None:
    """Score every clip and write each result to the journal as it comes.

    ``timeout`` is for `DUBS` dubs of a clip, loading the models included. A clip whose process hangs or dies is tried
    again a metric at a time, so that one bad metric takes no other along.
    """
    whole, retry = deque(work), []
    crashes = 0

    def clips() -> Iterator[ClipTask]:
        while whole and crashes < GIVE_UP:
            yield whole.popleft()

    for item, result in (pool or each)(_score, clips(), workers=workers, timeout=lambda item: _limit(timeout, item)):
        if isinstance(result, Crash):
            crashes += 1
            retry.append(item)
            continue
        crashes = 0
        journal.append(result)
        done(item, result)
    retry += whole
    if retry:
        _score_singly(retry, journal, workers, timeout, done, pool)


def _limit(timeout: float, work: ClipTask) -> float:
    return timeout * math.ceil(len(work.jobs) / DUBS)


def _score_singly(
    retry: Sequence[ClipTask],
    journal: Journal[ScoreRow],
    workers: int,
    timeout: float,
    done: Callable[[ClipTask, list[ScoreRow]], None],
    pool: Pool | None,
) -> None:
    crashes: dict[str, int] = {}
    given_up: dict[str, str] = {}
    waiting = {item.clip.id: sum(len(job.wanted) for job in item.jobs) for item in retry}
    items = {item.clip.id: item for item in retry}
    collected: dict[str, list[ScoreRow]] = {clip: [] for clip in items}

    def keep(single: ClipTask, rows: list[ScoreRow]) -> None:
        clip = single.clip.id
        journal.append(rows)
        collected[clip] += rows
        waiting[clip] -= 1
        if not waiting[clip]:
            done(items[clip], collected[clip])

    def broken(single: ClipTask, reason: str) -> list[ScoreRow]:
        (job,) = single.jobs
        ((metric, key),) = job.wanted
        return [ScoreRow(system=job.system, clip=single.clip.id, metric=metric, key=key, reason=reason, error=True)]

    def singles() -> Iterator[ClipTask]:
        for item in retry:
            for single in _split(item):
                why = given_up.get(single.jobs[0].wanted[0][0])
                if why:
                    keep(single, broken(single, why))
                else:
                    yield single

    for single, result in (pool or each)(_score, singles(), workers=workers, timeout=timeout):
        metric = single.jobs[0].wanted[0][0]
        if isinstance(result, Crash):
            crashes[metric] = crashes.get(metric, 0) + 1
            if crashes[metric] >= GIVE_UP:
                given_up[metric] = f"given up after {crashes[metric]} crashes in a row; the last: {result.reason}"
            result = broken(single, result.reason)
        else:
            crashes[metric] = 0
        keep(single, result)


def _split(work: ClipTask) -> Iterator[ClipTask]:
    for job in work.jobs:
        for pair in job.wanted:
            yield replace(work, jobs=(replace(job, wanted=(pair,)),))


_metrics: dict[str, Metric | str] = {}


def _metric(name: str, device: str) -> Metric | str:
    """A loaded metric, or why it cannot be loaded; remembered for the life of the process."""
    if name not in _metrics:
        try:
            metric = make_metric(name)
            metric.load(resolve_device(device))
            _metrics[name] = metric
        except (Exception, SystemExit) as error:
            _metrics[name] = f"the metric cannot be loaded: {one_line(error)}"
    return _metrics[name]


def _score(work: ClipTask) -> list[ScoreRow]:
    """In a worker: all rows of one clip."""
    truth = Sound(read_audio(work.truth), RATE) if work.truth else None
    reference = truth if work.reference == work.truth else None
    if work.reference and reference is None:
        reference = Sound(read_audio(work.reference), RATE)
    picture = Picture(work.clip.video)
    rows = []
    for job in work.jobs:
        item: Item | None = None
        if job.wav is not None:
            samples, rate = read_audio_native(job.wav)
            dub = Sound(samples[: round(heard_seconds(work.duration) * rate)], rate)
            length = len(samples) / rate
            item = Item(work.clip, dub, truth, reference, work.duration, work.fps, picture, length)
        for name, key in job.wanted:
            rows.append(_row(work, job, name, key, item))
    return rows


def _row(work: ClipTask, job: DubToScore, name: str, key: str, item: Item | None) -> ScoreRow:
    row = ScoreRow(system=job.system, clip=work.clip.id, metric=name, key=key)
    metric = _metric(name, work.device)
    if isinstance(metric, str):
        return row.model_copy(update={"reason": metric, "error": True})
    try:
        if work.problem:
            stats: Stats | Unscored = Unscored(f"the clip cannot be used: {work.problem}")
        elif item is None and job.control and work.truth_problem:
            stats = Unscored(f"no dub: {job.reason}")
        elif item is None:
            stats = metric.failed(work.clip) or Unscored(f"no dub: {job.reason}")
        elif reason := lacking(metric.info, item, work.truth_problem, work.reference_problem):
            stats = Unscored(reason)
        else:
            stats = metric.score(item)
        if item is not None and item.length > item.dub.duration and not isinstance(stats, Unscored):
            stats = {**stats, CUT: item.dub.duration}
        update: dict[str, object] = {"reason": stats.reason} if isinstance(stats, Unscored) else _checked(stats)
    except (Exception, SystemExit) as error:
        update = {"reason": one_line(error).replace(str(work.clip.video), "the video"), "error": True}
    return row.model_copy(update=update)


def _checked(stats: Mapping[str, float]) -> dict[str, object]:
    if not stats:
        return {"reason": "the metric gave no statistics and no reason", "error": True}
    bad = sorted(name for name, value in stats.items() if not math.isfinite(value))
    if bad:
        return {"reason": f"the metric gave NaN or Inf for {', '.join(bad)}", "error": True}
    return {"stats": {name: float(value) for name, value in stats.items()}}
