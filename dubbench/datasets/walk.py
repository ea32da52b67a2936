"""One walk over a folder of videos: names only, nothing is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dubbench.datasets.base import Problem
from dubbench.errors import DubbenchError

VIDEO_SUFFIXES = frozenset({".mpg", ".mpeg", ".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm"})
DEPTH = 8


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its folders below the root, its name, its name without suffix, its suffix in lower case, its place."""

    folders: tuple[str, ...]
    name: str
    stem: str
    suffix: str
    place: str

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.place)

    @property
    def relative(self) -> str:
        """The path below the root."""
        return "/".join((*self.folders, self.name))


def walk(root: Path, suffixes: frozenset[str]) -> tuple[list[Found], list[Problem]]:
    """Every file below ``root`` with one of ``suffixes``, shallow ones first, then by name; and unreadable folders.

    Hidden files, ``__MACOSX`` and what lies deeper than `DEPTH` folders are passed over. Linked folders are followed,
    each folder once.

    Raises:
        DubbenchError: ``root`` itself cannot be read.
    """
    found: list[Found] = []
    problems: list[Problem] = []
    seen: set[tuple[int, int]] = set()
    level: list[tuple[str, ...]] = [()]
    while level:
        deeper: list[tuple[str, ...]] = []
        for folders in level:
            path = root.joinpath(*folders)
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(path) as entries:
                    for entry in entries:
                        _visit(entry, folders, suffixes, found, deeper)
            except OSError as error:
                if not folders:
                    raise DubbenchError(
                        f"{root}: the folder cannot be read ({error.strerror}); check its permissions"
                    ) from error
                where = os.fsencode("/".join(folders)).decode("utf-8", "backslashreplace")
                problems.append(Problem(where, f"the folder cannot be read ({error.strerror}); check its permissions"))
        level = sorted(deeper) if len(folders) < DEPTH else []
    found.sort(key=lambda file: (len(file.folders), file.folders, file.name))
    return found, problems


def _visit(
    entry: os.DirEntry[str],
    folders: tuple[str, ...],
    suffixes: frozenset[str],
    found: list[Found],
    deeper: list[tuple[str, ...]],
) -> None:
    name = entry.name
    if name.startswith(".") or name == "__MACOSX":
        return
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path for each of 33,000 names costs more than the walk
    if suffix.lower() in suffixes and entry.is_file():
        found.append(Found(folders, name, stem, suffix.lower(), entry.path))
    elif entry.is_dir():
        deeper.append((*folders, name))
