"""The content of one run folder, and the resources that its work may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


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
class Resources:
    """How the work is done here; nothing in it changes a score. Of ``workers``, 0 leaves it to `processes`."""

    workers: int = 1
    device: str = "auto"
    timeout: float = 600.0
    threads: int = 1

    def processes(self, large_models: bool = False) -> int:
        """As many as were asked for, else one a core, or one in all where models of gigabytes would stand in each."""
        return self.workers or (1 if large_models else os.cpu_count() or 1)
