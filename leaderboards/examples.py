"""The clips that a board shows and plays: the worst of each column, and some drawn by lot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError, one_line
from dubbench.leaderboards import media
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import values
from dubbench.pipeline.originals import picture_of, sound_of
from dubbench.signal.media import RATE, read_audio, read_audio_native, resample

LIMIT = 12
"""Most clips with a player on one board."""

ORIGINAL = "original sound"

BRIGHT = 0.995
"""Quantile of a spectrum that is shown brightest; the loudest track of a clip sets it for all."""


@dataclass(slots=True)
class Track:
    """One dub of a clip. ``system`` is None for the video's own sound."""

    system: str | None
    seconds: float
    sound: bytes
    mel: bytes = b""
    pitch: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Example:
    """A clip for the player. ``problems`` says what could not be shown, and why."""

    clip: int
    why: str
    span: float = 0.0
    video: bytes = b""
    tracks: list[Track] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def choose(sheet: Sheet, columns: Sequence[Measure], limit: int = LIMIT) -> list[tuple[int, str]]:
    """Up to ``limit`` clips with the reason for each: a third the worst by column in turn, the rest by lot.

    The lot depends on the comparability class and the clip's id alone.
    """
    able = {i for i, clip in enumerate(sheet.clips) if not clip.problem}
    labels = sheet.ranking or list(sheet.entrants)
    chosen: dict[int, str] = {}
    ranked = [m for m in columns if m.column.direction != "none"] if labels else []
    for measure in ranked[: -(-limit // 3)]:
        own = np.stack([values(measure.column, sheet.stats(label, measure), sheet.count) for label in labels])
        known = np.isfinite(own)
        mean = np.where(known, own, 0).sum(0) / np.maximum(known.sum(0), 1)
        badness = np.where(known.any(0), -mean if measure.column.direction == "up" else mean, -np.inf)
        order = [int(i) for i in np.argsort(-badness, kind="stable") if np.isfinite(badness[i])]
        worst = next((i for i in order if i in able and i not in chosen), None)
        if worst is not None:
            chosen[worst] = f"worst {measure.column.name}"
    lot = sorted(able - set(chosen), key=lambda i: _ticket(sheet, i))
    chosen |= {i: "drawn by lot" for i in lot[: max(0, limit - len(chosen))]}
    return list(chosen.items())


def _ticket(sheet: Sheet, clip: int) -> str:
    return hashlib.sha256(f"{sheet.manifest.comparability}\0{sheet.clips[clip].id}".encode()).hexdigest()


def examples(sheet: Sheet, chosen: Sequence[tuple[int, str]]) -> Iterator[Example]:
    """Load each chosen clip's picture and dubs; what cannot be read is a problem of that example alone."""
    for index, why in chosen:
        yield _load(sheet, index, Example(index, why))


def _load(sheet: Sheet, index: int, example: Example) -> Example:
    clip, runs = sheet.clips[index], [run.path for run in sheet.runs]
    try:
        example.video = media.video(picture_of(runs, clip))
    except (DubbenchError, OSError) as error:
        example.problems.append(f"no picture: {_short(error, clip.video)}")
    heard: list[tuple[Track, NDArray[np.float32]]] = []
    for label, entrant in sheet.entrants.items():
        row = sheet.dubs.get((label, clip.id))
        if row is None or row.reason:
            example.problems.append(f"{label}: {row.reason if row else 'not dubbed'}")
            continue
        try:
            heard.append(_track(label, *read_audio_native(_inside(entrant.run.path, row.path))))
        except (DubbenchError, OSError) as error:
            example.problems.append(f"{label}: {_short(error, str(entrant.run.path / row.path))}")
    if not any(e.info.name == "ground_truth" for e in (x.entry for x in sheet.entrants.values())):
        with suppress(DubbenchError, OSError):  # a video without sound has no original to hear
            heard.insert(0, _track(None, read_audio(sound_of(runs, clip)), RATE))
    example.span = max([min(clip.duration, media.LONGEST), *(track.seconds for track, _ in heard)])
    powers = [media.mel(samples) for _, samples in heard]
    loudest = max((float(np.quantile(power, BRIGHT)) for power in powers), default=1.0)
    columns = max(1, round(example.span / media.HOP))
    for (track, samples), power in zip(heard, powers, strict=True):
        track.mel, track.pitch = media.picture(power, loudest, columns), media.pitch(samples)
    example.tracks = [track for track, _ in heard]
    return example


def _track(label: str | None, samples: NDArray[np.float32], rate: int) -> tuple[Track, NDArray[np.float32]]:
    kept = samples[: int(media.LONGEST * rate)]
    return Track(label, len(kept) / rate, media.sound(kept, rate)), resample(kept, rate, RATE)


def _inside(run: Path, path: str) -> Path:
    """A ledger's path; one that leads out of its run is refused, since a run may come from someone else."""
    whole = (run / path).resolve()
    if not whole.is_relative_to(run.resolve()):
        raise DubbenchError(f"{path}: leads out of the run folder")
    return whole


def _short(error: Exception, path: str) -> str:
    """The error without the folder, which says nothing to a reader elsewhere and differs between machines."""
    return one_line(error).replace(path, Path(path).name)
