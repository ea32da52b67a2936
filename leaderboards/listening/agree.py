"""Agreement of metrics with listeners: rank correlations and pairwise accuracy of every column against votes.

Over systems: Spearman's rho, Kendall's tau-b, and the share of pairs of systems that the metric orders as people do
(Kocmi et al. 2021). Over dubs: the same over (system, clip), where the pairs are systems on one clip. Clips and
listeners are drawn together with replacement, the same for metric and votes; systems stay as they are, so that the
intervals speak of these systems. A column where lower is better is turned first: agreement is always positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening.votes import Opinion
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import UNITS, Estimate, estimate, seed_of, values

RESAMPLES = 500
FEWEST = 3
"""Systems (or dubs) that a correlation is made from at least."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One column against one kind of votes. ``level`` is ``systems`` or ``dubs``; ``n`` of them were compared."""

    votes: str
    column: str
    level: str
    n: int
    spearman: Estimate
    kendall: Estimate
    accuracy: Estimate


def agreements(sheet: Sheet, opinions: Sequence[Opinion], controls: bool = False) -> list[Agreement]:
    """Every ranked column of the sheet against every column of votes.

    Args:
        controls: whether controls count as systems; they make agreement look better than it is among real systems.

    Raises:
        DubbenchError: the votes name fewer than `FEWEST` systems of the run.
    """
    systems = list(sheet.entrants) if controls else sheet.ranking
    clips = {"", *(clip.id for clip in sheet.clips)}
    out = []
    for kind in dict.fromkeys(opinion.column for opinion in opinions):
        mine = [o for o in opinions if o.column == kind and o.system in systems and o.clip in clips]
        voted = [label for label in systems if any(o.system == label for o in mine)]
        if len(voted) < FEWEST:
            known = ", ".join(systems)
            raise DubbenchError(f"{kind}: votes for {len(voted)} systems of this run ({known}); {FEWEST} are needed")
        for measure in sheet.measures:
            if measure.column.direction != "none":
                out += _one(sheet, kind, voted, mine, measure)
    return out


@dataclass(frozen=True)
class _Ballot:
    """Votes as arrays: index of the system, the clip (-1 if untold) and the listener, and the score."""

    system: NDArray[np.intp]
    clip: NDArray[np.intp]
    listener: NDArray[np.intp]
    score: Floats


def _one(sheet: Sheet, kind: str, labels: Sequence[str], opinions: Sequence[Opinion], m: Measure) -> list[Agreement]:
    scored = np.stack([sheet.scored(label, m) for label in labels])
    heard = {o.clip for o in opinions if o.clip}
    keep = scored.all(0) & np.array([not heard or clip.id in heard for clip in sheet.clips])
    clips = np.flatnonzero(keep)
    if not clips.size:
        return []
    place = {sheet.clips[i].id: at for at, i in enumerate(clips)}
    mine = [o for o in opinions if not o.clip or o.clip in place]
    people = {name: i for i, name in enumerate(dict.fromkeys(o.listener for o in mine))}
    ballot = _Ballot(
        np.array([labels.index(o.system) for o in mine], np.intp),
        np.array([place[o.clip] if o.clip else -1 for o in mine], np.intp),
        np.array([people[o.listener] for o in mine], np.intp),
        np.array([o.score for o in mine]),
    )
    sign = 1.0 if m.column.direction == "up" else -1.0
    arrays = [{name: x[clips] for name, x in sheet.stats(label, m).items()} for label in labels]
    each = sign * np.stack([values(m.column, sheet.stats(label, m), sheet.count)[clips] for label in labels])

    def systems(index: NDArray[np.intp], weight: Floats) -> Floats:
        metric = [sign * float(m.column.aggregate.resample(x, index[None])[0]) for x in arrays]
        return _systems(np.array(metric), ballot, index, weight)

    def dubs(index: NDArray[np.intp], weight: Floats) -> Floats:
        return _dubs(each, ballot, index, weight)

    known = 0 if "" in people else len(people)
    rng = np.random.default_rng(seed_of(f"{sheet.manifest.comparability}\0{kind}\0{m.metric}\0{m.column.name}"))
    sampled = max(len(clips), known) >= UNITS
    draws = [_draw(len(clips), len(people), known, rng) for _ in range(RESAMPLES if sampled else 0)]
    levels = [("systems", len(labels), systems)]
    if heard:
        levels.append(("dubs", len(set(zip(ballot.system.tolist(), ballot.clip.tolist(), strict=True))), dubs))
    out = []
    for level, n, compare in levels:
        points = compare(np.arange(len(clips)), np.ones(len(people)))
        samples = np.array([compare(*draw) for draw in draws]).reshape(-1, 3)
        found = [estimate(points[i], samples[:, i], n) for i in range(3)]
        out.append(Agreement(kind, m.column.name, level, n, *found))
    return out


