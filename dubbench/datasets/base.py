"""A data set: its clips, the rows that could not become clips, and its named splits."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import platformdirs
from pydantic import BaseModel, ConfigDict

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError

Advance = Callable[[bool], object]
"""Called from the starting process when one more is done; True if it failed."""


class DatasetInfo(BaseModel):
    """What a data set says about itself.

    Attributes:
        name: as it is registered; the `Clip.dataset` of its clips.
        summary: one line.
        licence: of the videos.
        citation: of the paper that presents it.
        address: where it comes from.
        published_counts: split -> number of clips that papers report.
        remark: what one must know about those counts.
        seconds: length of every clip, where all are equally long; None otherwise.
        speech_span: mean start and end of the speech over training clips, as fractions of the clip, where known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    summary: str = ""
    licence: str = ""
    citation: str = ""
    address: str = ""
    published_counts: dict[str, int] = {}
    remark: str = ""
    seconds: float | None = None
    speech_span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong with one clip, row or folder.

    Attributes:
        clip: the clip's id, or the file or row where there is no valid id.
        what: one line: what, where, what to do.
    """

    clip: str
    what: str


@runtime_checkable
class Dataset(Protocol):
    """A data set. Created as ``factory(root)``; ``root`` None means its usual place.

    It is a snapshot: the folder is listed once, on the first call of any method.

    `clips`: every clip present, sorted by id; raises `DubbenchError` if the root is missing, unreadable or without
    a clip. `problems`: what could not become a clip. `split`: the ids of a named split (``test``, ``train`` …),
    present or not, in a fixed order; None if the data set has no split of that name.
    """

    info: DatasetInfo

    @property
    def root(self) -> Path: ...

    def clips(self) -> list[Clip]: ...

    def problems(self) -> list[Problem]: ...

    def split(self, name: str) -> list[str] | None: ...


@runtime_checkable
class Remarks(Protocol):
    """A data set that can say where a split comes from (optional)."""

    def split_note(self, name: str) -> str: ...


@runtime_checkable
class Preparable(Protocol):
    """A data-set class that can be made ready (optional): ``dubbench data prepare NAME``.

    Options of the command line arrive as keyword arguments of these names; one that the method does not take is
    refused by name. Options of a plugin's own are given as ``--set key=value``, and arrive as strings.
    """

    @classmethod
    def prepare(cls, root: Path | None, *, workers: int, **options: Any) -> list[Problem]:
        """Make it ready in ``root`` (None: its usual place); returns what could not be made."""
        ...


@runtime_checkable
class Downloadable(Protocol):
    """A data-set class that can be fetched (optional): ``dubbench data download NAME``. Options as in `Preparable`."""

    @classmethod
    def download(cls, root: Path | None, **options: Any) -> None:
        """Say licence and sizes, then fetch what is not in ``root`` (None: its usual place) yet."""
        ...


@dataclass(frozen=True)
class Listing:
    """What one look at a folder found: ``clips`` sorted by id, ``problems`` sorted."""

    clips: list[Clip]
    problems: list[Problem]


class DatasetBase:
    """What data sets share: a root that exists, one listing, and no splits.

    Args:
        root: the folder; None means `usual_root` of the data set's name.
    """

    info: DatasetInfo
    how_to_get = "give its folder with --root"

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root).expanduser() if root is not None else usual_root(self.info.name)

    def look(self) -> Listing:
        """List the folder. Called once."""
        raise NotImplementedError

    @cached_property
    def _listing(self) -> Listing:
        try:
            if not self.root.is_dir():
                raise DubbenchError(f"{self.info.name}: no folder {self.root}; {self.how_to_get}")
            listing = self.look()
        except PermissionError as error:
            where = error.filename or self.root
            raise DubbenchError(f"{self.info.name}: {where}: {error.strerror}; check its permissions") from error
        if not listing.clips:
            why = [f"{len(listing.problems):,} problems, first {p.clip}: {p.what}" for p in listing.problems[:1]]
            raise DubbenchError("; ".join([f"{self.info.name}: no clip in {self.root}", *why, self.how_to_get]))
        return listing

    def clips(self) -> list[Clip]:
        """Every clip present, sorted by id."""
        return list(self._listing.clips)

    def problems(self) -> list[Problem]:
        """What could not become a clip."""
        return list(self._listing.problems)

    def split(self, name: str) -> list[str] | None:
        """No named split."""
        return None

    def split_note(self, name: str) -> str:
        """Where the split ``name`` comes from, for the user; empty if there is nothing to say."""
        return ""


class Vetted:
    """A data set, ours or a plugin's, less the clips whose ids cannot name a file or were there before."""

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self.info = data.info
        kept: dict[str, Clip] = {}
        found = list(data.problems())
        for clip in data.clips():
            wrong = id_problem(clip.id)
            if wrong:
                found.append(Problem(ascii(clip.id), wrong))
            elif clip.id in kept:
                found.append(Problem(clip.id, "there twice: the first is used; give every clip an id of its own"))
            else:
                kept[clip.id] = clip
        self._clips = [kept[name] for name in sorted(kept)]
        self._problems = sorted(found)

    @property
    def root(self) -> Path:
        """The data set's."""
        return self._data.root

    def clips(self) -> list[Clip]:
        """The clips that can be used, sorted by id."""
        return list(self._clips)

    def problems(self) -> list[Problem]:
        """The data set's, and the clips that were left out."""
        return list(self._problems)

    def split(self, name: str) -> list[str] | None:
        """The data set's."""
        return self._data.split(name)

    def split_note(self, name: str) -> str:
        """The data set's, where it has one."""
        return self._data.split_note(name) if isinstance(self._data, Remarks) else ""


