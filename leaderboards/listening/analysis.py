"""Analysis of a test's answers: screening, means, preferences, differences and agreement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from dubbench.leaderboards.listening import preference
from dubbench.leaderboards.listening.alpha import alpha
from dubbench.leaderboards.listening.answers import Collected, Vote, votes
from dubbench.leaderboards.listening.crossed import Floats, Spread, estimated, means, spread
from dubbench.leaderboards.listening.key import Key
from dubbench.leaderboards.listening.screening import Listener, Rules, screen
from dubbench.leaderboards.statistics import NOTHING, Estimate, seed_of


@dataclass(frozen=True, slots=True)
class Rating:
    """A system in a column. ``unit``: what its interval takes as a sample. ``unscreened``: the value of all answers."""

    column: str
    system: str
    estimate: Estimate
    unit: str
    unscreened: float | None


@dataclass(frozen=True, slots=True)
class Difference:
    """``a`` minus ``b`` in a column; ``p`` is two-sided, ``holm`` the same after Holm's correction over the column."""

    column: str
    a: str
    b: str
    estimate: Estimate
    p: float | None
    holm: float | None = None


@dataclass
class Analysis:
    """Everything that is reported. ``votes`` are all, of kept listeners or not."""

    key: Key
    listeners: list[Listener]
    votes: list[Vote]
    problems: list[str]
    ratings: list[Rating] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    alphas: dict[str, Estimate] = field(default_factory=dict)

    @property
    def kept(self) -> set[str]:
        """Names of the listeners that count."""
        return {listener.name for listener in self.listeners if not listener.why}


def analyse(key: Key, collected: Collected, rules: Rules) -> Analysis:
    """All statistics of the answers that fit the key."""
    every = votes(key, collected.answered)
    out = Analysis(key, screen(key, collected.answered, every, rules), every, list(collected.problems))
    rated = [vote for vote in every if not vote.repeat]
    for column in dict.fromkeys(c for asked in key.tests for c in asked.protocol.columns.values()):
        all_ = [vote for vote in rated if vote.column == column]
        kept = [vote for vote in all_ if vote.listener in out.kept]
        units: dict[Hashable, list[float]] = defaultdict(list)
        for vote in kept:
            units[vote.condition, vote.clip].append(vote.score)
        scale = "nominal" if column.startswith("BT-") else "ordinal"
        out.alphas[column] = alpha(units, scale, seed_of(key.export + column))  # type: ignore[arg-type]
        if all_:
            _column(out, column, kept, all_)
    return out


def _column(out: Analysis, column: str, kept: Sequence[Vote], every: Sequence[Vote]) -> None:
    place = {label: i for i, label in enumerate(out.key.systems)}
    used = {label for vote in every for label in vote.condition}
    if column == "CMOS":
        used -= {vote.condition[0] for vote in every}
    systems = sorted(used, key=lambda label: place[label])
    raw, _, _ = _values(column, every, systems)
    value, influence, counts = _values(column, kept, systems)
    wide = spread(influence, [v.listener for v in kept], [v.clip for v in kept]) if kept else Spread((), 0, "")
    one = np.eye(len(systems))
    for i, system in enumerate(systems):
        found = estimated(value[i], wide.half(one[i]), counts[i]) if kept else NOTHING
        unscreened = float(raw[i]) if np.isfinite(raw[i]) else None
        out.ratings.append(Rating(column, system, found, wide.unit, unscreened))
    pairs = []
    for i, j in combinations(range(len(systems)), 2):
        apart = float(value[i] - value[j])
        if np.isfinite(apart):
            weights = one[i] - one[j]
            found = estimated(apart, wide.half(weights), counts[i] + counts[j])
            pairs.append(Difference(column, systems[i], systems[j], found, wide.p_value(apart, weights)))
    out.differences += _corrected(pairs)


def _values(column: str, votes: Sequence[Vote], systems: Sequence[str]) -> tuple[Floats, Floats, list[int]]:
    """The value of each system, each vote's influence on it, and how many votes it has."""
    place = {label: i for i, label in enumerate(systems)}
    scores = np.array([vote.score for vote in votes], float)
    if not votes:
        return np.full(len(systems), np.nan), np.zeros((0, len(systems))), [0] * len(systems)
    if column.startswith("BT-"):
        first = np.array([place[vote.condition[0]] for vote in votes], np.intp)
        second = np.array([place[vote.condition[1]] for vote in votes], np.intp)
        found = preference.fit(first, second, scores, len(systems))
        counts = np.bincount(np.concatenate([first, second]), minlength=len(systems))
        return np.where(counts > 0, found.theta, np.nan), found.influence, counts.tolist()
    groups = [place[vote.condition[-1]] for vote in votes]
    value, influence = means(scores, groups, len(systems))
    return value, influence, np.bincount(groups, minlength=len(systems)).tolist()


def _corrected(pairs: Sequence[Difference]) -> list[Difference]:
    """Holm's step-down correction over all pairs that have a p."""
    order = sorted((i for i, pair in enumerate(pairs) if pair.p is not None), key=lambda i: pairs[i].p or 0.0)
    holm: dict[int, float] = {}
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * (pairs[i].p or 0.0)))
        holm[i] = highest
    return [Difference(p.column, p.a, p.b, p.estimate, p.p, holm.get(i)) for i, p in enumerate(pairs)]