def _draw(clips: int, people: int, known: int, rng: np.random.Generator) -> tuple[NDArray[np.intp], Floats]:
    """Clips drawn with replacement and how often each listener was; a side with fewer than `UNITS` stays as it is."""
    index = np.sort(rng.integers(0, clips, clips)) if clips >= UNITS else np.arange(clips)
    weight = np.bincount(rng.integers(0, people, people), minlength=people) if known >= UNITS else np.ones(people)
    return index.astype(np.intp), weight.astype(float)


def _weights(ballot: _Ballot, index: NDArray[np.intp], people: Floats, clips: int) -> Floats:
    often = np.bincount(index, minlength=clips).astype(float)
    by_clip = np.where(ballot.clip >= 0, often[ballot.clip], 1.0)
    return np.asarray(by_clip * people[ballot.listener])


def _systems(metric: Floats, ballot: _Ballot, index: NDArray[np.intp], people: Floats) -> Floats:
    count = len(metric)
    weight = _weights(ballot, index, people, len(index))
    with np.errstate(invalid="ignore", divide="ignore"):
        votes = np.bincount(ballot.system, weight * ballot.score, count) / np.bincount(ballot.system, weight, count)
    return _compare(metric, votes, list(combinations(range(count), 2)))


def _dubs(each: Floats, ballot: _Ballot, index: NDArray[np.intp], people: Floats) -> Floats:
    """Over (system, clip): a clip that was drawn twice counts twice."""
    systems, clips = each.shape
    weight = people[ballot.listener]
    cell = ballot.system * clips + ballot.clip
    told = ballot.clip >= 0
    size = systems * clips
    with np.errstate(invalid="ignore", divide="ignore"):
        votes = np.bincount(cell[told], (weight * ballot.score)[told], size) / np.bincount(
            cell[told], weight[told], size
        )
    voted = votes.reshape(systems, clips)[:, index]
    x, y = each[:, index].ravel(), voted.ravel()
    n = len(index)
    pairs = [(a * n + c, b * n + c) for a, b in combinations(range(systems), 2) for c in range(n)]
    return _compare(x, y, pairs)


def _compare(x: Floats, y: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """(3,) Spearman, Kendall's tau-b, accuracy over pairs that people do not tie; NaN where undefined."""
    both = np.isfinite(x) & np.isfinite(y)
    out = np.full(3, np.nan)
    if both.sum() >= FEWEST and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
        out[0] = stats.spearmanr(x[both], y[both]).statistic
        out[1] = stats.kendalltau(x[both], y[both]).statistic
    if pairs:
        a, b = np.array(pairs).T
        people, machine = np.sign(y[a] - y[b]), np.sign(x[a] - x[b])
        told = np.isfinite(people) & np.isfinite(machine) & (people != 0)
        if told.any():
            out[2] = float(np.mean(np.where(machine == 0, 0.5, machine == people)[told]))
    return out
