"""Models that come inside installed packages: their paths and digests, without importing the packages."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import file_digest


@cache
def package_folder(package: str, extra: str = "metrics") -> Path:
    """The folder of an installed package.

    Raises:
        DubbenchError: it is not installed; ``extra`` brings it.
    """
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise DubbenchError(f"the package {package!r} is not installed; pip install 'dubbench[{extra}]' brings it")
    return Path(found.submodule_search_locations[0])


def bundled(package: str, *parts: str, extra: str = "metrics") -> Path:
    """The path of a file or folder inside an installed package.

    Raises:
        DubbenchError: the package is not installed (``extra`` brings it), or lacks it.
    """
    path = package_folder(package, extra).joinpath(*parts)
    if not path.exists():
        raise DubbenchError(f"{path} is missing; install the package {package!r} again")
    return path


@cache
def bundled_digest(package: str, *parts: str, extra: str = "metrics") -> str:
    """sha256 (hex) of a file inside an installed package; read once a process."""
    return file_digest(bundled(package, *parts, extra=extra))
