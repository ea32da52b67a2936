"""Chem: sentence clips of Lip2Wav's chemistry lectures, one speaker, named ``<YouTube id>-<number>``.

No public list says where the sentences begin and end: papers share their cuts as files. For such cuts, give
their folder as ``--root``; with a table of times, cut Lip2Wav's segments by `dubbench.datasets.chem_cut`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetBase, DatasetInfo, Listing, Problem, unique, usual_root
from dubbench.datasets.chem_lists import CLIP_ID, VIDEO_ID
from dubbench.datasets.selection import known_id, read_ids
from dubbench.datasets.table import read_table, read_text
from dubbench.datasets.walk import VIDEO_SUFFIXES, Found, walk
from dubbench.errors import DubbenchError

SPEAKER = "chem"
SPLITS = ("train", "val", "test")
FOLDERS = (".", "data_splits", "splits")
TRANSCRIPTS = ("transcripts.csv", "transcripts.tsv", "transcripts.jsonl", "transcripts.txt")

INFO = DatasetInfo(
    name="chem",
    summary="sentences of Lip2Wav's chemistry lectures, one speaker",
    licence="YouTube videos: rights of their owners; Lip2Wav's lists: MIT",
    citation="Prajwal, Mukhopadhyay, Namboodiri, Jawahar: Learning individual speaking styles for accurate lip to "
    "speech synthesis. CVPR 2020",
    address="https://github.com/Rudrabha/Lip2Wav",
    published_counts={"train": 6082, "val": 50, "test": 196},
    remark="The sentence clips are in no public list; papers share them by file drives, and some leave out clips "
    "without a face.",
)


@dataclass
class Texts:
    """What the tables say: clip id -> (text, where); split -> clip ids and video ids; broken rows."""

    text: dict[str, tuple[str, str]] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, clip: str, text: str, where: str) -> None:
        """Keep the first text of a clip; another one is a problem."""
        clip = known_id(clip)
        if not CLIP_ID.fullmatch(clip):
            self.problems.append(Problem(where, f"{clip!a} is no clip id such as AGZZGR5Otxw-013; correct the row"))
        elif not text:
            self.problems.append(Problem(clip, f"{where}: no text; write the sentence that is spoken"))
        elif clip not in self.text:
            self.text[clip] = (" ".join(text.split()), where)
        elif self.text[clip][0] != " ".join(text.split()):
            first = self.text[clip][1]
            self.problems.append(Problem(clip, f"{first} and {where} give different texts; the first is used"))


class ChemDataset(DatasetBase):
    """Chem sentence clips: videos ``<YouTube id>-<number>.mp4`` anywhere below the root, and their texts.

    Texts come from ``transcripts.csv``, ``.tsv`` or ``.jsonl`` (columns id and text), ``transcripts.txt`` or
    ``train.txt``, ``val.txt``, ``test.txt`` (lines ``id|text``, or HPMDubbing's ``id|speaker|{phones}|text``), in the
    root, ``data_splits/`` or ``splits/``. The last three also name the splits; they may instead hold one clip id or one
    YouTube id a line, as Lip2Wav's do.
    """

    info = INFO
    how_to_get = (
        "expected AGZZGR5Otxw-013.mp4 … with transcripts.csv (id,text); Lip2Wav's 30 s segments are cut with: "
        "dubbench data prepare chem, and what to fetch is told by: dubbench data download chem"
    )

    @classmethod
    def download(cls, root: Path | None) -> None:
        """Write down the steps and fetch Lip2Wav's lists; see `dubbench.datasets.chem_lists`."""
        from dubbench.datasets.chem_lists import download_chem

        download_chem(root or usual_root(cls.info.name), cls.info)

    @classmethod
    def prepare(
        cls, root: Path | None, *, workers: int, source: Path | None = None, table: Path | None = None
    ) -> list[Problem]:
        """Cut sentence clips out of lectures in ``source`` by the times in ``table`` (`dubbench.datasets.chem_cut`).

        Raises:
            DubbenchError: one of the two is not given, or is not usable.
        """
        if source is None or table is None:
            raise DubbenchError("chem is cut out of lectures: give --source FOLDER and --table FILE")
        from dubbench.datasets.chem_cut import prepare
        from dubbench.runtime.progress import progress

        count = len(read_table(table, ("id", "start", "end", "text"))[0])
        with progress("cutting clips", count) as advance:
            return prepare(source, table, root or usual_root(cls.info.name), workers, advance)

    @cached_property
    def _texts(self) -> Texts:
        texts = Texts()
        for folder in FOLDERS:
            for name in TRANSCRIPTS:
                path = self.root / folder / name
                if path.is_file():
                    read_lines(path, texts) if path.suffix == ".txt" else _read_columns(path, texts)
            for split in SPLITS:
                path = self.root / folder / f"{split}.txt"
                if path.is_file() and split not in texts.splits:
                    read_lines(path, texts)
                    texts.splits[split] = list(dict.fromkeys(known_id(entry) for entry in read_ids(path)))
        return texts

    def look(self) -> Listing:
        """Pair the videos with their texts."""
        files, problems = walk(self.root, VIDEO_SUFFIXES)
        texts = self._texts
        clips: list[Clip] = []
        where: dict[int, str] = {}
        for file in files:
            if _is_source(file):
                continue
            if not CLIP_ID.fullmatch(file.stem):
                problems.append(Problem(ascii(file.relative), "no name such as AGZZGR5Otxw-013.mp4; rename the file"))
            elif file.stem not in texts.text:
                problems.append(Problem(file.stem, f"no text for {file.relative}; add it to transcripts.csv (id,text)"))
            else:
                where[len(clips)] = file.relative
                text = texts.text[file.stem][0]
                clips.append(Clip(file.stem, self.info.name, SPEAKER, text, file.path, file.path))
        listing = unique(clips, where)
        have = {clip.id for clip in listing.clips}
        problems += [
            Problem(clip, f"{row}: no video {clip}.mp4; add it or drop the row")
            for clip, (_, row) in texts.text.items()
            if clip not in have
        ]
        return Listing(listing.clips, sorted(problems + listing.problems + texts.problems))

    def split(self, name: str) -> list[str] | None:
        """``train``, ``val`` or ``test`` where there is a list; a listed video stands for its clips."""
        listed = self._texts.splits.get(name)
        if listed is None:
            return None
        videos = {entry for entry in listed if VIDEO_ID.fullmatch(entry) and not CLIP_ID.fullmatch(entry)}
        of_videos = [clip.id for clip in self.clips() if clip.id[:11] in videos]
        return sorted({*of_videos, *(entry for entry in listed if entry not in videos)})

    def split_note(self, name: str) -> str:
        """How many of the listed videos are here, where the list names videos."""
        listed = self._texts.splits.get(name, [])
        videos = {entry for entry in listed if VIDEO_ID.fullmatch(entry) and not CLIP_ID.fullmatch(entry)}
        here = videos & {clip.id[:11] for clip in self.clips()}
        return f"{name}: by a list of videos, {len(here):,} of {len(videos):,} have clips here" if videos else ""


def _is_source(file: Found) -> bool:
    """Whether it is a whole lecture or one of Lip2Wav's segments, from which clips are cut."""
    return "intervals" in file.folders or bool(VIDEO_ID.fullmatch(file.stem) and not CLIP_ID.fullmatch(file.stem))


def _read_columns(path: Path, texts: Texts) -> None:
    rows, problems = read_table(path, ("id", "text"))
    texts.problems += problems
    for row in rows:
        texts.add(row["id"], row["text"], row.where)


def read_lines(path: Path, texts: Texts) -> None:
    """Add the lines ``id|text`` and ``id|speaker|{phones}|text`` of ``path``; lines without ``|`` are bare ids."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        fields = [part.strip() for part in line.split("|")]
        where = f"{path.name} line {number}"
        if len(fields) in (2, 4):
            texts.add(fields[0], fields[-1], where)
        elif len(fields) > 1:
            texts.problems.append(Problem(where, f"{len(fields)} fields; expected id|text or id|speaker|phones|text"))
