"""Any folder of videos with a table ``clips.csv`` or ``clips.jsonl``."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PureWindowsPath

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetBase, DatasetInfo, Listing, Problem, as_id, id_problem, unique
from dubbench.datasets.table import Row, read_table
from dubbench.errors import DubbenchError

COLUMNS = ("clip", "text", "video")
TABLES = ("clips.csv", "clips.jsonl")
WANTED = "clips.csv with the columns clip, speaker, text, video (optional: audio, phones, split)"


class FolderDataset(DatasetBase):
    """A folder with a table of its clips.

    Columns: ``clip`` (a unique id), ``speaker`` (may be empty: such a clip has no reference in Setting 2.0), ``text``,
    ``video``, and optionally ``audio`` (ground-truth speech; the video itself if empty), ``phones`` (see `Clip.phones`)
    and ``split`` (the clip's named split). Paths are relative to the table and stay inside its folder.
    """

    info = DatasetInfo(name="folder", summary="any folder of videos with a table clips.csv or clips.jsonl")
    how_to_get = f"give a folder with --root that holds {WANTED}"

    def __init__(self, root: Path | None = None) -> None:
        if root is None:
            raise DubbenchError(f"folder: no folder given; {self.how_to_get}")
        super().__init__(root)
        self._splits: dict[str, list[str]] = {}

    def look(self) -> Listing:
        """Read the table; every row becomes a clip or a problem."""
        table = next((self.root / name for name in TABLES if (self.root / name).is_file()), None)
        if table is None:
            raise DubbenchError(f"folder: no table in {self.root}; it needs {WANTED}, or clips.jsonl")
        rows, problems = read_table(table, COLUMNS)
        inside = self.root.resolve()
        clips: list[Clip] = []
        where: dict[int, str] = {}
        split_of: dict[str, str] = {}
        for row in rows:
            clip = self._clip(row, inside)
            if isinstance(clip, Problem):
                problems.append(clip)
                continue
            where[len(clips)] = row.where
            clips.append(clip)
            if row["split"]:
                split_of.setdefault(clip.id, row["split"])
        listing = unique(clips, where)
        for clip in listing.clips:
            if clip.id in split_of:
                self._splits.setdefault(split_of[clip.id], []).append(clip.id)
        return Listing(listing.clips, sorted(problems + listing.problems))

    def _clip(self, row: Row, inside: Path) -> Clip | Problem:
        name = as_id(row["clip"])
        wrong = id_problem(name)
        if wrong:
            return Problem(row.where, wrong)
        if not row["text"]:
            return Problem(name, f"{row.where}: no text; write the sentence that is spoken")
        if not row["video"]:
            return Problem(name, f"{row.where}: no video; write its path, relative to the table")
        try:
            video = locate(row["video"], self.root, inside)
            audio = locate(row["audio"], self.root, inside) if row["audio"] else video
            phones = locate(row["phones"], self.root, inside) if row["phones"] else None
        except DubbenchError as error:
            return Problem(name, f"{row.where}: {error}")
        return Clip(name, self.info.name, row["speaker"], " ".join(row["text"].split()), video, audio, phones)

    def split(self, name: str) -> list[str] | None:
        """The clips whose ``split`` column says ``name``."""
        self.clips()
        return list(self._splits[name]) if name in self._splits else None


def locate(text: str, root: Path, inside: Path) -> Path:
    """The file that a table names, in whichever Unicode form the file system spells it, with ``/`` or ``\\``.

    Args:
        text: a path relative to ``root``.
        root: the table's folder.
        inside: ``root``, resolved.

    Raises:
        DubbenchError: absolute, outside of ``root`` (by ``..`` or a link), a folder, or not there.
    """
    shown = ascii(text)
    if "\0" in text:
        raise DubbenchError(f"the path {shown} holds a null character; write a relative path")
    relative, windows = Path(text), PureWindowsPath(text)
    if relative.is_absolute() or windows.drive or windows.root:
        raise DubbenchError(f"the path {shown} is absolute; write it relative to the table")
    if ".." in relative.parts or ".." in windows.parts:
        raise DubbenchError(f"the path {shown} holds '..'; move the file into the table's folder")
    folder = False
    forms = [unicodedata.normalize(form, name) for name in (text, windows.as_posix()) for form in ("NFC", "NFD")]
    for spelling in dict.fromkeys([text, *forms]):
        path = root / spelling
        try:
            if not path.is_file():
                folder = folder or path.is_dir()
                continue
            if not path.resolve().is_relative_to(inside):
                raise DubbenchError(f"the path {shown} is a link out of the table's folder; copy the file into it")
        except OSError as error:  # a name that is too long, a link loop, a folder without permission
            raise DubbenchError(f"the path {shown} cannot be read ({error.strerror})") from error
        return path
    if folder:
        raise DubbenchError(f"{shown} is a folder; write the path of a file")
    raise DubbenchError(f"no file {shown}; put it there or correct the path")
