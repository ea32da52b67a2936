"""Cut one clip out of the segments of a longer video: frame-accurate, 25 fps, sound and picture on one clock.

Sound crosses a join of segments through one decoder, which leaves no gap and no click.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import MediaError
from dubbench.runtime.files import atomic
from dubbench.signal.container import only_files
from dubbench.signal.media import x264

FPS = 25
RECIPE = "dubbench-cut-1"
JITTER = 0.005
"""Seconds by which time stamps may be off, as mp4 rounds starts to milliseconds: sound goes on without a seam."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a lecture: its file, and where it begins and ends in the lecture, in seconds."""

    path: Path
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Cut:
    """One sentence to cut: times in the lecture in seconds."""

    clip: str
    start: float
    end: float
    segments: tuple[Segment, ...]
    target: Path

    @property
    def mark(self) -> str:
        """Kept inside the clip, so that a clip of another table or recipe is made anew."""
        return f"{RECIPE} {self.start:.3f} {self.end:.3f}"


def make(cut: Cut) -> None:
    """Cut one clip, unless it is there. Raises `MediaError` if the segments cannot be decoded or end too early."""
    import av

    if _mark_of(cut.target) == cut.mark:
        return
    try:
        count = round((cut.end - cut.start) * FPS) or 1
        pictures = nearest(_pictures(cut), cut.start, count)
        zero, first = next(pictures)
        with atomic(cut.target) as temporary:
            options = {"movflags": "use_metadata_tags"}
            with av.open(str(temporary), "w", format="mp4", options=options) as output:
                output.metadata["comment"] = cut.mark
                _encode(output, first, pictures, sound(cut, zero, count / FPS))
    except av.FFmpegError as error:
        raise MediaError(f"{cut.clip}: {cut.segments[0].path} cannot be decoded ({error}); fetch it again") from error


def _mark_of(path: Path) -> str | None:
    import av

    if not path.is_file():
        return None
    try:
        with av.open(**only_files(path)) as container:
            return str(container.metadata.get("comment"))
    except av.FFmpegError:
        return None


def _pictures(cut: Cut) -> Iterator[tuple[float, Any]]:
    """(time in the lecture, frame) from the last key frame before the cut on."""
    import av

    for index, segment in enumerate(cut.segments):
        with av.open(**only_files(segment.path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            first = stream.start_time or 0
            if index == 0:
                container.seek(first + int((cut.start - segment.start - 1 / FPS) / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                yield segment.start + float((frame.pts - first) * frame.time_base), frame


def nearest(frames: Iterator[tuple[float, Any]], start: float, count: int) -> Iterator[tuple[float, Any]]:
    """``count`` frames at 25 fps, each the source frame nearest in time; the first is the one nearest to ``start``.

    Yields:
        (time of the first frame, frame).

    Raises:
        MediaError: the source ends more than a frame before the last.
    """
    before: tuple[float, Any] | None = None
    zero: float | None = None
    made = 0
    for time, frame in frames:
        if before is not None and time >= start and zero is None:
            zero = before[0] if start - before[0] <= time - start else time
        if before is not None and zero is not None:
            while made < count and zero + made / FPS < (before[0] + time) / 2:
                yield zero, before[1]
                made += 1
        before = (time, frame)
        if zero is None and time >= start:
            zero = time
        if made == count:
            return
    if before is None or zero is None or zero + (count - 2) / FPS > before[0]:
        raise MediaError("the segments end before the sentence does; fetch them again or correct the times")
    for _ in range(made, count):
        yield zero, before[1]


def sound(cut: Cut, zero: float, length: float) -> tuple[NDArray[np.float32], int]:
    """Mono sound of the lecture from ``zero`` s for ``length`` s: ((T,) float32, rate in Hz), zeros where none."""
    import av

    decoder: Any = None
    rate, samples = 0, np.zeros(0, np.float32)
    due: int | None = None
    for segment in cut.segments:
        with av.open(**only_files(segment.path)) as container:
            if not container.streams.audio:
                raise MediaError(f"{segment.path}: the file has no audio stream; add its sound")
            stream = container.streams.audio[0]
            video = container.streams.video[0]
            first = float((video.start_time or 0) * video.time_base)
            if decoder is None:
                decoder, rate = stream.codec_context, int(stream.rate)
                # the packets around a join belong to the segment before, which lacks them: decode them all the same
                decoder.flags2 |= av.codec.context.Flags2.skip_manual
                samples = np.zeros(round(length * rate), np.float32)
            elif int(stream.rate) != rate:
                raise MediaError(f"{segment.path}: sound at {stream.rate} Hz, in the segment before at {rate} Hz")
            for packet in container.demux(stream):
                for frame in decoder.decode(packet) if packet.size else []:
                    time = segment.start + float(frame.pts * stream.time_base) - first
                    at = round((time - zero) * rate)
                    at = due if due is not None and abs(at - due) < JITTER * rate else at
                    _place(samples, frame, at)
                    due = at + frame.samples
    return samples, rate


def _place(samples: NDArray[np.float32], frame: Any, at: int) -> None:
    """Write a decoded frame's mono mix into ``samples`` from index ``at`` on, as far as it falls inside."""
    if at >= len(samples) or at + frame.samples <= 0:
        return
    block = frame.to_ndarray()
    if not np.issubdtype(block.dtype, np.floating):
        block = block / -float(np.iinfo(block.dtype).min)
    block = block if frame.format.is_planar else block.reshape(-1, frame.layout.nb_channels).T
    mono = block.mean(axis=0, dtype=np.float32)[max(0, -at) : len(samples) - at]
    samples[max(0, at) : max(0, at) + len(mono)] = mono


def _encode(output: Any, first: Any, rest: Iterator[tuple[float, Any]], heard: tuple[NDArray[np.float32], int]) -> None:
    import av

    samples, rate = heard
    pictures = output.add_stream("libx264", rate=FPS, options=x264(16, "medium"))
    pictures.width, pictures.height, pictures.pix_fmt = first.width & ~1, first.height & ~1, "yuv420p"
    audio = output.add_stream("flac", rate=rate, layout="mono", format="s16")

    def encode(frame: Any, index: int) -> None:
        picture = frame.reformat(width=pictures.width, height=pictures.height, format="yuv420p")
        if picture is frame:  # shown twice in a row: the time stamp belongs to the copy
            picture = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
        picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, FPS), av.video.frame.PictureType.NONE
        output.mux(pictures.encode(picture))

    encode(first, 0)
    for index, (_, frame) in enumerate(rest, 1):
        encode(frame, index)
    output.mux(pictures.encode(None))
    whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    for at in range(0, len(whole), 4096):
        block = av.AudioFrame.from_ndarray(whole[None, at : at + 4096], format="s16", layout="mono")
        block.sample_rate, block.pts, block.time_base = rate, at, Fraction(1, rate)
        output.mux(audio.encode(block))
    output.mux(audio.encode(None))
