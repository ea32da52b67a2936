"""Digests of values and files, in hexadecimal sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def digest(value: Any) -> str:
    """sha256 (hex) of ``value`` as canonical JSON: keys sorted, sets sorted, no spaces."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"cannot hash a {type(value).__name__}")


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows_digest(rows: Iterable[Any]) -> str:
    """First 12 hex digits of the digest of ``rows``: short enough for a table, long enough to tell apart."""
    return digest(list(rows))[:12]


def arrays_digest(kind: str, arrays: Mapping[str, NDArray[Any]], extra: Iterable[str] = ()) -> str:
    """sha256 over names, shapes, types and bytes, whatever file they came from."""
    import numpy as np

    digest = hashlib.sha256("\n".join([kind, *extra]).encode())
    for name in sorted(arrays):
        x = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {x.dtype.str} {x.shape}\n".encode())
        digest.update(x.data)
    return digest.hexdigest()
