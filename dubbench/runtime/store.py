"""Arrays that are made once for everybody: kept by what they were made from and by which version of what made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.files import atomic


def feature_path(kind: str, version: str, content: str) -> Path:
    """Where the array lies, or would.

    Args:
        kind: what it is, for example ``voice``.
        version: of what makes it: another version never meets an old array.
        content: digest of the bytes that it is made from.
    """
    return cache_dir() / "features" / f"{kind}-{version}" / content[:2] / f"{content}.npy"


def kept(kind: str, version: str, content: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array, made now if it never was. A file that cannot be read is made anew."""
    path = feature_path(kind, version, content)
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError):
        pass
    array = np.asarray(make())
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    return array
