"""The number of listeners: half-widths of intervals from variance components, assumed or measured in a pilot.

A vote is y = μ(system) + listener + listener:system + clip + clip:system + rest. For L listeners, C clips and n votes a
system, the mean of a system has variance (σ²_l + σ²_ls) / L + (σ²_c + σ²_cs) / C + σ²_rest / n, and the difference of
two systems 2 (σ²_ls / L + σ²_cs / C + σ²_rest / n): a strict listener is strict with both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dubbench.leaderboards.listening.answers import Vote
from dubbench.leaderboards.statistics import LEVEL

MOST = 2000


@dataclass(frozen=True)
class Components:
    """Standard deviations of the parts of a vote, in points. The defaults are assumptions for a five-point scale."""

    listener: float = 0.4
    listener_system: float = 0.2
    clip: float = 0.2
    clip_system: float = 0.2
    rest: float = 0.8


@dataclass(frozen=True, slots=True)
class Plan:
    """What a number of listeners gives: votes a system, and half the 95 % interval of a mean and of a difference."""

    listeners: int
    votes: float
    mean: float
    difference: float


def plan(parts: Components, listeners: int, systems: int, clips: int, pages: int) -> Plan:
    """Half-widths with so many listeners who each rate ``pages`` pages of ``systems`` systems on ``clips`` clips."""
    votes = listeners * pages / systems
    quantile = stats.t.ppf((1 + LEVEL) / 2, max(1, min(listeners, clips) - 1))
    mean = (
        (parts.listener**2 + parts.listener_system**2) / listeners
        + (parts.clip**2 + parts.clip_system**2) / clips
        + parts.rest**2 / votes
    )
    apart = 2 * (parts.listener_system**2 / listeners + parts.clip_system**2 / clips + parts.rest**2 / votes)
    return Plan(listeners, votes, quantile * math.sqrt(mean), quantile * math.sqrt(apart))


def needed(parts: Components, within: float, what: str, systems: int, clips: int, pages: int) -> Plan | None:
    """The fewest listeners for an interval of ± ``within`` of ``mean`` or ``difference``; None if no number does."""
    for listeners in range(2, MOST + 1):
        found = plan(parts, listeners, systems, clips, pages)
        if getattr(found, what) <= within:
            return found
    return None


def components(votes: Sequence[Vote]) -> Components:
    """The parts measured in votes of one column, by mean products of residuals of votes that share a listener or clip.

    A negative mean product counts as 0.
    """
    rated = [vote for vote in votes if not vote.repeat]
    systems = [vote.condition for vote in rated]
    scores = np.array([vote.score for vote in rated])
    for system in set(systems):
        own = np.array([s == system for s in systems])
        count = int(own.sum())
        scores[own] = (scores[own] - scores[own].mean()) * math.sqrt(count / max(1, count - 1))
    listeners, clips = [v.listener for v in rated], [v.clip for v in rated]

    def product(same: Sequence[str], other: Sequence[str]) -> tuple[float, float]:
        """Mean products of pairs that share ``same`` and not ``other``: of one system, of two systems."""
        within = _pairs(scores, list(zip(same, systems, strict=True)), list(zip(same, systems, other, strict=True)))
        every = _pairs(scores, list(same), list(zip(same, other, strict=True)))
        one = within[0] / within[1] if within[1] else 0.0
        rest = every[1] - within[1]
        return max(0.0, one), max(0.0, (every[0] - within[0]) / rest) if rest else 0.0

    both_l, listener = product(listeners, clips)
    both_c, clip = product(clips, listeners)
    rest = max(0.0, float(np.mean(scores**2)) - both_l - both_c)
    listener, clip = min(listener, both_l), min(clip, both_c)
    sds = (listener, both_l - listener, clip, both_c - clip, rest)
    return Components(*(math.sqrt(part) for part in sds))


def _pairs(scores: np.ndarray, wide: Sequence[object], narrow: Sequence[object]) -> tuple[float, float]:
    """Sum of products, and number, of ordered pairs that share ``wide`` and not ``narrow``."""
    total = count = 0.0
    for sign, groups in ((1, wide), (-1, narrow)):
        index = {group: i for i, group in enumerate(dict.fromkeys(groups))}
        at = np.array([index[group] for group in groups])
        sums, sizes = np.bincount(at, scores), np.bincount(at)
        total += sign * float((sums**2).sum())
        count += sign * float((sizes.astype(float) ** 2).sum())
    return total, count
