"""Faults of the published numbers: rules that read them all and name those that contradict each other.

A finding is no verdict on a paper. It says that two printed numbers cannot both be used, or cannot be what they are
called, and why; a reader who cites one of them should know.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from dubbench.leaderboards.published.rows import TRUTH, Published, Source

APART = 1.4
"""Ratio of medians from which two sources whose ranges do not overlap cannot have measured the same thing."""


FREE = frozenset({"WER", "RTF", "NFE", "#Params"})
"""Columns whose values may be any for a good or a bad system, so that two ranges say nothing of the scale."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that cannot be.

    Attributes:
        rule: ``two values``, ``copied``, ``not disjoint``, ``other counts``, ``interval``, ``other scale``,
            ``self-compare`` or ``identity``.
        about: system, data set, setting and column, as far as the rule has them.
        text: one sentence with the numbers and the sources.
    """

    rule: str
    about: str
    text: str


def findings(numbers: Sequence[Published], sources: Sequence[Source]) -> tuple[Finding, ...]:
    """Every finding, by rule, then in the order of the data."""
    rules = (_two_values, _copied, _intervals, _scales, _self_compared, _pitch_identity)
    found = [finding for rule in rules for finding in rule(numbers)]
    return (*found, *_counts(sources))


def _by_cell(numbers: Sequence[Published]) -> dict[tuple[str, ...], list[Published]]:
    cells: dict[tuple[str, ...], list[Published]] = defaultdict(list)
    for n in numbers:
        cells[n.dataset, n.setting, n.system, n.variant, n.column].append(n)
    return cells


def _agree(a: Published, b: Published) -> bool:
    """Whether both print one number, as far as the coarser of the two goes."""
    digits = min(len(n.text.partition("±")[0].partition(".")[2]) for n in (a, b))
    return abs(a.value - b.value) <= 0.5 * 10.0**-digits + 1e-9 if a.text != b.text else True


def _two_values(numbers: Sequence[Published]) -> Iterator[Finding]:
    for (dataset, setting, system, _, column), same in _by_cell(numbers).items():
        texts = {n.text: n for n in same}
        if any(not _agree(a, b) for a, b in combinations(texts.values(), 2)):
            told = " and ".join(f"{n.text} ({n.place})" for n in texts.values())
            yield Finding(
                "two values",
                f"{system}, {dataset} {setting}, {column}",
                f"{column} of {system} on {dataset} under Setting {setting} is {told}.",
            )


def _copied(numbers: Sequence[Published]) -> Iterator[Finding]:
    """A system's numbers on one data set that two papers print alike to the last digit, in at least two cells."""
    pairs: dict[tuple[str, str, str, str], list[bool]] = defaultdict(list)
    for (dataset, _, system, variant, _), same in _by_cell(numbers).items():
        first = {n.source.id: n for n in same if n.source.kind != "second-hand"}
        for x, y in combinations(first.values(), 2):
            if not variant and system != TRUTH and system.lower() not in (x.source.id, y.source.id):
                pairs[system, dataset, x.source.id, y.source.id].append(x.text == y.text)
    for (system, dataset, a, b), equal in pairs.items():
        if sum(equal) >= 2:
            yield Finding(
                "copied",
                f"{system}, {dataset}",
                f"{sum(equal)} of the {len(equal)} numbers of {system} on {dataset} that {a} and {b} both print are "
                "the same to the last digit: most likely copied, so one protocol stands under two names.",
            )


