"""Screening of listeners: catch trials passed, and agreement with the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dubbench.leaderboards.listening.answers import Answered, Vote
from dubbench.leaderboards.listening.key import Key

FEWEST = 8
"""Votes that agreement is judged from at least."""


@dataclass(frozen=True)
class Rules:
    """What a listener must keep: at most ``missed`` failed catch trials, and ``agreement`` with the others."""

    missed: int = 0
    agreement: float = 0.0


@dataclass(frozen=True)
class Listener:
    """One listener as screened.

    Attributes:
        pages: answered of ``asked``. passed: catch trials of ``catches`` that were answered.
        agreement: correlation of the listener's votes with the mean of the others' on the same conditions; None where
            there are too few, or all are equal. drift: mean distance of two answers to one page, in points.
        why: the reason to leave the listener out; empty to keep.
    """

    name: str
    pages: int
    asked: int
    passed: int
    catches: int
    agreement: float | None
    drift: float | None
    why: str


def screen(key: Key, answered: Sequence[Answered], votes: Sequence[Vote], rules: Rules) -> list[Listener]:
    """A row for every listener. Agreement is held against all others who passed their catch trials."""
    by_name: dict[str, list[Answered]] = defaultdict(list)
    for one in answered:
        by_name[one.listener].append(one)
    caught = {name: _catches(key, parts) for name, parts in by_name.items()}
    attentive = {name for name, (passed, all_) in caught.items() if all_ - passed <= rules.missed}
    rated = [vote for vote in votes if not vote.repeat]
    sums: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for vote in rated:
        if vote.listener in attentive:
            total = sums[vote.column, vote.condition]
            total[0] += vote.score
            total[1] += 1
    mine: dict[str, list[Vote]] = defaultdict(list)
    for vote in rated:
        mine[vote.listener].append(vote)
    drifts = _drifts(votes)
    out = []
    for name, parts in sorted(by_name.items()):
        passed, catches = caught[name]
        agreement = _agreement(mine[name], sums, name in attentive)
        why = ""
        if name not in attentive:
            why = f"{catches - passed} of {catches} catch trials failed"
        elif agreement is not None and agreement < rules.agreement:
            why = f"agreement {agreement:.2f} under {rules.agreement:g}"
        given, asked = sum(len(p.answers) for p in parts), sum(len(key.blocks[p.block]) for p in parts)
        out.append(Listener(name, given, asked, passed, catches, agreement, drifts.get(name), why))
    return out


def _catches(key: Key, parts: Sequence[Answered]) -> tuple[int, int]:
    """Catch trials that were passed, of those that were answered."""
    passed = all_ = 0
    for one in parts:
        for page, given in one.answers.items():
            shown = key.blocks[one.block][page]
            if shown.kind == "catch":
                all_ += 1
                passed += all(given.get(name) in right for name, right in shown.expected.items())
    return passed, all_


def _agreement(
    mine: Sequence[Vote], sums: Mapping[tuple[str, tuple[str, ...]], Sequence[float]], counted: bool
) -> float | None:
    """Correlation of one listener's votes with the others' means of the same column and condition."""
    own: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
    for vote in mine:
        own[vote.column, vote.condition].append(vote.score)
    xs, ys = [], []
    for vote in mine:
        where = vote.column, vote.condition
        total, count = sums.get(where, (0.0, 0.0))
        if counted:
            total, count = total - sum(own[where]), count - len(own[where])
        if count > 0:
            xs.append(vote.score)
            ys.append(total / count)
    if len(xs) < FEWEST or np.ptp(xs) == 0 or np.ptp(ys) < 1e-12:
        return None
    return float(np.corrcoef(xs, ys)[0, 1])


def _drifts(votes: Sequence[Vote]) -> dict[str, float]:
    first = {(v.listener, v.column, v.condition, v.clip): v.score for v in votes if not v.repeat}
    apart: dict[str, list[float]] = defaultdict(list)
    for vote in votes:
        where = vote.listener, vote.column, vote.condition, vote.clip
        if vote.repeat and where in first:
            apart[vote.listener].append(abs(vote.score - first[where]))
    return {name: float(np.mean(found)) for name, found in apart.items()}
