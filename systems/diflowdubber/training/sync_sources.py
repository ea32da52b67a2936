"""Training clips of the sync expert: caches of DiFlowDubber's features, made if absent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dubbench.datasets.roots import roots_of
from dubbench.errors import DubbenchError
from dubbench.metrics.sync_expert.train import Sources
from dubbench.training.features import Cache

from .jobs import features_of


def sources_of(
    features: Sequence[Path],
    datasets: Sequence[str],
    roots: Sequence[str],
    split: str,
    speakers: Sequence[str],
    workers: int,
) -> Sources:
    """What the command line's options mean; features of ``datasets`` are made if they are not there.

    Args:
        roots: ``DIR`` of the one data set there is, or ``NAME=DIR``.
        speakers: ``NAME=S1,S2``.

    Raises:
        DubbenchError: neither features nor data sets, or a root or speakers of a data set that is not read.
    """

    names = [Cache.load(path).info.dataset for path in features]
    found = roots_of(list(roots), *dict.fromkeys([*names, *datasets]))
    caches = [*features, *(features_of(name, found, split, "world", workers) for name in datasets)]
    if not caches:
        raise DubbenchError("give --features FILE (from: dubbench train features), or --dataset NAME")
    only: dict[str, Sequence[str]] = {}
    for value in speakers:
        name, _, listed = value.partition("=")
        if name not in [*names, *datasets] or not listed:
            raise DubbenchError(f"--speakers {value}: write NAME=S1,S2 with the name of a data set that is read")
        only[name] = listed.split(",")
    return Sources(caches, found, only)
