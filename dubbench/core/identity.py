"""Digests of everything that may change a result, and of nothing else."""

from __future__ import annotations

from dubbench.core.metric import MetricInfo
from dubbench.core.system import SystemInfo
from dubbench.runtime.digests import digest

DESCRIPTIVE = {"summary", "licence", "source", "paper", "profiles", "batch"}
"""Fields of `SystemInfo` and `MetricInfo` that cannot change a result. A test holds every field to one side."""


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
