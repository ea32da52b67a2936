"""Caveats before figures are compared: the floor of a similarity, and columns that grow with length.

Both are read off other rows and columns of the same board; nothing is hidden or ranked otherwise for them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dubbench.core.metric import heard_seconds
from dubbench.core.spec import plain
from dubbench.leaderboards.failures import NAMED
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.table import Grid, Hidden, kept

FLOOR = "another_clip"
"""The control that says another sentence in the same voice: what a similarity reaches without the clip's own words."""

GROWS = {"LSE-C": "LSE-seconds"}
"""Column whose value grows with how much is compared -> the column that says how much, in seconds."""

APART = 1.1
"""Ratio of seconds beyond which such values are told apart: 10 % are worth 1 % of LSE-C at 3 s, 4 % at 1 s."""


def floor(sheet: Sheet, cells: Grid, measure: Measure) -> str:
    """The floor of a similarity (a column with a best value that `FLOOR` must be worse in), as printed; empty if the
    column is none, or the control was not run or scored."""
    column = measure.column
    if column.direction != "up" or column.best is None or column.expects.get(FLOOR) != "worse":
        return ""
    label = next((e.label for e in sheet.entrants.values() if plain(e.entry.spec) == FLOOR), None)
    value = cells[label, measure.metric, column.name].estimate.value if label else None
    return "" if value is None else f"{value:.{column.digits}f}"


def within(sheet: Sheet, cells: Grid, hidden: Hidden) -> list[str]:
    """One line for each column in which systems of one table were compared over other lengths."""
    out = []
    for (column, _), rows in _seconds(sheet, cells, hidden).items():
        (short, least), (long, most) = rows[0], rows[-1]
        if most > APART * least:
            out.append(
                f"{column} grows with the length that is compared, and that differs here: {short} {least:.2f} s, "
                f"{long} {most:.2f} s a track on average ({GROWS[column]}). Do not rank them by {column}."
            )
    return out


def odd(sheet: Sheet) -> list[str]:
    """Lines on clips that show several faces, and on systems with dubs so long that only a part of them was scored."""
    return [*_crowded(sheet), *_runaway(sheet)]


def _crowded(sheet: Sheet) -> list[str]:
    found: dict[str, int] = {}
    for scores in sheet.scores.values():
        for index in np.flatnonzero(scores.stats.get("faces", np.zeros(0)) > 1).tolist():
            found[sheet.clips[index].id] = int(scores.stats["faces"][index])
    if not found:
        return []
    named = ", ".join(f"{clip} ({count})" for clip, count in sorted(found.items())[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return [
        f"{len(found)} of {sheet.count} clips show several faces: {named}{more}. One is followed, maybe not who talks: "
        "what looks at lips is ambiguous there."
    ]


def _runaway(sheet: Sheet) -> list[str]:
    videos = {clip.id: clip.duration for clip in sheet.clips}
    long: dict[str, list[tuple[float, float, str]]] = {}
    for (label, clip), row in sheet.dubs.items():
        if row.path and row.seconds > heard_seconds(videos[clip]) + 1e-6:
            long.setdefault(label, []).append((row.seconds, videos[clip], clip))
    out = []
    for label, rows in long.items():
        seconds, video, clip = max(rows)
        out.append(
            f"{label} does not stop: {len(rows)} dubs last more than twice their video and 2 s ({clip} {seconds:.1f} s "
            f"of {video:.1f} s). What comes after that counts in duration-s alone; no other column hears it."
        )
    return out


def between(tables: Sequence[tuple[str, Sheet, Grid, Hidden]]) -> list[str]:
    """One line for each column in which the tables of a board (name, sheet, cells, hidden) differ in length."""
    longest: dict[str, dict[str, float]] = {column: {} for column in GROWS}
    for name, sheet, cells, hidden in tables:
        for (column, _), rows in _seconds(sheet, cells, hidden).items():
            longest[column][name] = max(rows[-1][1], longest[column].get(name, 0.0))
    out = []
    for column, each in longest.items():
        if each and max(each.values()) > APART * min(each.values()):
            told = ", ".join(f"“{name}” {seconds:.2f} s" for name, seconds in each.items())
            out.append(
                f"{column} grows with the length that is compared, and that differs between these tables: {told} a "
                f"track on average ({GROWS[column]}). Do not hold their {column} against each other."
            )
    return out


def _seconds(sheet: Sheet, cells: Grid, hidden: Hidden) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """(column of `GROWS`, metric) -> (label, seconds) of each ranking system with a value there, the shortest first;
    of the controls where nothing ranks."""
    out = {}
    for measure in kept(sheet, hidden):
        length = GROWS.get(measure.column.name)
        if length is None or (measure.metric, length) not in sheet.by_name:
            continue
        rows = []
        for label in sheet.ranking or sheet.controls:
            seconds = cells[label, measure.metric, length].estimate.value
            if seconds is not None and cells[label, measure.metric, measure.column.name].estimate.value is not None:
                rows.append((label, seconds))
        if rows:
            out[measure.column.name, measure.metric] = sorted(rows, key=lambda row: row[1])
    return out