def usual_root(name: str) -> Path:
    """Where a data set lies unless told otherwise: ``$DUBBENCH_DATA/name``, else the user's data folder."""
    home = os.environ.get("DUBBENCH_DATA")
    return (Path(home).expanduser() if home else platformdirs.user_data_path("dubbench") / "datasets") / name


def as_id(text: str) -> str:
    """``text`` as a clip id: trimmed and in Unicode form NFC, so that one name is one id on every file system."""
    return unicodedata.normalize("NFC", text.strip())


def id_problem(clip: str) -> str | None:
    """Why ``clip`` cannot be an id, in one line; None if it can.

    An id names files: letters of any script with their marks, digits and ``-_.@``, no leading dot or ``@``,
    at most 150 bytes.
    """
    if not clip:
        return "the clip id is empty; name the clip"
    strange = sorted({c for c in clip if unicodedata.category(c)[0] not in "LMN" and c not in "-_.@"})
    if strange:
        shown = " ".join(ascii(c) for c in strange[:5])
        return f"the clip id {clip!a} holds {shown}; use letters, digits, '-', '_', '.' and '@' only"
    if clip[0] in ".@":
        return (
            f"the clip id {clip!a} starts with {'a dot' if clip[0] == '.' else 'an @'}; start it with a letter or digit"
        )
    if len(clip.encode()) > 150:
        return f"the clip id {clip[:40]!a}… is longer than 150 bytes; shorten it"
    return None


def unique(clips: list[Clip], where: dict[int, str]) -> Listing:
    """Drop later clips of an id that an earlier one has; each is a problem that names both.

    Args:
        clips: in order of preference.
        where: position in ``clips`` -> the row or file, for the message.
    """
    kept: dict[str, tuple[int, Clip]] = {}
    problems = []
    for position, clip in enumerate(clips):
        first, _ = kept.setdefault(clip.id, (position, clip))
        if first != position:
            what = f"there twice: {where[first]} is used, {where[position]} is not; remove or rename one"
            problems.append(Problem(clip.id, what))
    return Listing(sorted((clip for _, clip in kept.values()), key=lambda clip: clip.id), sorted(problems))
