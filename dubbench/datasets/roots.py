"""Data sets opened by name at the folders that the user gave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dubbench.core.plugins import factory
from dubbench.errors import DubbenchError
from dubbench.runtime.time_limit import within

if TYPE_CHECKING:
    from dubbench.datasets.base import Dataset


def roots_of(values: list[str] | None, *datasets: str) -> dict[str, Path]:
    """``--root DIR`` of the one data set there is, ``--root NAME=DIR`` of one of several.

    Raises:
        DubbenchError: no data set at all, no name where there are several, the name of another, or two folders for one.
    """
    roots: dict[str, Path] = {}
    for value in values or []:
        if not datasets:
            raise DubbenchError(f"--root {value}: no data set is used here")
        name, mark, folder = value.partition("=")
        if not mark or (name not in datasets and Path(value).is_dir()):
            name, folder = "", value
        if not name and len(datasets) > 1:
            raise DubbenchError(f"--root {value}: say whose folder it is, for example --root {datasets[0]}={folder}")
        name = name or datasets[0]
        if name not in datasets:
            raise DubbenchError(f"--root {value}: no data set {name!r} is used here, but {' and '.join(datasets)}")
        if name in roots:
            raise DubbenchError(f"--root gives two folders for {name}: {roots[name]} and {folder}")
        roots[name] = Path(folder).expanduser()
    return roots


def open_dataset(name: str, roots: dict[str, Path]) -> Dataset:
    """The data set of that name at its root.

    Raises:
        DubbenchError: unknown, or not where it was said to be.
    """
    make = factory("datasets", name)
    with within(f"data set {name!r} cannot be opened"):
        data: Dataset = make(roots.get(name))
    return data
