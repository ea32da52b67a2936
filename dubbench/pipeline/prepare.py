"""Preparation of clips: each becomes the two files that all later steps read, its silent video and its sound at 16
kHz.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.digests import digest as digest_of
from dubbench.runtime.files import write_text
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import AGAIN, RATE, hear, recipe, resample, silent_copy, write_wav
from dubbench.signal.soundtrack import SILENCE, Soundtrack
from dubbench.signal.survey import survey
from dubbench.signal.truncation import SHORT, cut_short


@dataclass(frozen=True, slots=True)
class Prepared:
    """A clip made ready.

    Attributes:
        clip: its id.
        digest: sha256 over text, video and audio bytes and `dubbench.signal.media.recipe`; empty if ``problem``.
        duration: of the video in seconds. fps: of the video, 25 where it has no constant rate.
        apart: end of the sound less end of the video in seconds; 0 without usable sound.
        problem: why its video cannot be used; truth_problem: why its sound cannot.
        notes: what is odd in its video or sound, though it can be used; a line each.
        unwritten: the `OSError` arguments of a disk that takes no more: no fault of the clip.
    """

    clip: str
    digest: str = ""
    duration: float = 0.0
    fps: float = 0.0
    apart: float = 0.0
    problem: str = ""
    truth_problem: str = ""
    notes: tuple[str, ...] = ()
    unwritten: tuple[int | None, str | None, str] | None = None


CLOCK = "times as the container states them"
"""Enters the digest of clips that were read in another way before: no score of then is taken for one of now."""

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""What a disk says that takes no more."""


def video_file(work: Path, digest: str) -> Path:
    """Where the silent video of a clip lies."""
    return work / "video" / f"{digest[:24]}.mkv"


def sound_file(work: Path, digest: str) -> Path:
    """Where the sound of a clip lies (mono float32 wav at 16 kHz on the video's clock).

    Its name does not follow from the video's, so that no system comes upon the ground truth of its clip by chance.
    """
    return work / "sound" / f"{hashlib.sha256(f'sound {digest}'.encode()).hexdigest()[:24]}.wav"


def prepare(
    clips: Iterable[Clip],
    work: Path,
    workers: int,
    timeout: float,
    done: Callable[[Prepared], None],
    seconds: float | None = None,
) -> dict[str, Prepared]:
    """Make every clip ready under ``work``; files that are there already are kept.

    ``seconds`` is the length of every clip where the data set has one length: a shorter video is a truncated file.

    Raises:
        OSError: the disk takes no more; what was written before is kept.
    """
    work.mkdir(parents=True, exist_ok=True)
    ready: dict[str, Prepared] = {}
    for (clip, _, _), result in each(_prepare, ((c, work, seconds) for c in clips), workers=workers, timeout=timeout):
        if isinstance(result, Crash):
            result = Prepared(clip.id, problem=f"{clip.video}: {result.reason}; {AGAIN}, or leave the clip out")
        if result.unwritten:
            raise OSError(*result.unwritten)
        ready[clip.id] = result
        done(result)
    return ready


def _prepare(task: tuple[Clip, Path, float | None]) -> Prepared:
    clip, work, _ = task
    try:
        return _made(*task)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return Prepared(clip.id, unwritten=(error.errno, error.strerror, str(work)))


def _made(clip: Clip, work: Path, seconds: float | None) -> Prepared:
    try:
        if not clip.text.strip():
            raise DubbenchError(f"clip {clip.id} has no text; write the sentence that is spoken")
        content = content_digest(clip.text, clip.video, clip.audio)
        kept = work / "seen" / f"{content[:24]}.json"
        if earlier := _earlier(kept, clip.id, work):
            return earlier
        seen = survey(clip.video)
        duration = seen.clock.duration
        if seconds is not None and duration < seconds - SHORT:
            raise DubbenchError(f"{clip.video}: truncated, {duration:g} s of {seconds:g} s; {AGAIN}")
        if torn := cut_short(clip.video):
            raise DubbenchError(torn)
        track, truth_problem = _heard(clip)
        heard = track.remarks if track is not None else []
        ordinary = seen.plain and seen.clock.ordered and not seen.remarks and not heard
        digest = content if ordinary else digest_of([content, CLOCK])
        if not video_file(work, digest).exists():
            silent_copy(clip.video, video_file(work, digest), seen)
    except DubbenchError as error:
        return Prepared(clip.id, problem=one_line(error))
    apart = 0.0
    if track is not None:
        samples = resample(track.samples, track.rate, RATE)
        apart = len(samples) / RATE - duration
        if not sound_file(work, digest).exists():
            write_wav(sound_file(work, digest), samples, RATE)
    notes = (*seen.remarks, *heard)
    made = Prepared(clip.id, digest, duration, seen.clock.grid, apart, truth_problem=truth_problem, notes=notes)
    write_text(kept, json.dumps(asdict(made)) + "\n")
    return made


def _heard(clip: Clip) -> tuple[Soundtrack | None, str]:
    """The ground truth, or why there is none."""
    if clip.audio is None:
        return None, f"clip {clip.id} has no ground-truth sound; add it, or read only columns that need none"
    try:
        track = hear(clip.audio)
    except DubbenchError as error:
        return None, one_line(error)
    if float(np.abs(track.samples).max()) < SILENCE:
        return None, f"{clip.audio}: the sound is silent; add the speech"
    return track, ""


def _earlier(kept: Path, clip: str, work: Path) -> Prepared | None:
    """What was made of the same files and text before, where it is all still there."""
    try:
        made = TypeAdapter(Prepared).validate_json(kept.read_bytes())
    except (OSError, ValidationError):
        return None
    whole = video_file(work, made.digest).exists() and (made.truth_problem or sound_file(work, made.digest).exists())
    return replace(made, clip=clip) if whole else None


def oddities(ready: Mapping[str, Prepared], dataset: str) -> list[str]:
    """A line on each kind of oddity among the clips, with the first few of them; the others are counted."""
    groups: dict[str, dict[str, str]] = {}
    for clip, made in sorted(ready.items()):
        for line in made.notes:
            groups.setdefault(re.sub(r"\d+(\.\d+)?", "#", line), {})[clip] = line
    lines = []
    for found in groups.values():
        first, line = next(iter(found.items()))
        more = f"; likewise {len(found) - 1:,} more of {len(ready):,} clips" if len(found) > 1 else ""
        lines.append(f"{first}: {line}{more}; see: dubbench data check {dataset}")
    return lines


def content_digest(text: str, *paths: Path | None) -> str:
    """sha256 over a text, the bytes of files (each once), and `dubbench.signal.media.recipe`: another decoder may make
    other files of them."""
    total = hashlib.sha256(text.encode())
    total.update(digest_of(recipe()).encode())
    for path in dict.fromkeys(paths):
        if path is not None and path.is_file():
            with path.open("rb") as file:
                total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()
