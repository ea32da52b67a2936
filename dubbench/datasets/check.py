"""Open every clip and say what is wrong with it; hold what is here against what is published."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dubbench.core.clip import Clip
from dubbench.datasets.base import Advance, Dataset, Problem
from dubbench.errors import MediaError
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import AGAIN, RATE, VideoInfo, probe, read_audio_native
from dubbench.signal.truncation import TOGETHER, cut_short, ending

FPS = 25.0
SILENCE = 1e-3
"""Peak below which there is nothing but silence (-60 dB of full scale)."""


def check(
    clips: Sequence[Clip], workers: int = 1, progress: Advance | None = None, seconds: float | None = None
) -> list[Problem]:
    """Decode every clip's picture and sound and report what is wrong, sorted by clip.

    Reported: files that are missing, empty, unreadable or damaged; no sound; NaN or Inf; silence; a rate below 16 kHz;
    not 25 fps; sound and picture that end more than 0.1 s apart; a length other than ``seconds``.

    Args:
        clips: the clips.
        workers: processes; a file that crashes or hangs the decoder costs one clip's answer, not the check.
        progress: called after every clip, with whether something is wrong with it.
        seconds: how long every clip should be (`DatasetInfo.seconds`).
    """
    problems: list[Problem] = []
    for clip, result in each(partial(check_clip, seconds=seconds), clips, workers=workers, timeout=120.0):
        lines = [f"{clip.video}: {result.reason}"] if isinstance(result, Crash) else result
        problems += [Problem(clip.id, line) for line in lines]
        if progress is not None:
            progress(bool(lines))
    return sorted(problems)


def check_clip(clip: Clip, seconds: float | None = None) -> list[str]:
    """What is wrong with one clip, a line each; empty if all is well."""
    lines: list[str] = []
    info: VideoInfo | None = None
    try:
        info = _look(clip.video)
        lines += _picture(clip.video, info, seconds)
    except MediaError as error:
        lines.append(str(error))
    if clip.audio is None:
        return [*lines, f"{clip.video}: no ground-truth sound; it can be dubbed, but not scored against the truth"]
    if clip.audio == clip.video and (info is None or not info.has_audio):
        return lines if info is None else [*lines, f"{clip.video}: the file has no audio stream; add its sound"]
    try:
        samples, rate = read_audio_native(clip.audio)
    except MediaError as error:
        return [*lines, str(error)]
    return lines + _sound(clip.audio, samples, rate, info)


def _look(path: Path) -> VideoInfo:
    """`probe`, after every picture was decoded.

    Raises:
        MediaError: also where a picture is damaged.
    """
    import av

    if path.is_file() and path.stat().st_size == 0:
        raise MediaError(f"{path}: the file is empty; {AGAIN}")
    info = probe(path)
    try:
        with av.open(str(path)) as container:
            damaged = sum(frame.is_corrupt for frame in container.decode(container.streams.video[0]))
    except av.FFmpegError as error:
        raise MediaError(f"{path}: damaged or truncated ({error}); {AGAIN}") from error
    if torn := cut_short(path):
        raise MediaError(torn)
    if damaged:
        raise MediaError(f"{path}: {damaged} of {info.frames} pictures are damaged; {AGAIN}")
    return info


def _picture(path: Path, info: VideoInfo, seconds: float | None) -> list[str]:
    lines = []
    if abs(info.fps - FPS) > 0.01:
        lines.append(f"{path}: {info.fps:.2f} fps instead of {FPS:g}; re-encode it")
    if seconds is not None and abs(info.duration - seconds) > TOGETHER:
        lines.append(f"{path}: lasts {info.duration:.2f} s instead of {seconds:.2f} s; {AGAIN}")
    return lines


def _sound(path: Path, samples: Any, rate: int, info: VideoInfo | None) -> list[str]:
    lines = []
    apart = len(samples) / rate - info.duration if info is not None else 0.0
    if said := ending(apart):
        lines.append(f"{path}: {said}; cut them to one length, or get the file again if it was cut short")
    if float(np.abs(samples).max()) < SILENCE:
        lines.append(f"{path}: the sound is silent; add the speech")
    if rate < RATE:
        lines.append(f"{path}: the sound has {rate} Hz, too few for {RATE} Hz; look for a better copy")
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
