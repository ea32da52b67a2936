"""`Sampler`: values, intervals, paired differences and tests from one sheet, each computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Mean, Quantile
from dubbench.leaderboards.intervals import Spread, error, estimate, mean, spread, weights
from dubbench.leaderboards.randomisation import ALPHA, Pair, holm, randomise, undecidable
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import UNITS, Bits, Estimate, seed_of, values
from dubbench.leaderboards.units import Units, units_of

Key = tuple[str, str, str, bytes]

Verdict = Literal["a", "b", "differ", "not apart", "equal", "cannot be decided", "not tested"]
"""``a`` or ``b`` is better; ``differ`` in a column without direction; ``equal``: the same figures on every unit;
``cannot be decided``: with so few units no p can reach Holm's threshold."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """System a against system b in one column, over the clips on which both are scored.

    Attributes:
        difference: a minus b with its own interval, not corrected.
        p: two-sided, by paired approximate randomisation; None if not tested.
        corrected: by Holm over ``family`` tests.
        effect: Cohen's d_z over the units: difference / (standard error x sqrt(units)); None where that is undefined.
        wins: share of the clips on which a is better (higher, in a column without direction); equal clips count half.
    """

    difference: Estimate
    verdict: Verdict = "not tested"
    p: float | None = None
    corrected: float | None = None
    family: int = 0
    effect: float | None = None
    wins: float | None = None

    @property
    def apart(self) -> bool:
        """Whether the corrected test tells them apart."""
        return self.verdict in ("a", "b", "differ")


def pairs(sheet: Sheet) -> list[tuple[str, str]]:
    """The pairs that are compared: every two systems of which one may rank; all, in a run of controls alone."""
    both = combinations(sheet.entrants, 2)
    return [(a, b) for a, b in both if not sheet.ranking or sheet.entrants[a].ranks or sheet.entrants[b].ranks]


@dataclass(eq=False)
class Sampler:
    """Estimates and tests from one sheet. The same units are drawn for all systems and columns."""

    sheet: Sheet
    _spreads: dict[Key, Spread] = field(default_factory=dict)
    _own: dict[tuple[str, str, str], NDArray[np.float64]] = field(default_factory=dict)
    _compared: dict[tuple[str, str, bytes], dict[tuple[str, str], Comparison]] = field(default_factory=dict)

    @cached_property
    def units(self) -> Units:
        """What is drawn, left out and swapped as a whole."""
        clips = self.sheet.clips
        return units_of(self.sheet.manifest.dataset, [clip.id for clip in clips], [clip.speaker for clip in clips])

    def unit(self) -> tuple[str, int]:
        """What is drawn over all clips (``speaker``, ``recording`` or ``clip``), and how many of them there are."""
        return self.units.name, self.units.count

    def estimate(self, label: str, measure: Measure, among: Bits | None = None) -> Estimate:
        """A system's value over its scored clips (those in ``among``, if given)."""
        return estimate(self._spread(label, measure, self._keep(measure, among, label)))

    def difference(self, a: str, b: str, measure: Measure, among: Bits | None = None) -> Estimate:
        """``a`` minus ``b``, paired over the clips on which both are scored."""
        return estimate(self._minus(a, b, measure, self._keep(measure, among, a, b)))

    def contrast(self, a: Sequence[str], b: Sequence[str], measure: Measure, among: Bits | None = None) -> Estimate:
        """Mean of the systems ``a`` minus mean of the systems ``b``, paired over the clips on which all are scored."""
        keep = self._keep(measure, among, *a, *b)
        one, other = (mean([self._spread(label, measure, keep) for label in labels]) for labels in (a, b))
        return estimate(one.minus(other))

    def compare(self, measure: Measure, among: Bits | None = None) -> dict[tuple[str, str], Comparison]:
        """All pairs that share clips, in the order of `pairs`; with ``among`` only those of ranking systems.

        Two families are corrected, each for itself: the pairs of ranking systems, and the pairs with a control. Tests
        that cannot be made (no value, fewer than `UNITS` units) are dropped before the correction.
        """
        if among is not None and not any((self.sheet.scored(x, measure) & ~among).any() for x in self.sheet.ranking):
            among = None  # nothing is left out: the same tests
        key = (measure.metric, measure.column.name, b"" if among is None else among.tobytes())
        if key not in self._compared:
            sheet = self.sheet
            ranking = {p for p in pairs(sheet) if all(sheet.entrants[label].ranks for label in p)}
            found = self._family(measure, among, [p for p in pairs(sheet) if p in ranking])
            if among is None:
                found |= self._family(measure, among, [p for p in pairs(sheet) if p not in ranking])
            self._compared[key] = {p: found[p] for p in pairs(sheet) if p in found}
        return self._compared[key]

    def compare_two(self, a: str, b: str, measure: Measure) -> Comparison | None:
        """One pair alone, uncorrected; None if they share no clip."""
        return self._family(measure, None, [(a, b)]).get((a, b))

    def _family(
        self, measure: Measure, among: Bits | None, family: list[tuple[str, str]]
    ) -> dict[tuple[str, str], Comparison]:
        shared = {p: self._keep(measure, among, *p) for p in family}
        spreads = {p: self._minus(*p, measure, keep) for p, keep in shared.items() if keep.any()}
        asked = [p for p, s in spreads.items() if s.units >= UNITS and np.isfinite(s.point)]
        seed = seed_of(self.sheet.manifest.comparability)
        results = randomise([self._sums(*p, measure, shared[p]) for p in asked], seed)
        tested = {p: test for p, test in zip(asked, results, strict=True) if test is not None}
        corrected = holm([test.p for test in tested.values()])
        lost = undecidable(list(tested.values()), corrected)
        after = dict(zip(tested, zip(corrected, lost, strict=True), strict=True))
        out = {}
        for p, s in spreads.items():
            wide = error(s)
            effect = s.point / (wide * s.units**0.5) if wide > 0 else 0.0 if s.point == 0 and wide == 0 else None
            told = estimate(s)
            if p not in tested:
                out[p] = Comparison(told, family=len(tested), effect=effect, wins=self._wins(*p, measure, shared[p]))
                continue
            adjusted, undecided = after[p]
            verdict: Verdict = "not apart"
            if adjusted <= ALPHA:
                up = (s.point > 0) == (measure.column.direction == "up")
                verdict = "differ" if measure.column.direction == "none" else "a" if up else "b"
            elif wide == 0 and s.point == 0:
                verdict = "equal"
            elif undecided:
                verdict = "cannot be decided"
            wins = self._wins(*p, measure, shared[p])
            out[p] = Comparison(told, verdict, tested[p].p, adjusted, len(tested), effect, wins)
        return out

    def _sums(self, a: str, b: str, measure: Measure, keep: Bits) -> Pair:
        """The two systems unit by unit; of a quantile the clips beyond the quantile of both together."""
        aggregate, parts = measure.column.aggregate, []
        stats = [self.sheet.stats(label, measure) for label in (a, b)]
        ones = np.ones(keep.size)
        if isinstance(aggregate, Quantile):
            x = [own[aggregate.value] for own in stats]
            cut = float(np.quantile(np.concatenate([own[keep] for own in x]), aggregate.q))
            parts = [((own > cut) + (own == cut) / 2, ones) for own in x]
        elif isinstance(aggregate, Mean):
            parts = [(own[aggregate.value], ones) for own in stats]
        else:
            parts = [(own[aggregate.numerator], own[aggregate.denominator]) for own in stats]
        return Pair(*(self.units.sums(x, keep) for part in parts for x in part))

    def _wins(self, a: str, b: str, measure: Measure, keep: Bits) -> float | None:
        one, two = (self._values(label, measure)[keep] for label in (a, b))
        known = np.isfinite(one) & np.isfinite(two)
        if not known.any():
            return None
        apart = np.sign(one[known] - two[known]) * (-1 if measure.column.direction == "down" else 1)
        return float((1 + apart.mean()) / 2)

    def _values(self, label: str, measure: Measure) -> NDArray[np.float64]:
        key = (label, measure.metric, measure.column.name)
        if key not in self._own:
            self._own[key] = values(measure.column, self.sheet.stats(label, measure), self.sheet.count)
        return self._own[key]

    def _keep(self, measure: Measure, among: Bits | None, *labels: str) -> Bits:
        keep = np.ones(self.sheet.count, bool) if among is None else among.copy()
        for label in labels:
            keep &= self.sheet.scored(label, measure)
        return keep

    @cached_property
    def _drawn(self) -> NDArray[np.float64]:
        return weights(self.units.count, seed_of(self.sheet.manifest.comparability))

    def _spread(self, label: str, measure: Measure, keep: Bits) -> Spread:
        key = (label, measure.metric, measure.column.name, keep.tobytes())
        if key not in self._spreads:
            stats = self.sheet.stats(label, measure)
            self._spreads[key] = spread(measure.column, stats, keep, self.units, self._drawn)
        return self._spreads[key]

    def _minus(self, a: str, b: str, measure: Measure, keep: Bits) -> Spread:
        return self._spread(a, measure, keep).minus(self._spread(b, measure, keep))
