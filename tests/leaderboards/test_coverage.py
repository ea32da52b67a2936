"""How often the 95 % intervals hold the true value, over made-up columns; docs/statistics.md shows the printed table.

python -m pytest tests/leaderboards/test_coverage.py -m slow -s
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from dubbench.core.metric import Column, Mean, Quantile, Ratio
from dubbench.leaderboards.intervals import Spread, estimate, spread, weights
from dubbench.leaderboards.statistics import Arrays
from dubbench.leaderboards.units import Units

CLIPS = 20
"""Clips of a unit."""

RATIO = Column(name="R", direction="down", aggregate=Ratio(numerator="e", denominator="w"))
MEAN = Column(name="M", direction="up", aggregate=Mean(value="x"))
MEDIAN = Column(name="Q", direction="down", aggregate=Quantile(value="x", q=0.5))

Design = Callable[[np.random.Generator, int], Arrays]


def similarity(rng: np.random.Generator, units: int) -> Arrays:
    """Symmetric, as SECS or DNSMOS: a fifth of the variance lies between speakers."""
    return {"x": (rng.normal(0, 0.5, units)[:, None] + rng.normal(0, 1, (units, CLIPS))).ravel()}


def wer(rng: np.random.Generator, units: int) -> Arrays:
    """Words wrong at 10 % with speakers half as far apart again, and one clip in fifty all wrong."""
    words = rng.integers(4, 9, (units, CLIPS))
    rate = np.clip(rng.gamma(4, 0.1 / 4, units)[:, None] * rng.gamma(2, 0.5, (units, CLIPS)), 0, 1)
    errors = np.where(rng.random((units, CLIPS)) < 0.02, words, rng.binomial(words, rate))
    return {"e": errors.astype(float).ravel(), "w": words.astype(float).ravel()}


def ffe(rng: np.random.Generator, units: int) -> Arrays:
    """Frames wrong at 15 %, speakers skewed (gamma of shape 3), clips of one to four seconds."""
    frames = rng.integers(150, 600, (units, CLIPS))
    rate = np.clip(rng.gamma(3, 0.15 / 3, units)[:, None] * rng.gamma(4, 0.25, (units, CLIPS)), 0, 1)
    return {"e": rng.binomial(frames, rate).astype(float).ravel(), "w": frames.astype(float).ravel()}


def alignment(rng: np.random.Generator, units: int) -> Arrays:
    """Log-normal milliseconds with a median of 30."""
    return {"x": 30 * np.exp(rng.normal(0, 0.4, units)[:, None] + rng.normal(0, 0.8, (units, CLIPS))).ravel()}


DESIGNS: dict[str, tuple[Column, Design, bool]] = {
    "mean, symmetric (SECS, DNSMOS)": (MEAN, similarity, True),
    "ratio, floor at 0 (WER)": (RATIO, wer, False),
    "ratio, floor at 0 (FFE)": (RATIO, ffe, False),
    "median (align-ms)": (MEDIAN, alignment, False),
}
PAIRED = "paired difference (SECS)"


def truth(column: Column, design: Design) -> float:
    if column is RATIO:
        stats = design(np.random.default_rng(99), 20_000)
        return float(stats["e"].sum() / stats["w"].sum())
    return 30.0 if column is MEDIAN else 0.0


def coverage(name: str, units: int, times: int) -> tuple[float, float, str]:
    """Per cent of the intervals, and of percentile bootstrap intervals, that hold the true value; its kind."""
    column, design, _ = DESIGNS[name] if name != PAIRED else (MEAN, similarity, True)
    wanted = truth(column, design)
    group = Units("speaker", np.repeat(np.arange(units), CLIPS), units)
    keep, drawn = np.ones(units * CLIPS, bool), weights(units, 1)
    hits, plain, method = 0, 0, ""
    for i in range(times):
        rng = np.random.default_rng([i, units])
        found = spread(column, design(rng, units), keep, group, drawn)
        if name == PAIRED:
            found = found.minus(spread(column, design(rng, units), keep, group, drawn))
        e = estimate(found)
        method = e.method
        assert e.low is not None and e.high is not None
        hits += e.low <= wanted <= e.high
        low, high = percentile(found)
        plain += low <= wanted <= high
    return 100 * hits / times, 100 * plain / times, method


def percentile(found: Spread) -> NDArray[np.float64]:
    return np.asarray(np.quantile(found.samples, [0.025, 0.975]))


def bounds(name: str, units: int) -> tuple[float, float]:
    """Per cent that must be covered."""
    if units >= 100 or name == PAIRED or DESIGNS[name][2]:
        return 93, 97
    if DESIGNS[name][0] is MEDIAN:
        return 0, 100  # reported
    return (88 if units == 10 else 91), 100


@pytest.mark.parametrize("name", [name for name in (*DESIGNS, PAIRED) if name != "median (align-ms)"])
@pytest.mark.parametrize("units", [10, 30, 100])
def test_intervals_cover_within_what_250_trials_can_tell(name: str, units: int) -> None:
    found, _, _ = coverage(name, units, 250)
    low, high = bounds(name, units)
    assert low - 3.5 <= found <= high + 3.5  # 3.5 points: two and a half standard errors of a share of 95 %


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_intervals_cover(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["| column | units | interval | covers | percentile bootstrap |", "| --- | ---: | --- | ---: | ---: |"]
    wrong = []
    for name in (*DESIGNS, PAIRED):
        for units in (10, 30, 100):
            found, plain, method = coverage(name, units, 1000 if "median" in name else 4000)
            lines.append(f"| {name} | {units} | {method} | {found:.1f} % | {plain:.1f} % |")
            low, high = bounds(name, units)
            if not low <= found <= high:
                wrong.append(lines[-1])
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert not wrong
