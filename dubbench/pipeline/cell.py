"""The content of one run folder, and the resources that its work may use."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dubbench.errors import DubbenchError
from dubbench.runtime.worker_pool import Pool

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """One (data set, split, setting) under one seed and profile: what a run folder holds."""

    dataset: str
    split: str = "test"
    setting: str = "2.0"
    limit: int | None = None
    profile: str = "offline"
    seed: int = 0
    metrics: tuple[str, ...] = ()
    voices: Path | None = None
    pairing: Path | None = None


@dataclass(frozen=True)
class Shard:
    """One of ``of`` blocks of a run's clips; ``number`` counts from 1."""

    number: int
    of: int

    @property
    def name(self) -> str:
        """As it stands in names of files: ``2-of-8``."""
        return f"{self.number}-of-{self.of}"

    def block(self, items: Sequence[T]) -> tuple[T, ...]:
        """Its items: blocks are contiguous, disjoint and together everything; their sizes differ by one at most."""
        return tuple(items[len(items) * (self.number - 1) // self.of : len(items) * self.number // self.of])


def parse_shard(text: str) -> Shard:
    """Read ``I/N``.

    Raises:
        DubbenchError: it is no such thing, or not 1 <= I <= N.
    """
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise DubbenchError(f"--shard {text}: give I/N with I from 1 to N, as 2/8")
    return Shard(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class Resources:
    """How the work is done here; nothing in it changes a score. Of ``workers``, 0 leaves it to `processes`.

    ``shard``: the part of the clips that is done here; None for all. ``engine``: ``local``, or ``ray`` for dubbing and
    scoring by a Ray cluster at ``address`` (empty: one started here); with ``device`` cuda each actor has a GPU.
    """

    workers: int = 1
    device: str = "auto"
    timeout: float = 600.0
    threads: int = 1
    shard: Shard | None = None
    engine: str = "local"
    address: str = ""

    def pool(self) -> Pool | None:
        """Who takes the tasks of a system or metric; None for processes of this machine."""
        if self.engine == "local":
            return None
        from dubbench.runtime.ray_pool import RayPool

        gpus = 1.0 if self.device.startswith("cuda") else 0.0
        return RayPool(self.address, gpus, self.processes() * self.threads).each

    def processes(self, large_models: bool = False) -> int:
        """As many as were asked for, else one a core, or one in all where models of gigabytes would stand in each."""
        return self.workers or (1 if large_models else os.cpu_count() or 1)
