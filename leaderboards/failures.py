"""All clips without a dub or a score, grouped by reason, so that none is skipped in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from dubbench.leaderboards.sheet import Sheet

NAMED = 12
"""Clips named in a group; the others are counted."""


def failures(sheet: Sheet) -> list[dict[str, Any]]:
    """Groups of rows that are no clips, and of failed or unscored (system, clip) pairs, largest first.

    Keys: ``stage`` (``clip``, ``dub``, ``score``, ``value``), ``what`` (metrics or columns; empty for clips and dubs),
    ``reason`` (of the first of them), ``count``, ``systems`` [(label, count)], ``clips`` (the first few ids), ``more``
    (clips not named).
    Reasons that differ in numbers or in the clip's name alone are one group.
    """
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for stage, what, label, clip, reason in _every(sheet):
        pattern = re.sub(r"\d+(\.\d+)?", "#", reason.replace(clip, "#"))
        group = groups.setdefault((stage, pattern), {"reason": reason, "what": {}, "systems": {}, "clips": {}})
        group["what"][what] = None
        group["systems"][label] = group["systems"].get(label, 0) + 1
        group["clips"][clip] = None
    out = [
        {
            "stage": stage,
            "what": ", ".join(group["what"]),
            "reason": group["reason"],
            "count": sum(group["systems"].values()),
            "systems": [(label, count) for label, count in group["systems"].items() if label],
            "clips": list(group["clips"])[:NAMED],
            "more": max(0, len(group["clips"]) - NAMED),
        }
        for (stage, _), group in groups.items()
    ]
    order = {"clip": 0, "dub": 1, "score": 2, "value": 3}
    return sorted(out, key=lambda g: (order[g["stage"]], -g["count"], g["reason"]))


def rejected(sheet: Sheet) -> list[tuple[str, str]]:
    """What of the data set could not become a clip: (its id or place, why)."""
    return list(dict.fromkeys(row for run in sheet.runs for row in run.manifest.rejected))


def _every(sheet: Sheet) -> Iterator[tuple[str, str, str, str, str]]:
    """(stage, metric or column, label, clip, reason) of every failed dub, unscored row and missing value."""
    for clip, what in rejected(sheet):
        yield "clip", "", "", clip, what
    metrics = list(dict.fromkeys(m.metric for m in sheet.measures))
    ids = [clip.id for clip in sheet.clips]
    for label, entrant in sheet.entrants.items():
        for clip in ids:
            row = sheet.dubs.get((label, clip))
            if row is None or row.reason:
                yield "dub", "", label, clip, row.reason if row else "not dubbed yet: the run was interrupted"
        for metric in metrics:
            found = sheet.scores.get((label, metric))
            if found is None and metric not in entrant.run.manifest.metrics:
                continue
            reasons = found.reasons if found else {}
            waiting = np.flatnonzero(~found.asked) if found else np.arange(sheet.count)
            for i in sorted({*reasons, *waiting.tolist()}):
                yield "score", metric, label, ids[i], reasons.get(i, "not scored yet: the run was interrupted")
        for m in sheet.measures:
            found = sheet.scores.get((label, m.metric))
            if found is None:
                continue
            for i in np.flatnonzero(found.asked & ~sheet.scored(label, m)).tolist():
                if i not in found.reasons:
                    yield "value", m.column.name, label, ids[i], "the metric gave no value for this column on this clip"
