"""Checks of a data set: every clip is opened and its faults are listed; the counts are compared with the published
ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dubbench.core.clip import Clip
from dubbench.datasets.base import Advance, Dataset, Problem
from dubbench.errors import DubbenchError, MediaError
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import AGAIN, RATE, hear
from dubbench.signal.picture import Picture
from dubbench.signal.soundtrack import SILENCE, Soundtrack
from dubbench.signal.survey import Survey, survey
from dubbench.signal.truncation import TOGETHER, cut_short, ending

FPS = 25.0

Look = Callable[[Clip, Picture, Soundtrack | None], list[str]]
"""A further check of a clip that can be read: its picture and its sound (None without) to what is wrong, a line each;
a function of a module, since it goes to other processes."""


def check(
    clips: Sequence[Clip],
    workers: int = 1,
    progress: Advance | None = None,
    seconds: float | None = None,
    look: Look | None = None,
) -> list[Problem]:
    """Decode every clip's picture and sound and report what is wrong, sorted by clip.

    Reported is whatever a run cannot read, or reads with a loss or as other than it is stored: files that are missing,
    empty, unreadable or damaged; pictures or sound packets that cannot be decoded; rates other than 25 fps or without
    a constant one; turned, stretched or interlaced pictures, and those that an edit list leaves out; no sound, NaN or
    Inf, silence, gaps, a rate below 16 kHz; sound and picture that end more than 0.1 s apart; a length other than
    ``seconds``; and what ``look`` finds.

    Args:
        clips: the clips.
        workers: processes; a file that crashes or hangs the decoder costs one clip's answer, not the check.
        progress: called after every clip, with whether something is wrong with it.
        seconds: how long every clip should be (`DatasetInfo.seconds`).
        look: a further check, `faces` for one.
    """
    problems: list[Problem] = []
    task = partial(check_clip, seconds=seconds, look=look)
    for clip, result in each(task, clips, workers=workers, timeout=120.0):
        lines = [f"{clip.video}: {result.reason}"] if isinstance(result, Crash) else result
        problems += [Problem(clip.id, line) for line in lines]
        if progress is not None:
            progress(bool(lines))
    return sorted(problems)


def check_clip(clip: Clip, seconds: float | None = None, look: Look | None = None) -> list[str]:
    """What is wrong with one clip, a line each; empty if all is well."""
    lines: list[str] = []
    seen: Survey | None = None
    try:
        seen = survey(clip.video)
        if torn := cut_short(clip.video):
            raise MediaError(torn)
        lines += _picture(clip, seen, seconds)
    except MediaError as error:
        lines.append(str(error))
    track: Soundtrack | None = None
    if clip.audio is None:
        lines.append(f"{clip.video}: no ground-truth sound; it can be dubbed, but not scored against the truth")
    elif clip.audio != clip.video or seen is not None:
        try:
            track = hear(clip.audio)
            lines += _sound(clip, track, seen)
        except MediaError as error:
            lines.append(str(error))
    if look is not None and seen is not None:
        lines += look(clip, Picture(clip.video, str(clip.video)), track)
    return lines


def faces(clip: Clip, picture: Picture, track: Soundtrack | None) -> list[str]:
    """Whether one face, and one alone, can be followed; empty if so."""
    try:
        found = picture.face.found
        count = picture.faces
    except DubbenchError as error:
        return [str(error)]
    lines = []
    if count > 1:
        lines.append(f"{clip.video}: {count} faces in most pictures, one is followed; cut the others off")
    if not found.all():
        lines.append(f"{clip.video}: a face in only {int(found.sum())} of {len(found)} pictures; the rest is guessed")
    return lines


def _picture(clip: Clip, seen: Survey, seconds: float | None) -> list[str]:
    path, duration = clip.video, seen.clock.duration
    lines = [f"{path}: {remark}" for remark in seen.remarks]
    if seen.clock.steady and abs(seen.clock.fps - FPS) > 0.01:
        lines.append(f"{path}: {seen.clock.fps:.2f} fps instead of {FPS:g}; re-encode it")
    if seconds is not None and abs(duration - seconds) > TOGETHER:
        lines.append(f"{path}: lasts {duration:.2f} s instead of {seconds:.2f} s; {AGAIN}")
    return lines


def _sound(clip: Clip, track: Soundtrack, seen: Survey | None) -> list[str]:
    path = clip.audio
    lines = [f"{path}: {remark}" for remark in track.remarks]
    apart = len(track.samples) / track.rate - seen.clock.duration if seen is not None else 0.0
    if said := ending(apart):
        lines.append(f"{path}: {said}; cut them to one length, or get the file again if it was cut short")
    if float(np.abs(track.samples).max()) < SILENCE:
        lines.append(f"{path}: the sound is silent; add the speech")
    if track.rate < RATE:
        lines.append(f"{path}: the sound has {track.rate} Hz, too few for {RATE} Hz; look for a better copy")
    return lines


def summary(dataset: Dataset, clips: Sequence[Clip]) -> dict[str, Any]:
    """What was looked at, and for each published split what is here of how many; with the data set's remark."""
    report: dict[str, Any] = {
        "dataset": dataset.info.name,
        "root": str(dataset.root),
        "clips": len(clips),
        "speakers": len({clip.speaker for clip in clips}),
    }
    here = {clip.id for clip in dataset.clips()}
    for name, published in dataset.info.published_counts.items():
        listed = dataset.split(name)
        found = "no list here" if listed is None else f"{len(here & set(listed)):,} here of {len(listed):,} listed"
        report[f"{name} split"] = f"{found}; papers report {published:,}"
    if dataset.info.remark:
        report["remark"] = dataset.info.remark
    return report
