"""The declared training data of a system, and its meaning for the clips of a table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Literal

from dubbench.core.system import SystemInfo

Seen = Literal["test clip", "test speaker", "test data set", "unknown", "no", ""]
"""``test clip``: trained on clips of the table; ``test speaker``: on other clips of its speakers; ``test data set``: on
this data set, which part is not declared; ``unknown``: nothing is declared; ``no``: only other data; empty: not
trained at all (controls, and baselines without weights)."""

WORST: tuple[Seen, ...] = ("test clip", "test speaker", "test data set", "unknown", "no", "")

ONE_SPEAKER = frozenset({"chem"})
"""Data sets of a single speaker: a model trained on any part of one has heard the test speaker."""

MARKS: dict[str, str] = {"test clip": "c", "test speaker": "s", "test data set": "d", "unknown": "?"}
"""Flag -> the letter behind a system's name."""

MEANING = {
    "c": "trained on the test clips",
    "s": "trained on other clips of the test speakers",
    "d": "trained on this data set, clips not declared",
    "?": "training data not declared",
}


def explained(flags: Iterable[str]) -> str:
    """What the letters behind names mean, one sentence; empty if there is none."""
    letters = dict.fromkeys(MARKS[flag] for flag in flags if flag in MARKS)
    return "; ".join(f"{letter}: {MEANING[letter]}" for letter in letters) + "." if letters else ""


def seen(info: SystemInfo, dataset: str, split: str, speakers: Collection[str]) -> Seen:
    """The contamination flag of a system.

    `SystemInfo.trained_on` holds data sets, ``grid``, or parts of them, ``grid/train``, ``grid/speaker:s1``,
    ``grid/all``.

    Args:
        info: what the system says about itself.
        dataset, split: of the table; a limit in brackets, ``test[50]``, is not part of the split's name.
        speakers: of its clips.
    """
    if info.kind == "control" or (info.kind == "baseline" and not info.trained_on):
        return ""
    if not info.trained_on:
        return "unknown"
    flags = {_part(entry, dataset.lower(), _base(split), speakers) for entry in info.trained_on}
    return min(flags, key=WORST.index)


def _base(split: str) -> str:
    return re.sub(r"\[\d+\]$", "", split).lower()


def _part(entry: str, dataset: str, split: str, speakers: Collection[str]) -> Seen:
    name, _, part = entry.strip().lower().partition("/")
    if name != dataset:
        return "no"
    if part in ("all", split):
        return "test clip"
    known = {speaker.lower() for speaker in speakers if speaker}
    if part.startswith("speaker:") and known:
        return "test speaker" if part.removeprefix("speaker:") in known else "no"
    return "test speaker" if dataset in ONE_SPEAKER else "test data set"
