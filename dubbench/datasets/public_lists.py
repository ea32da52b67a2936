"""Lists and pairings that other projects publish, read from a user's own clone; nothing of them is in dubbench.

- ``ZZDoog/InstructDubber`` (commit a46fbf5): train and test lists of Chem, GRID and V2C, and durations of the reference
  phones of every test clip.
- ``GiantAILab/DeepDubber-V1`` (866ea25): V2C's pairings for Settings 2.0 and 3.0.

Both are without a licence: what is made of them stays with the user. The lists are known by their ids' digest, so that
another version is noticed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from statistics import median

from dubbench.datasets.base import as_id, id_problem
from dubbench.datasets.grid_splits import list_digest
from dubbench.datasets.selection import read_ids
from dubbench.datasets.table import pair_columns, read_text
from dubbench.datasets.walk import walk
from dubbench.errors import DubbenchError
from dubbench.runtime.files import write_text
from dubbench.signal.listed_phones import read_durations, shifted, write_listed
from dubbench.signal.phone_timings import SILENCE, AlignmentError, Phone, read_align


@dataclass(frozen=True)
class Published:
    """A list as it is published: where it lies in the clone, what it becomes, and how it is known."""

    file: str
    becomes: str
    count: int
    digest: str


INSTRUCT, DEEP = "ZZDoog/InstructDubber@a46fbf5", "GiantAILab/DeepDubber-V1@866ea25"
LISTS: dict[str, tuple[Published, ...]] = {
    "chem": (
        Published(
            "Data/StyleTTS_Chem_train.txt",
            "train.txt",
            6132,
            "bb7302f982b4e082a7c97547db3401f0a1ad18b8802a0fabe9e878d771b34657",
        ),
        Published(
            "Data/StyleTTS_Chem_val.txt",
            "test.txt",
            196,
            "c1766539b6e664d58fb845461ae8be224e8df663ce587b4bf1ccfd13248fe272",
        ),
    ),
    "grid": (
        Published(
            "Data/StyleTTS_Grid_train.txt",
            "Grid_train.txt",
            29694,
            "d4babd63957f17d3ab484174089e47b839f02290a98672b295a471afa6c5e316",
        ),
        Published(
            "Data/StyleTTS_Grid_val.txt",
            "Grid_val.txt",
            3300,
            "ea2da4a19a16a813978cb947e45c90ec116b4775bf1fe4c61fec5835f8846a10",
        ),
    ),
    "v2c": (
        Published(
            "Data/StyleTTS_Denoise_train.txt",
            "train.txt",
            6517,
            "99177e793d3e154d6e8ac1820e76e2091c9cada54d4939f7573a106d2dd3e380",
        ),
        Published(
            "Data/StyleTTS_Denoise_val.txt",
            "test.txt",
            2779,
            "5716e9b9ac39ea9ccc0133917f83cb5fa1bc9c84cb692144be32ba5cabcc92eb",
        ),
    ),
}
"""Of `INSTRUCT`; what it calls ``val`` is the test list of the papers."""
DURATIONS = {
    "chem": "dataset/Chem/Chem_duration_gt_val.json",
    "grid": "dataset/GRID/GRID_duration_gt_val.json",
    "v2c": "dataset/V2C/V2C_duration_gt_val.json",
}
PAIRINGS = (
    Published(
        "datasets/V2C/V2C_Setting2.txt",
        "setting2.csv",
        2626,
        "bc52f7d46526f5cf8c4f5cab2901099eb2a6522877a770cd44334a94c22edc90",
    ),
    Published(
        "datasets/V2C/V2C_Setting3.txt",
        "setting3-{voice}.csv",
        5049,
        "dceb87686e98278de8dc90fed838b7fd556132eaa701a24eb9a2b4899035f5be",
    ),
)
PHONES = "phones.jsonl"


@dataclass(frozen=True)
class Imported:
    """One file that was written: from which, how many entries, and what there is to say."""

    file: str
    source: str
    count: int
    note: str = ""


def import_lists(source: Path, dataset: str, root: Path) -> list[Imported]:
    """Read what a clone holds for a data set and write it into ``root/splits``; the same again changes nothing.

    Args:
        source: the clone. dataset: ``chem``, ``grid`` or ``v2c``.
        root: the data set's folder. GRID's phone durations need its ``.align`` files there: they are counted from the
            start of trimmed recordings, and each clip's words say where that start lies in its video.

    Raises:
        DubbenchError: nothing for that data set there, damaged lists, or another list in the place already.
    """
    if dataset not in LISTS:
        raise DubbenchError(f"no public lists for {dataset!r}; there are some for {', '.join(LISTS)}")
    done: list[Imported] = []
    target = root / "splits"
    for published in LISTS[dataset]:
        if (source / published.file).is_file():
            done.append(_ids(source / published.file, published, target))
    if (source / DURATIONS[dataset]).is_file():
        done.append(_durations(source / DURATIONS[dataset], dataset, root, target / PHONES))
    for published in PAIRINGS if dataset == "v2c" else ():
        if (source / published.file).is_file():
            done += _pairings(source / published.file, published, target)
    if not done:
        wanted = [LISTS[dataset][1].file, *(p.file for p in PAIRINGS if dataset == "v2c")]
        raise DubbenchError(
            f"{source}: no list for {dataset} there (looked for {', '.join(wanted)}); give a clone of {INSTRUCT}"
            + (f" or {DEEP}" if dataset == "v2c" else "")
        )
    return done


def _ids(path: Path, published: Published, target: Path) -> Imported:
    ids = [clip_of(entry, path) for entry in read_ids(path)]
    if len(set(ids)) != len(ids):
        raise DubbenchError(f"{path}: {len(ids) - len(set(ids))} clips are listed twice; check the clone")
    _put(target / published.becomes, "".join(f"{clip}\n" for clip in ids))
    notes = [_known(published, len(ids), list_digest(ids))]
    videos = {clip[:11] for clip in ids} if "Chem" in published.file else set()
    if videos and published.becomes == "test.txt":
        train = path.with_name(path.name.replace("_val", "_train"))
        seen = {clip_of(entry, train)[:11] for entry in read_ids(train)} if train.is_file() else set()
        notes.append(f"{len(videos)} videos, {len(videos - seen)} of them unseen in training")
    return Imported(str(target / published.becomes), published.file, len(ids), "; ".join(notes))


def _known(published: Published, count: int, digest: str) -> str:
    if digest == published.digest:
        return "verified: as published"
    return f"another list than the published one ({published.count:,} entries), with {count:,}"


def clip_of(entry: str, path: Path) -> str:
    """The clip that an entry such as ``s6/s6-bwba2a.wav`` means: its file's name.

    Raises:
        DubbenchError: it is no clip id.
    """
    name = as_id(PurePosixPath(entry.replace("\\", "/")).name)
    clip = name[:-4] if name.lower().endswith(".wav") else name
    if wrong := id_problem(clip):
        raise DubbenchError(f"{path}: {wrong}")
    return clip


def _put(path: Path, text: str) -> None:
    """Write a file, unless another one is there."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") != text:
        raise DubbenchError(f"{path} is there already and holds something else; move it away, or give another --root")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)


