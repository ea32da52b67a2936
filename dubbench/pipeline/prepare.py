"""Each clip once into the two files that everything else reads: its silent video and its sound at 16 kHz."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.digests import digest as digest_of
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import AGAIN, RATE, probe, read_audio, recipe, silent_copy, write_wav
from dubbench.signal.truncation import SHORT, cut_short


@dataclass(frozen=True, slots=True)
class Prepared:
    """A clip made ready.

    Attributes:
        clip: its id.
        digest: sha256 over text, video and audio bytes and `dubbench.signal.media.recipe`; empty if ``problem``.
        duration: of the video in seconds. fps: of the video.
        apart: end of the sound less end of the video in seconds; 0 without usable sound.
        problem: why its video cannot be used; truth_problem: why its sound cannot.
        unwritten: the `OSError` arguments of a disk that takes no more: no fault of the clip.
    """

    clip: str
    digest: str = ""
    duration: float = 0.0
    fps: float = 0.0
    apart: float = 0.0
    problem: str = ""
    truth_problem: str = ""
    unwritten: tuple[int | None, str | None, str] | None = None


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
        info = probe(clip.video)
        if seconds is not None and info.duration < seconds - SHORT:
            raise DubbenchError(f"{clip.video}: truncated, {info.duration:g} s of {seconds:g} s; {AGAIN}")
        if torn := cut_short(clip.video):
            raise DubbenchError(torn)
        digest = content_digest(clip.text, clip.video, clip.audio)
        if not video_file(work, digest).exists():
            silent_copy(clip.video, video_file(work, digest))
    except DubbenchError as error:
        return Prepared(clip.id, problem=one_line(error))
    truth_problem = ""
    if clip.audio is None:
        truth_problem = f"clip {clip.id} has no ground-truth sound; add it, or read only columns that need none"
    elif not sound_file(work, digest).exists():
        try:
            write_wav(sound_file(work, digest), read_audio(clip.audio), RATE)
        except DubbenchError as error:
            truth_problem = one_line(error)
    apart = 0.0 if truth_problem else _seconds(sound_file(work, digest)) - info.duration
    return Prepared(clip.id, digest, info.duration, info.fps, apart, truth_problem=truth_problem)


def _seconds(path: Path) -> float:
    """Length of a prepared sound, from the head of its file."""
    import soundfile

    return float(soundfile.info(path).duration)


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
