"""Cut sentence clips out of Lip2Wav's segments (``intervals/<YouTube id>/cut-N.mp4``) by a table of times.

Lip2Wav cuts lectures every 30 s without re-encoding, so a segment really begins at the first key frame after 30·N s.
Times in the table are of the lecture; where a segment begins is therefore summed up from the lengths of those before
it. Sound crosses a join of segments through one decoder, which leaves no gap and no click.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.datasets.base import Problem, Progress
from dubbench.datasets.chem import CLIP_ID
from dubbench.datasets.parallel import over
from dubbench.datasets.table import Row, read_table
from dubbench.errors import DubbenchError, MediaError, one_line
from dubbench.media import atomic

FPS = 25
NOMINAL = 30.0
LONGEST = 60.0
RECIPE = "dubbench-cut-1"
_SEGMENT = re.compile(r"cut-([0-9]+)\.mp4")


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


def prepare(source: Path, table: Path, out: Path, workers: int = 1, progress: Progress | None = None) -> list[Problem]:
    """Cut every row of ``table`` (columns id, start, end, text; seconds) to ``out/clips/<video>/<id>.mp4``.

    Clips are 25 fps H.264 with lossless mono sound at the source's rate, exactly as long as the picture; they begin at
    the source frame nearest to ``start``. What is there already from the same times stays. ``out/transcripts.csv`` is
    written for the clips that exist, so that ``out`` is a `dubbench.datasets.chem.Chem` folder.

    Args:
        source: the folder that holds ``intervals/``, or ``intervals`` itself.
        table: CSV, TSV or JSONL.
        out: made if missing.
        workers: processes.
        progress: called after every clip.

    Returns:
        The rows that could not be cut, and why.

    Raises:
        DubbenchError: no segments, or no usable table.
    """
    folder = source / "intervals" if (source / "intervals").is_dir() else source
    if not folder.is_dir():
        raise DubbenchError(f"chem: no folder {folder}; expected Lip2Wav's intervals/<YouTube id>/cut-0.mp4 …")
    rows, problems = read_table(table, ("id", "start", "end", "text"))
    cuts: dict[str, Cut] = {}
    texts: dict[str, str] = {}
    lectures: dict[str, list[Segment] | DubbenchError] = {}
    for row in rows:
        try:
            cut = _plan(row, folder, out, lectures)
            if cut.clip in cuts:
                raise DubbenchError(f"{row.where}: the id is there twice; the first row is used")
        except DubbenchError as error:
            problems.append(Problem(row["id"] or row.where, str(error)))
            continue
        cuts[cut.clip] = cut
        texts[cut.clip] = row["text"]
    results = over(make, list(cuts.values()), workers, progress, timeout=600.0)
    for clip, result in zip(list(cuts), results, strict=True):
        if isinstance(result, Exception):
            problems.append(Problem(clip, one_line(result)))
            del texts[clip]
    _write_transcripts(out / "transcripts.csv", texts)
    return sorted(problems)


def _plan(row: Row, folder: Path, out: Path, lectures: dict[str, list[Segment] | DubbenchError]) -> Cut:
    clip = row["id"]
    named = CLIP_ID.fullmatch(clip)
    if not named:
        raise DubbenchError(f"{row.where}: {clip!a} is no clip id such as AGZZGR5Otxw-013; correct it")
    if not row["text"]:
        raise DubbenchError(f"{row.where}: no text; write the sentence that is spoken")
    try:
        start, end = float(row["start"]), float(row["end"])
    except ValueError:
        start = end = 0.0
    if not 0 <= start < end < start + LONGEST:
        raise DubbenchError(
            f"{row.where}: from {row['start']!a} to {row['end']!a} is no sentence; expected seconds, start < end, "
            f"under {LONGEST:g} s"
        )
    video = named[1]
    if video not in lectures:
        try:
            lectures[video] = segments(folder / video)
        except DubbenchError as error:
            lectures[video] = error
    parts = lectures[video]
    if isinstance(parts, DubbenchError):
        raise parts
    needed = tuple(part for part in parts if part.start < end and part.end > start)
    # a frame's worth of slack: a sentence may end with the last frame
    if not needed or needed[0].start > start or needed[-1].end < end - 1 / FPS or _gap(needed):
        spans = f"{parts[0].start:.1f}–{parts[-1].end:.1f} s"
        raise DubbenchError(f"{row.where}: {start:g}–{end:g} s is not all in the segments of {video} ({spans})")
    return Cut(clip, start, end, needed, out / "clips" / video / f"{clip}.mp4")


def _gap(parts: tuple[Segment, ...]) -> bool:
    return any(b.start - a.end > 1 / FPS for a, b in zip(parts, parts[1:], strict=False))


def segments(folder: Path) -> list[Segment]:
    """The segments of one lecture, in order, on the lecture's clock.

    A missing segment can be stepped over only if all others but the last are exactly 30 s long.

    Raises:
        DubbenchError: no segments, an unreadable one, or a missing one that leaves the times unknown.
    """
    numbered = sorted((int(m[1]), path) for path in folder.glob("cut-*.mp4") if (m := _SEGMENT.fullmatch(path.name)))
    if not numbered:
        raise DubbenchError(f"{folder}: no segments cut-0.mp4 …; fetch the lecture and cut it as Lip2Wav does")
    lengths = [_length(path) for _, path in numbered]
    missing = sorted(set(range(numbered[-1][0])) - {number for number, _ in numbered})
    exact = all(abs(length - NOMINAL) < 0.5 / FPS for length in lengths[:-1])
    if missing and not exact:
        raise DubbenchError(f"{folder}: cut-{missing[0]}.mp4 is missing, so later times are unknown; put it back")
    result: list[Segment] = []
    start = 0.0
    for (number, path), length in zip(numbered, lengths, strict=True):
        start = number * NOMINAL if missing else start
        result.append(Segment(path, start, start + length))
        start += length
    return result


def _length(path: Path) -> float:
    """Length of the picture in seconds, from the header."""
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            if not stream.duration or stream.time_base is None:
                raise MediaError(f"{path}: the length of the picture is unknown")
            return float(stream.duration * stream.time_base)
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"{path}: not readable as video ({error}); fetch it again") from error


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
        with av.open(str(path)) as container:
            return container.metadata.get("comment")
    except av.FFmpegError:
        return None


def _pictures(cut: Cut) -> Iterator[tuple[float, Any]]:
    """(time in the lecture, frame) from the last key frame before the cut on."""
    import av

    for index, segment in enumerate(cut.segments):
        with av.open(str(segment.path)) as container:
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
    """Mono sound of the lecture from ``zero`` s for ``length`` s: ((T,) float32, rate in Hz); zeros where there is none."""
    import av

    decoder: Any = None
    rate, samples = 0, np.zeros(0, np.float32)
    for segment in cut.segments:
        with av.open(str(segment.path)) as container:
            if not container.streams.audio:
                raise MediaError(f"{segment.path}: the file has no audio stream")
            stream = container.streams.audio[0]
            video = container.streams.video[0]
            first = float((video.start_time or 0) * video.time_base)
            if decoder is None:
                decoder, rate = stream.codec_context, int(stream.rate)
                samples = np.zeros(round(length * rate), np.float32)
            elif int(stream.rate) != rate:
                raise MediaError(f"{segment.path}: sound at {stream.rate} Hz, in the segment before at {rate} Hz")
            for packet in container.demux(stream):
                for frame in decoder.decode(packet) if packet.size else []:
                    time = segment.start + float(frame.pts * stream.time_base) - first
                    _place(samples, frame, round((time - zero) * rate))
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
    pictures = output.add_stream("libx264", rate=FPS, options={"crf": "16", "preset": "medium", "threads": "1"})
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


def _write_transcripts(path: Path, texts: dict[str, str]) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows((clip, texts[clip]) for clip in sorted(texts))
    with atomic(path) as temporary:
        temporary.write_text(table.getvalue(), "utf-8")
