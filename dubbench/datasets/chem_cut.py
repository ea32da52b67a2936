"""Cut sentence clips out of Lip2Wav's segments (``intervals/<YouTube id>/cut-N.mp4``) or whole lectures by a table.

Lip2Wav cuts lectures every 30 s without re-encoding, so a segment really begins at the first key frame after 30·N s.
Times in the table are of the lecture; where a segment begins is therefore summed up from the lengths of those before
it.
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path

from dubbench.datasets.base import Advance, Problem
from dubbench.datasets.chem_lists import CLIP_ID
from dubbench.datasets.cutting import FPS, Cut, Segment, make
from dubbench.datasets.table import Row, read_table
from dubbench.datasets.walk import VIDEO_SUFFIXES
from dubbench.errors import DubbenchError, MediaError
from dubbench.runtime.files import atomic
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.container import only_files

NOMINAL = 30.0
LONGEST = 60.0
_SEGMENT = re.compile(r"cut-([0-9]+)\.mp4")


def prepare(source: Path, table: Path, out: Path, workers: int = 1, progress: Advance | None = None) -> list[Problem]:
    """Cut every row of ``table`` (columns id, start, end, text; seconds) to ``out/clips/<video>/<id>.mp4``.

    Clips are 25 fps H.264 with lossless mono sound at the source's rate, exactly as long as the picture; they begin at
    the source frame nearest to ``start``. What is there already from the same times stays. ``out/transcripts.csv`` is
    written for the clips that exist, so that ``out`` is a `dubbench.datasets.chem.ChemDataset` folder.

    Args:
        source: holds ``intervals/<YouTube id>/cut-N.mp4``, or whole lectures ``videos/<YouTube id>.mp4``.
        table: CSV, TSV or JSONL.
        out: made if missing.
        workers: processes.
        progress: called once a row of the table, with whether it failed.

    Returns:
        The rows that could not be cut, and why.

    Raises:
        DubbenchError: no segments, or no usable table.
    """
    if not any((source / name).is_dir() for name in ("intervals", "videos")):
        raise DubbenchError(f"chem: nothing to cut in {source}; expected intervals/<YouTube id>/cut-0.mp4 … or videos/")
    rows, problems = read_table(table, ("id", "start", "end", "text"))
    cuts: dict[str, Cut] = {}
    texts: dict[str, str] = {}
    lectures: dict[str, list[Segment] | DubbenchError] = {}
    for row in rows:
        try:
            cut = _plan(row, source, out, lectures)
            if cut.clip in cuts:
                raise DubbenchError(f"{row.where}: the id is there twice; the first row is used")
        except DubbenchError as error:
            problems.append(Problem(row["id"] or row.where, str(error)))
            if progress is not None:
                progress(True)
            continue
        cuts[cut.clip] = cut
        texts[cut.clip] = row["text"]
    for cut, result in each(make, cuts.values(), workers=workers, timeout=600.0):
        if isinstance(result, Crash):
            problems.append(Problem(cut.clip, result.reason))
            del texts[cut.clip]
        if progress is not None:
            progress(isinstance(result, Crash))
    _write_transcripts(out / "transcripts.csv", texts)
    return sorted(problems)


def _plan(row: Row, source: Path, out: Path, lectures: dict[str, list[Segment] | DubbenchError]) -> Cut:
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
            lectures[video] = lecture(source, video)
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
    return any(b.start - a.end > 1 / FPS for a, b in itertools.pairwise(parts))


def lecture(source: Path, video: str) -> list[Segment]:
    """The segments of one lecture; the whole lecture, where it is there, is one segment."""
    whole = sorted(path for path in (source / "videos").glob(f"{video}.*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if whole:
        return [Segment(whole[0], 0.0, _length(whole[0]))]
    return segments(source / "intervals" / video)


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
        with av.open(**only_files(path)) as container:
            stream = container.streams.video[0]
            if not stream.duration or stream.time_base is None:
                raise MediaError(f"{path}: the length of the picture is unknown")
            return float(stream.duration * stream.time_base)
    except (av.FFmpegError, IndexError) as error:
        raise MediaError(f"{path}: not readable as video ({error}); fetch it again") from error


def _write_transcripts(path: Path, texts: dict[str, str]) -> None:
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["id", "text"])
    writer.writerows((clip, texts[clip]) for clip in sorted(texts))
    with atomic(path) as temporary:
        temporary.write_text(table.getvalue(), "utf-8")
