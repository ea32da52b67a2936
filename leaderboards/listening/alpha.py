"""Krippendorff's alpha, the agreement of listeners beyond chance: 1 is full agreement, 0 chance.

Krippendorff, Computing Krippendorff's alpha-reliability (2011), by coincidences. Written here since the kept library
for it (``krippendorff``) is under the GPL; held against the paper's worked example.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.leaderboards.statistics import UNITS, Estimate, interval

Floats = NDArray[np.float64]
Scale = Literal["nominal", "ordinal", "interval"]
RESAMPLES = 1000


def alpha(units: Mapping[Hashable, Sequence[float]], scale: Scale, seed: int = 0) -> Estimate:
    """Alpha of the values that each unit was given, with the percentile interval over units; n is the values that pair.

    No value where no unit has two values, or all values are equal.
    """
    paired = [values for values in units.values() if len(values) > 1]
    points = sorted({value for values in paired for value in values})
    count = sum(len(values) for values in paired)
    if len(points) < 2:
        return Estimate(None, None, None, count)
    place = {value: i for i, value in enumerate(points)}
    parts = np.stack([_coincidences([place[v] for v in values], len(points)) for values in paired])
    value = _from_coincidences(parts.sum(0), np.asarray(points), scale)
    if len(paired) < UNITS:
        return Estimate(value, None, None, count)
    rng = np.random.default_rng(seed)
    picks = rng.multinomial(len(paired), np.full(len(paired), 1 / len(paired)), RESAMPLES)
    drawn = np.einsum("bu,uij->bij", picks, parts)
    samples = np.array([_from_coincidences(one, np.asarray(points), scale) for one in drawn])
    return Estimate(value, *interval(samples), count)


def _coincidences(places: Sequence[int], size: int) -> Floats:
    counts = np.bincount(places, minlength=size).astype(float)
    return np.asarray((np.outer(counts, counts) - np.diag(counts)) / (len(places) - 1))


def _from_coincidences(coincidences: Floats, points: Floats, scale: Scale) -> float:
    each = coincidences.sum(0)
    total = each.sum()
    distance = _distance(each, points, scale)
    expected = (np.outer(each, each) - np.diag(each)) / (total - 1)
    chance = float((expected * distance).sum())
    return float("nan") if chance == 0 else 1 - float((coincidences * distance).sum()) / chance


def _distance(each: Floats, points: Floats, scale: Scale) -> Floats:
    if scale == "nominal":
        return 1.0 - np.eye(len(points))
    if scale == "interval":
        return np.asarray((points[:, None] - points) ** 2)
    upto = np.cumsum(each) - each / 2
    return np.asarray((upto[:, None] - upto) ** 2)
