"""The choice of clips from a data set: a named split, a file of ids, or a seeded share."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from dubbench.core.clip import Clip
from dubbench.datasets.base import Dataset, Remarks, as_id
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import rows_digest

_EXTENSIONS = frozenset(
    "mpg mpeg mp4 m4v avi mkv mov webm wav flac mp3 npy npz lab txt align TextGrid png jpg".lower().split()
)
_USUAL = ("test", "val", "train", "seen", "unseen")


@dataclass(frozen=True)
class Selection:
    """The clips to use.

    Attributes:
        clips: sorted by id, at least one.
        missing: ids that were asked for and that the data set does not have.
        note: where the split comes from and what is missing, for the user; may be empty.
        name: what the split is called in a run: a file of ids is ``list:STEM@DIGEST`` (of its ids), wherever it lies.
    """

    clips: list[Clip]
    missing: list[str] = field(repr=False)
    note: str
    name: str = ""


def select(dataset: Dataset, split: str = "test", limit: int | None = None) -> Selection:
    """The clips of ``split``, at most ``limit`` of them.

    Args:
        dataset: where the clips are.
        split: ``test`` (all clips where the data set has no test list or none of it is present); ``all``; another
            name the data set knows; ``random:SHARE:SEED`` (each clip with probability SHARE by a hash of its id, so
            that a clip stays on its side when others come or go) and ``random:SHARE:SEED:rest`` (the other clips);
            ``speaker:s1,s2`` (all clips of these speakers);
            or a file of ids, one a line: ``speaker-clip`` or ``speaker/clip``, extension ignored, ``#`` starts a
            comment, what follows ``|`` ignored.
        limit: keep that many, spread over the data set by a hash of the id: the first 10 are among the first 100.

    Raises:
        DubbenchError: the split is unknown or malformed, the file unreadable, the limit below 1, or nothing is left.
    """
    if limit is not None and limit < 1:
        raise DubbenchError(f"a limit of {limit} clips; give 1 or more")
    clips = {clip.id: clip for clip in dataset.clips()}
    ids, missing, note, name = _ids(dataset, split, clips)
    if not ids:
        raise DubbenchError(
            f"split {split!r} of {dataset.info.name}: none of its clips is in {dataset.root}"
            + (f" ({len(missing):,} asked for, first {missing[0]})" if missing else "")
        )
    if limit is not None and limit < len(ids):
        note = "; ".join(filter(None, [note, f"{limit} of {len(ids):,} clips, spread by a hash of the id"]))
        ids = sorted(ids, key=lambda clip: place(clip, "limit"))[:limit]
    return Selection([clips[clip] for clip in sorted(ids)], missing, note, name)


def _ids(dataset: Dataset, split: str, clips: dict[str, Clip]) -> tuple[list[str], list[str], str, str]:
    """(present, missing, note, name) of a split."""
    name = split
    if split == "all":
        return list(clips), [], "", name
    if split.startswith("random:"):
        return _random(split, clips), [], "", name
    if split.startswith("speaker:"):
        wanted = set(split.removeprefix("speaker:").split(","))
        return [clip.id for clip in clips.values() if clip.speaker in wanted], [], "", name
    listed = dataset.split(split)
    note = dataset.split_note(split) if isinstance(dataset, Remarks) else ""
    twice = 0
    if listed is None and split == "test":
        return list(clips), [], f"{dataset.info.name} has no test list here: all {len(clips):,} clips are used", name
    if listed is None:
        path = Path(split).expanduser()
        if not path.is_file():
            known = [
                "all",
                "random:SHARE:SEED",
                "speaker:NAME",
                *(n for n in _USUAL if n == "test" or dataset.split(n) is not None),
            ]
            raise DubbenchError(f"split {split!r} of {dataset.info.name}: neither a file nor one of {', '.join(known)}")
        lines = [known_id(line, clips) for line in read_ids(path)]
        listed = list(dict.fromkeys(lines))
        twice = len(lines) - len(listed)
        name = f"list:{path.name.split('.')[0]}@{rows_digest(sorted(listed))}"
    present = [clip for clip in listed if clip in clips]
    missing = [clip for clip in listed if clip not in clips]
    if split == "test" and not present:
        said = f"none of the {len(listed):,} test clips is present: all {len(clips):,} clips are used"
        return list(clips), [], "; ".join(filter(None, [note, said])), name
    notes = [note]
    if missing:
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        notes.append(f"{len(present):,} of {len(listed):,} listed clips are present; missing: {shown}")
    if twice:
        notes.append(f"{twice:,} ids are listed more than once")
    return present, missing, "; ".join(filter(None, notes)), name


def _random(split: str, clips: Iterable[str]) -> list[str]:
    try:
        _, share_text, seed, *rest = split.split(":")
        share = float(share_text)
        int(seed)
    except ValueError:
        share, rest = -1.0, []
    if not 0 < share < 1 or rest not in ([], ["rest"]):
        raise DubbenchError(f"split {split!r}: expected random:SHARE:SEED, for example random:0.1:0 (or …:rest)")
    return [clip for clip in clips if (place(clip, seed) < share) != bool(rest)]


def place(clip: str, salt: str) -> float:
    """A number in [0, 1) from the id alone, uniform over ids, another one for each ``salt``."""
    return int.from_bytes(hashlib.sha256(f"{salt}\n{clip}".encode()).digest()[:7], "big") / 2**56


def read_ids(path: Path) -> Iterator[str]:
    """The first field of each line of a list (.txt or .txt.gz, UTF-8), without comments and empty lines.

    Raises:
        DubbenchError: unreadable or not UTF-8.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DubbenchError(f"{path}: not readable as a list of ids in UTF-8 ({error})") from error
    for line in text.splitlines():
        entry = line.split("#")[0].split("|")[0].strip()
        if entry:
            yield entry


def known_id(entry: str, known: Container[str] = ()) -> str:
    """The id that a line means: the spelling in ``known``, if one is, else the plainest.

    ``s1/bbaf2n.mpg``, ``s1-bbaf2n`` and ``s1/s1-bbaf2n.wav`` are all ``s1-bbaf2n``.
    """
    path = PurePosixPath(as_id(entry).replace("\\", "/"))
    stem = path.stem if path.suffix[1:].lower() in _EXTENSIONS else path.name
    spellings = [
        stem if stem.startswith(f"{folder}-") else f"{folder}-{stem}" for folder in reversed(path.parent.parts)
    ]
    spellings += [stem, path.name]
    return next((spelling for spelling in spellings if spelling in known), spellings[0])