def _intervals(numbers: Sequence[Published]) -> Iterator[Finding]:
    """A 95 % interval of n independent ratings needs a standard deviation that the 1 to 5 scale must allow."""
    held: dict[tuple[Source, str, str, str], list[tuple[Published, float, float]]] = defaultdict(list)
    for n in numbers:
        if n.spread is not None and n.source.ratings:
            needed, most = n.spread * math.sqrt(n.source.ratings) / 1.96, math.sqrt((5 - n.value) * (n.value - 1))
            held[n.source, n.where, n.dataset, n.column].append((n, needed, most))
    for (source, where, dataset, column), rows in held.items():
        off = [row for row in rows if row[1] > row[2]]
        if off:
            n, needed, most = off[-1]
            yield Finding(
                "interval",
                f"{dataset}, {column}",
                f"{len(off)} of the {len(rows)} intervals of {column} on {dataset} ({source.id}, {where}) cannot be "
                f"95 % intervals of {source.ratings} independent ratings: {n.text} of {n.system} would need a standard "
                f"deviation of {needed:.2f}, and a mean of {n.value:.2f} on a scale of 1 to 5 allows {most:.2f}.",
            )


def _scales(numbers: Sequence[Published]) -> Iterator[Finding]:
    """Two sources whose values of one column do not overlap at all and lie far apart; error rates and times may."""
    held: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for n in numbers:
        if n.system != TRUTH and n.column not in FREE:
            held[n.column][n.source.id].append(n.value)
    for column, by_source in held.items():
        for a, b in combinations(by_source, 2):
            low, high = sorted((by_source[a], by_source[b]), key=statistics.median)
            if max(low) < min(high) and statistics.median(high) > APART * statistics.median(low) > 0:
                ids = (a, b) if low is by_source[a] else (b, a)
                yield Finding(
                    "other scale",
                    column,
                    f"{column} runs from {min(low):g} to {max(low):g} in {ids[0]} and from {min(high):g} to "
                    f"{max(high):g} in {ids[1]}: another scale or protocol; never in one column.",
                )


def _self_compared(numbers: Sequence[Published]) -> Iterator[Finding]:
    for n in numbers:
        if (n.system, n.column, n.setting) == (TRUTH, "SECS", "2.0") and n.value == 100:
            yield Finding(
                "self-compare",
                f"{TRUTH}, {n.dataset} 2.0, SECS",
                f"SECS of the ground truth on {n.dataset} under Setting 2.0 is printed as {n.text} ({n.place}): the "
                "clip was held against itself, while systems are held against another clip of the speaker.",
            )


def _pitch_identity(numbers: Sequence[Published]) -> Iterator[Finding]:
    """FFE = VDE + GPE · p with p the share of frames that are voiced in both, so p must be within [0, 1]."""
    rows: dict[tuple[Source, str, str, str, str, str], dict[str, float]] = defaultdict(dict)
    for n in numbers:
        rows[n.source, n.where, n.dataset, n.setting, n.system, n.variant][n.column] = n.value
    for (source, where, dataset, setting, system, _), row in rows.items():
        if {"FFE", "GPE", "VDE"} <= row.keys() and row["GPE"] > 0:
            share = (row["FFE"] - row["VDE"]) / row["GPE"]
            if not -0.01 <= share <= 1.01:
                yield Finding(
                    "identity",
                    f"{system}, {dataset} {setting}, FFE",
                    f"FFE, GPE and VDE of {system} ({source.id}, {where}) cannot stand together: FFE = VDE + GPE · p "
                    f"would need p = {share:.2f}.",
                )


def _counts(sources: Sequence[Source]) -> Iterator[Finding]:
    told = [(source, counts) for source in sources for counts in source.counts]
    for source, c in told:
        total = c.train + c.validation + c.test
        if c.exist and total > c.exist:
            yield Finding(
                "not disjoint",
                c.dataset,
                f"{source.id} ({c.where}) trains on {c.train:,} and tests on {c.test:,} clips of {c.dataset}, together "
                f"{total:,}, but there are {c.exist:,} ({c.why}): at least {total - c.exist:,} are in both, or a count "
                "means something else.",
            )
    for (a, x), (b, y) in combinations(told, 2):
        if x.dataset == y.dataset and x.test != y.test:
            yield Finding(
                "other counts",
                x.dataset,
                f"{a.id} tests on {x.test:,} clips of {x.dataset}, {b.id} on {y.test:,}: not the same test set.",
            )