def _durations(path: Path, dataset: str, root: Path, target: Path) -> Imported:
    placed: dict[str, list[Phone]] = {}
    count = 0
    aligned = _grid_words(root) if dataset == "grid" else {}
    for entry, phones in read_durations(path):
        count += 1
        clip = clip_of(entry, path)
        shift = _shift(phones, aligned.get(clip.split("-")[-1])) if dataset == "grid" else 0.0
        if shift is not None:
            placed[clip] = shifted(phones, shift)
    if not placed:
        why = "GRID's durations are counted from trimmed recordings; put the corpus's .align files below --root"
        return Imported("", path.name, 0, f"not imported: none of {count:,} clips has its place in time: {why}")
    _put(target, write_listed(placed))
    left = f"; {count - len(placed):,} without an .align file are left out" if count > len(placed) else ""
    return Imported(str(target), path.name, len(placed), f"reference phones, in steps of 25 ms{left}")


def _grid_words(root: Path) -> dict[str, Path]:
    return {file.stem.lower(): file.path for file in walk(root, frozenset({".align"}))[0]} if root.is_dir() else {}


def _shift(phones: Sequence[Phone], align: Path | None) -> float | None:
    """Seconds from the video's start to the list's: the median over the edges of the words; None if unknown."""
    if align is None:
        return None
    try:
        words = read_align(align)
    except AlignmentError:
        return None
    spans: dict[int, list[float]] = {}
    for phone in phones:
        if phone.phone != SILENCE:
            spans.setdefault(phone.word, [phone.start, phone.end])[1] = phone.end
    listed = list(spans.values())
    if len(listed) != len(words):  # espeak writes some letters as two words: the outer edges are left
        listed, words = [listed[0], listed[-1]], [words[0], words[-1]]
        edges = [words[0].start - listed[0][0], words[1].end - listed[1][1]]
    else:
        edges = [e for w, (a, b) in zip(words, listed, strict=True) for e in (w.start - a, w.end - b)]
    return median(edges)


def _pairings(path: Path, published: Published, target: Path) -> Iterable[Imported]:
    rows = [pair_columns(line, f"{path} line {n}") for n, line in enumerate(read_text(path).split("\n"), 1) if line]
    known = _known(published, len(rows), list_digest(f"{clip}|{reference}" for clip, reference in rows))
    by_voice: dict[str, dict[str, str]] = {}
    for clip, reference in rows:
        voice = reference if "{voice}" in published.becomes else ""
        for name in (clip, reference):
            clip_of(name, path)
        by_voice.setdefault(voice, {})[clip] = reference
    written = []
    for voice, table in sorted(by_voice.items()):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["clip", "reference"])
        writer.writerows(sorted(table.items()))
        file = target / published.becomes.format(voice=voice)
        _put(file, text.getvalue())
        written.append(str(file))
    unique = sum(map(len, by_voice.values()))
    notes = [known, f"{len({clip for clip, _ in rows}):,} clips, {len({r for _, r in rows}):,} references"]
    if unique != len(rows):
        notes.append(f"{len(rows) - unique:,} of the rows are repeated")
    if len(written) > 1:
        notes.append(f"one table a voice ({len(written)}); their voices are GRID's: run with --voices GRID")
    return [Imported(written[0] if len(written) == 1 else str(target / "setting3-*.csv"), published.file, len(rows),
                     "; ".join(notes))]  # fmt: skip
