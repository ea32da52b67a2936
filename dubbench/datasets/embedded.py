"""``toon`` as a data set: the embedded corpus, made on first use."""

from __future__ import annotations

import os
from pathlib import Path

from dubbench.clip import Clip
from dubbench.datasets.base import DatasetInfo, Problem

INFO = DatasetInfo(
    name="toon",
    summary="the embedded corpus: espeak-ng voices and drawn faces, with exact phone timings",
    licence="made on this machine",
    address="dubbench.datasets.toon",
)


class ToonDataset:
    """The embedded corpus (see `dubbench.datasets.toon`). All its clips are its test split.

    Args:
        root: where it is or is to be made; None means the user's cache.
    """

    info = INFO

    def __init__(self, root: Path | None = None) -> None:
        self._root = Path(root).expanduser() if root is not None else None
        self._clips: list[Clip] | None = None

    @property
    def root(self) -> Path:
        """Where the corpus lies."""
        from dubbench.datasets import toon

        return self._root if self._root is not None else toon.default_root()

    def clips(self) -> list[Clip]:
        """Every clip, sorted by id; the corpus is made first if it is not there."""
        if self._clips is None:
            from dubbench.datasets import toon

            toon.make_corpus(self.root, workers=os.cpu_count() or 1, progress=None)
            self._clips = sorted(toon.clips(self.root), key=lambda clip: clip.id)
        return list(self._clips)

    def problems(self) -> list[Problem]:
        """None: what cannot be made raises."""
        return []

    def split(self, name: str) -> list[str] | None:
        """``test`` is everything."""
        return [clip.id for clip in self.clips()] if name == "test" else None
