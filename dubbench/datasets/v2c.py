"""V2C-Animation: clips of 26 animated films, cut by the users themselves with the authors' tool.

Half of the field reports on it. The films are not distributed; `github.com/chenqi008/V2C` has subtitles, emotions and
the tool that cuts ``FILM/FILM_videos/SPEAKER/0034.mp4`` and ``FILM/FILM_speeches/SPEAKER/00/SPEAKER-00-0034.wav`` with
its text beside it. The papers call that clip ``FILM@SPEAKER_00_0034_00``.
"""

from __future__ import annotations

import re
from functools import cached_property

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetBase, DatasetInfo, Listing, Problem, id_problem, unique
from dubbench.datasets.selection import read_ids
from dubbench.datasets.table import read_text
from dubbench.datasets.walk import VIDEO_SUFFIXES, Found, walk
from dubbench.errors import DubbenchError

INFO = DatasetInfo(
    name="v2c",
    summary="V2C-Animation: clips of 26 animated films, many speakers, emotions",
    licence="films: rights of their owners, not distributed; annotations: no licence stated",
    citation="Chen, Tan, Qi, Zhou, Li, Wu: V2C: Visual voice cloning. CVPR 2022",
    address="https://github.com/chenqi008/V2C",
    published_counts={"train": 6517, "test": 2779},
    remark="The paper has 10,217 clips; the only public lists (ProDubber's, InstructDubber's) have 6,517 + 2,779. What "
    "V2C-Net's page calls Setting 1 and 2 is about durations, not references.",
)
_NUMBER = re.compile(r"[0-9]{4}")
_NAME = re.compile(r"(?P<film>[^@_/]+)@(?P<speaker>[^@/]+)_00_(?P<number>[0-9]{4})(_00)?")


class V2CDataset(DatasetBase):
    """V2C in two layouts.

    The authors' tool's (``FILM_videos/SPEAKER/0034.mp4`` with ``FILM_speeches``), or flat: ``FILM@SPEAKER_00_0034_00``
    as .mp4, with .wav beside it if there is one, and its text in ``.normalized.txt``, ``.lab`` or ``.txt``. The speaker
    is ``FILM@SPEAKER``. Splits: ``splits/train.txt`` and ``splits/test.txt``, which ``dubbench data import-list``
    writes.
    """

    info = INFO
    how_to_get = (
        "expected FILM/FILM_videos/SPEAKER/0034.mp4 with FILM_speeches, as DataConstruction/toolkit_data.py of "
        "github.com/chenqi008/V2C cuts them from your own copies of the films; give the folder with --root"
    )

    def look(self) -> Listing:
        """Pair videos, speeches and texts by their names; no video is opened."""
        files, problems = walk(self.root, VIDEO_SUFFIXES | {".wav", ".txt", ".lab"})
        known: dict[tuple[str, ...], Found] = {}
        for file in files:
            known.setdefault((*file.folders, file.name), file)
        clips: list[Clip] = []
        where: dict[int, str] = {}
        for file in files:
            if file.suffix not in VIDEO_SUFFIXES:
                continue
            clip = self._clip(file, known)
            if isinstance(clip, Problem):
                problems.append(clip)
            else:
                where[len(clips)] = file.relative
                clips.append(clip)
        listing = unique(clips, where)
        return Listing(listing.clips, sorted(problems + listing.problems))

    def _clip(self, file: Found, known: dict[tuple[str, ...], Found]) -> Clip | Problem:
        cut = len(file.folders) >= 2 and file.folders[-2].endswith("_videos") and _NUMBER.fullmatch(file.stem)
        if cut:
            film, speaker, number = file.folders[-2].removesuffix("_videos"), file.folders[-1], file.stem
            beside = (*file.folders[:-2], f"{film}_speeches", speaker, "00")
            stem = f"{speaker}-00-{number}"
            endings = (".normalized.txt", ".txt", ".lab")
        else:
            match = _NAME.fullmatch(file.stem)
            if match is None:
                return Problem(ascii(file.relative), "no name such as FrozenII@Anna_00_1305_00.mp4; rename the file")
            film, speaker, number = match["film"], match["speaker"], match["number"]
            beside, stem = file.folders, file.stem
            endings = (".normalized.txt", ".lab", ".txt")
        name = f"{film}@{speaker}_00_{number}_00"
        if wrong := id_problem(name):
            return Problem(ascii(file.relative), wrong)
        text_file = next((known[at] for end in endings if (at := (*beside, f"{stem}{end}")) in known), None)
        if text_file is None:
            return Problem(name, f"no text for {file.relative}; add {'/'.join((*beside, stem))}.normalized.txt")
        try:
            text = " ".join(read_text(text_file.path).split())
        except DubbenchError as error:
            return Problem(name, str(error))
        if not text:
            return Problem(name, f"{text_file.relative}: no text; write the sentence that is spoken")
        sound = known.get((*beside, f"{stem}.wav"))
        audio = sound.path if sound else file.path
        return Clip(name, self.info.name, f"{film}@{speaker}", text, file.path, audio)

    @cached_property
    def _splits(self) -> dict[str, list[str]]:
        found = {}
        for name in ("train", "test"):
            path = self.root / "splits" / f"{name}.txt"
            if path.is_file():
                found[name] = list(dict.fromkeys(read_ids(path)))
        return found

    def split(self, name: str) -> list[str] | None:
        """``train`` or ``test``, where there is a list."""
        return self._splits.get(name)

    def split_note(self, name: str) -> str:
        """Where the lists come from, if they are not here."""
        if name not in ("train", "test") or name in self._splits:
            return ""
        return f"{name}: no list here; dubbench data import-list CLONE --dataset v2c brings the public ones"
