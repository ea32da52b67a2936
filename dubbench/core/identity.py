"""Digests: what may change a result is hashed, what may not is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dubbench.core.metric import MetricInfo
from dubbench.core.system import SystemInfo

DESCRIPTIVE = {"summary", "licence", "source", "paper", "profiles", "batch"}
"""Fields of `SystemInfo` and `MetricInfo` that cannot change a result. A test holds every field to one side."""


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


def info_digest(info: SystemInfo | MetricInfo) -> str:
    """Digest of everything in ``info`` that may change a result."""
    return digest({k: v for k, v in info.model_dump().items() if k not in DESCRIPTIVE})


def signature(info: MetricInfo) -> str:
    """The mark that every number of a metric carries: ``recipe|v1|`` and 8 hex digits over the whole recipe.

    After sacreBLEU's signatures; the long form is the recipe itself, kept in the run's manifest.
    """
    return f"{info.recipe}|v{info.version}|{info_digest(info)[:8]}"


def clip_seed(seed: int, clip: str) -> int:
    """The seed of one clip, in [0, 2**31): independent of order and batch."""
    return int(digest([seed, clip])[:8], 16) >> 1


def rows_digest(rows: Iterable[Any]) -> str:
    """First 12 hex digits of the digest of ``rows``: short enough for a table, long enough to tell apart."""
    return digest(list(rows))[:12]
