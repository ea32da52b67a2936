"""``toon`` as a data set: the embedded corpus, made on first use."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.datasets.base import DatasetInfo, Problem
from dubbench.runtime.progress import Advance, progress

INFO = DatasetInfo(
    name="toon",
    summary="the embedded corpus: espeak-ng voices and drawn faces, with exact phone timings",
    licence="made on this machine",
    address="dubbench.datasets.toon.corpus",
    speech_span=(0.213, 0.871),
)


class ToonDataset:
    """The embedded corpus (see `dubbench.datasets.toon.corpus`), with its splits ``train`` and ``test``.

    Args:
        root: where it is (it may have been made of other lines), or is to be made; None means
            `dubbench.datasets.toon.corpus.default_root`.
    """

    info = INFO

    def __init__(self, root: Path | None = None) -> None:
        self._root = Path(root).expanduser() if root is not None else None

    @cached_property
    def root(self) -> Path:
        """Where the corpus lies."""
        from dubbench.datasets.toon import corpus

        return self._root if self._root is not None else corpus.default_root()

    @cached_property
    def _clips(self) -> list[Clip]:
        from dubbench.datasets.toon import corpus

        with ExitStack() as stack:
            advance: Advance | None = None

            def told(done: int, total: int) -> None:
                nonlocal advance
                if advance is None:
                    advance = stack.enter_context(progress("making the toon corpus, once", total))
                advance()

            if self._root is None or not corpus.is_whole(self.root):  # it may be one of other lines
                corpus.make_corpus(self.root, os.cpu_count() or 1, told)
        return sorted(corpus.clips(self.root), key=lambda clip: clip.id)

    def clips(self) -> list[Clip]:
        """Every clip, sorted by id; the corpus is made first if it is not there."""
        return list(self._clips)

    @classmethod
    def prepare(cls, root: Path | None, *, workers: int) -> list[Problem]:
        """Make the corpus, if it is not there, with all cores."""
        cls(root).clips()
        return []

    def problems(self) -> list[Problem]:
        """None: what cannot be made raises."""
        return []

    def split(self, name: str) -> list[str] | None:
        """``test`` or ``train``."""
        from dubbench.datasets.toon import corpus

        self.clips()
        return corpus.split_ids(self.root, name)
