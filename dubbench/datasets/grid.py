"""GRID: 33 speakers, 1,000 command sentences each, 3 s of 25 fps video a sentence.

A clip's name is its sentence: ``swwp2s`` is "set white with p two soon". The audio archive of the corpus
(``audio_25k``) is trimmed to the speech and on no video's clock, so the sound is the video's own.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetBase, DatasetInfo, Listing, Problem, id_problem, unique, usual_root
from dubbench.datasets.grid_grammar import GRAMMAR
from dubbench.datasets.grid_splits import SPEAKER, PublishedLists, hashed_split
from dubbench.datasets.walk import VIDEO_SUFFIXES, Found, walk

UNSEEN_SPEAKERS = frozenset({"s1", "s2", "s20", "s22"})
"""Held out in the usual split by speaker (LipNet)."""


_PREFIXED = re.compile(r"(s[0-9]{1,2})[-_](.+)", re.IGNORECASE)

INFO = DatasetInfo(
    name="grid",
    summary="33 speakers saying command sentences, 3 s each, 25 fps",
    licence="CC BY 4.0",
    citation="Cooke, Barker, Cunningham, Shao: An audio-visual corpus for speech perception and automatic speech "
    "recognition. JASA 120(5), 2006",
    address="https://zenodo.org/records/3625687",
    published_counts={"train": 32670, "test": 3280},
    remark="32,670 + 3,280 clips cannot be disjoint: 33 speakers have 1,000 clips each. The only public lists "
    "(ProDubber's) have 29,694 + 3,300.",
    seconds=3.0,
    speech_span=(0.186, 0.677),
)


def sentence(name: str) -> str | None:
    """The sentence of a clip's name (``bbaf2n`` is "bin blue at f two now"); None if it is no GRID name."""
    if len(name) != len(GRAMMAR):
        return None
    words = [table.get(letter) for table, letter in zip(GRAMMAR, name.lower(), strict=True)]
    return None if None in words else " ".join(filter(None, words))


class GridDataset(DatasetBase):
    """GRID in the layouts that people have.

    Per-speaker folders of videos of any container (``s1/bbaf2n.mpg``), Sheffield's (``s1/video/*.mpg``,
    ``s1/video/mpg_6000/*.mpg``), nested (``video/s1/…``), one folder of ``s1-bbaf2n.mp4``, or one speaker's folder as
    the root. The speaker is the innermost folder named ``s1`` … ``s34``, or the prefix of the file's name.

    Splits: ``test`` and ``train`` by the published lists where they are found (see `PublishedLists`), else a tenth of
    each speaker's clips by a hash of the name; ``unseen`` (s1, s2, s20, s22) and ``seen`` by speaker.
    """

    info = INFO
    how_to_get = (
        "expected videos such as s1/bbaf2n.mpg; give the folder with --root, or fetch the corpus with: "
        "dubbench data download grid"
    )

    @classmethod
    def download(cls, root: Path | None, *, speaker: list[str] | None = None) -> None:
        """Fetch the corpus, or some speakers (``s1`` …) of it; see `dubbench.datasets.grid_download`."""
        from dubbench.datasets.grid_download import download_grid
        from dubbench.runtime.progress import transfer

        with transfer() as told:
            download_grid(root or usual_root(cls.info.name), cls.info, speaker, print, told)

    @cached_property
    def _files(self) -> tuple[list[Found], list[Problem]]:
        return walk(self.root, VIDEO_SUFFIXES | {".align"})

    def look(self) -> Listing:
        """Name every video; nothing is opened."""
        files, problems = self._files
        clips: list[Clip] = []
        where: dict[int, str] = {}
        for file in files:
            if file.suffix == ".align":
                continue
            clip = self._clip(file)
            if isinstance(clip, Problem):
                problems.append(clip)
            else:
                where[len(clips)] = file.relative
                clips.append(clip)
        listing = unique(clips, where)
        return Listing(listing.clips, sorted(problems + listing.problems))

    @cached_property
    def _root_name(self) -> str:
        return self.root.resolve().name

    def _clip(self, file: Found) -> Clip | Problem:
        prefixed = _PREFIXED.fullmatch(file.stem)
        name = prefixed[2] if prefixed else file.stem
        text = sentence(name)
        if text is None:
            strange = id_problem(file.stem)
            shown = ascii(file.relative) if strange else file.relative
            return Problem(shown, "the name is no GRID sentence such as bbaf2n.mpg; rename the file or take it away")
        folders = (self._root_name, *file.folders)
        speaker = prefixed[1] if prefixed else next((f for f in reversed(folders) if SPEAKER.fullmatch(f)), None)
        if speaker is None or not SPEAKER.fullmatch(speaker):
            return Problem(file.relative, "the speaker is unknown; put the file into a folder named s1 … s34")
        speaker, path = speaker.lower(), file.path
        return Clip(f"{speaker}-{name.lower()}", self.info.name, speaker, text, path, path)

    @cached_property
    def _alignments(self) -> dict[str, list[Found]]:
        by_name: dict[str, list[Found]] = {}
        for file in self._files[0]:
            if file.suffix == ".align":
                by_name.setdefault(file.stem.lower(), []).append(file)
        return by_name

    def alignment(self, clip: Clip) -> Path | None:
        """The ``.align`` file of a clip, found by the clip's name; None if there is none.

        In Zenodo's archive the folders of 19 speakers are swapped, and no two speakers share a name; so the folder
        decides only where one name lies in several.
        """
        files = self._alignments.get(clip.id.split("-")[-1], [])
        own = [file for file in files if clip.speaker in file.folders]
        return (own or files)[0].path if files else None

    @cached_property
    def _lists(self) -> PublishedLists:
        return PublishedLists(self.root)

    def split(self, name: str) -> list[str] | None:
        """``test``, ``train``, ``unseen`` or ``seen``."""
        if name in ("unseen", "seen"):
            return [c.id for c in self.clips() if (c.speaker in UNSEEN_SPEAKERS) == (name == "unseen")]
        if name not in ("test", "train"):
            return None
        listed = self._lists.ids(name)
        if listed is not None:
            return listed
        ids = [clip.id for clip in self.clips()]
        if name == "train" and (test := self._lists.ids("test")) is not None:
            return sorted(set(ids) - set(test))
        return hashed_split(name, ids)

    def split_note(self, name: str) -> str:
        """Whether the published lists were found and are the published ones."""
        return self._lists.note(name) if name in ("test", "train") else ""
