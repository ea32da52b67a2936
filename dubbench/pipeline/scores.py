"""The scores of a run by column: ``scores.parquet`` read into arrays, no object a row.

One `Scores` holds what one metric found for one system: an array a statistic, in the order of the manifest's clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError, one_line

TEXT = ("system", "metric", "clip", "stat", "reason")
"""Columns of ``scores.parquet`` that hold few different texts."""

BATCH = 1 << 16
"""Rows of the file that are in memory at once."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What one metric found for one system, over the N clips of the run.

    Attributes:
        stats: statistic -> (N,) float64, NaN where a clip has none.
        asked: (N,) bool, whether the clip has a row at all; it has none where scoring was interrupted.
        reasons: index of a clip -> why it is unscored (one line).
    """

    stats: Mapping[str, NDArray[np.float64]]
    asked: NDArray[np.bool_]
    reasons: Mapping[int, str]


def read_scores(
    file: Path, systems: Sequence[str], metrics: Sequence[str], clips: Sequence[str]
) -> dict[tuple[str, str], Scores]:
    """``scores.parquet`` as (system, metric) -> `Scores`; rows of other systems, metrics or clips are left out.

    Raises:
        DubbenchError: not a table of scores.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = [{name: i for i, name in enumerate(wanted)} for wanted in (systems, metrics, clips)]
    asked = np.zeros((len(systems), len(metrics), len(clips)), bool)
    stats: dict[tuple[int, int], dict[str, NDArray[np.float64]]] = {}
    reasons: dict[tuple[int, int], dict[int, str]] = {}
    try:
        with pq.ParquetFile(file, read_dictionary=list(TEXT)) as opened:
            for batch in opened.iter_batches(BATCH, columns=[*TEXT, "value"]):
                system, metric, clip = (_places(batch[name], place) for name, place in zip(TEXT, places, strict=False))
                own = (system >= 0) & (metric >= 0) & (clip >= 0)
                asked[system[own], metric[own], clip[own]] = True
                value = batch["value"].to_numpy(zero_copy_only=False)
                (stat, named), (reason, told) = _codes(batch["stat"]), _codes(batch["reason"])
                block = (system * len(metrics) + metric) * len(named) + stat
                block[~own | (stat < 0)] = -1
                for kind, rows in _groups(block):
                    where = divmod(kind // len(named), len(metrics))
                    arrays = stats.setdefault(where, {})
                    array = arrays.setdefault(named[kind % len(named)], np.full(len(clips), np.nan))
                    array[clip[rows]] = value[rows]
                for at in np.flatnonzero(own & (reason >= 0)):
                    if told[reason[at]]:
                        why = reasons.setdefault((int(system[at]), int(metric[at])), {})
                        why[int(clip[at])] = told[reason[at]]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DubbenchError(f"{file}: not a table of scores ({one_line(error)}); score the run again") from error
    return {
        (systems[s], metrics[m]): Scores(stats.get((s, m), {}), asked[s, m], reasons.get((s, m), {}))
        for s, m in np.argwhere(asked.any(2)).tolist()
    }


def _codes(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """A dictionary column as (rows,) codes, -1 for null, and the texts that they stand for."""
    return column.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), column.dictionary.to_pylist()


def _places(column: Any, place: Mapping[str, int]) -> NDArray[np.int64]:
    """(rows,) the place of each row's text, -1 where it has none."""
    codes, texts = _codes(column)
    return np.array([*(place.get(text, -1) for text in texts), -1], np.int64)[codes]


def _groups(keys: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Each key that is not negative, with the rows that have it, in order."""
    order = np.argsort(keys, kind="stable")
    found, first = np.unique(keys[order], return_index=True)
    for key, rows in zip(found.tolist(), np.split(order, first[1:]), strict=True) if len(found) else ():
        if key >= 0:
            yield key, rows


def each(scores: Mapping[tuple[str, str], Scores]) -> Iterator[tuple[str, str, int, dict[str, float], str]]:
    """Row by row, for what is small: (system, metric, index of the clip, statistics, reason), sorted."""
    for system in sorted({system for system, _ in scores}):
        own = sorted((metric, found) for (name, metric), found in scores.items() if name == system)
        for i in range(max(len(found.asked) for _, found in own)):
            for metric, found in own:
                if found.asked[i]:
                    stats = {name: float(x[i]) for name, x in sorted(found.stats.items()) if np.isfinite(x[i])}
                    yield system, metric, i, stats, found.reasons.get(i, "")
