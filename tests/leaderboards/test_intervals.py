from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from dubbench.core.metric import Column, Mean, Quantile, Ratio
from dubbench.leaderboards.intervals import MANY, Spread, error, estimate, spread, weights
from dubbench.leaderboards.statistics import UNITS
from dubbench.leaderboards.units import Units, units_of

WER = Column(name="WER", direction="down", aggregate=Ratio(numerator="e", denominator="w"), scale=100)
MEAN = Column(name="M", direction="up", aggregate=Mean(value="x"), best=4.0)
MEDIAN = Column(name="Q", direction="down", aggregate=Quantile(value="x", q=0.5))
P90 = Column(name="P", direction="down", aggregate=Quantile(value="x", q=0.9))


def clips(count: int) -> Units:
    return Units("clip", np.arange(count), count)


@pytest.mark.parametrize("column", [WER, MEAN, MEDIAN, P90])
def test_resamples_are_what_the_copies_say(column: Column) -> None:
    rng = np.random.default_rng(3)
    of = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4, 4, 4, 5, 6, 6, 7, 7, 7])
    stats = {"e": rng.integers(0, 4, 17).astype(float), "w": rng.integers(3, 8, 17).astype(float), "x": rng.random(17)}
    keep = rng.random(17) < 0.8
    units = Units("speaker", of, 8)
    drawn = weights(8, 5, 50)
    assert (drawn.sum(1) == 8).all()
    found = spread(column, stats, keep, units, drawn).samples
    for got, copies in zip(found, drawn.astype(int), strict=True):
        row = np.repeat(np.flatnonzero(keep), copies[of[keep]])
        e, w, x = (stats[k][row] for k in "ewx")
        want = {"WER": 100 * e.sum() / w.sum(), "M": x.mean(), "Q": np.median(x), "P": np.quantile(x, 0.9)}[column.name]
        assert got == pytest.approx(want, rel=1e-12)


def test_few_clips_have_the_textbook_interval() -> None:
    x = np.random.default_rng(0).normal(1, 1, 12)
    e = estimate(spread(MEAN, {"x": x}, np.ones(12, bool), clips(12), weights(12, 0)))
    want = scipy.stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (e.low, e.high, e.method, e.units) == (pytest.approx(want.low), pytest.approx(want.high), "t", 12)


def test_many_units_have_the_interval_of_another_bca() -> None:
    x = np.random.default_rng(1).gamma(1, 1, 200) / 2
    e = estimate(spread(MEAN, {"x": x}, np.ones(200, bool), clips(200), weights(200, 0, 20_000)))
    want = scipy.stats.bootstrap((x,), np.mean, n_resamples=20_000, method="BCa", rng=2).confidence_interval
    assert e.method == "BCa" and (e.low, e.high) == (
        pytest.approx(want.low, abs=0.003),
        pytest.approx(want.high, abs=0.003),
    )
    median = estimate(spread(MEDIAN, {"x": x}, np.ones(200, bool), clips(200), weights(200, 0)))
    assert median.method == "percentile"


def test_an_interval_stays_where_values_can_be() -> None:
    errors = np.array([0.0] * 9 + [6.0])
    e = estimate(spread(WER, {"e": errors, "w": np.full(10, 6.0)}, np.ones(10, bool), clips(10), weights(10, 0)))
    assert e.low == 0.0 and e.high is not None and 30 < e.high < 40  # 10 % - 22.6 would be negative
    near = np.array([4.0, 4.0, 4.0, 4.0, 3.0, 4.0])
    top = estimate(spread(MEAN, {"x": near}, np.ones(6, bool), clips(6), weights(6, 0)))
    assert top.high == 4.0  # the best value of the column


@pytest.mark.parametrize("count", [10, MANY])
def test_equal_systems_differ_by_nothing_for_sure(count: int) -> None:
    x = np.random.default_rng(0).normal(size=count)
    s = spread(MEAN, {"x": x}, np.ones(count, bool), clips(count), weights(count, 0))
    e = estimate(s.minus(s))
    assert (e.value, e.low, e.high) == (0.0, 0.0, 0.0) and error(s.minus(s)) == 0
    flat = estimate(spread(MEAN, {"x": np.full(count, 3.0)}, np.ones(count, bool), clips(count), weights(count, 0)))
    assert (flat.value, flat.low, flat.high) == pytest.approx((3.0, 3.0, 3.0))


def test_too_few_units_and_no_value_have_no_interval() -> None:
    few = estimate(spread(MEAN, {"x": np.ones(4)}, np.ones(4, bool), clips(4), weights(4, 0)))
    assert UNITS == 5 and (few.value, few.low, few.method) == (1.0, None, "")
    none = spread(WER, {"e": np.zeros(8), "w": np.zeros(8)}, np.ones(8, bool), clips(8), weights(8, 0))
    some = spread(WER, {"e": np.zeros(8), "w": np.ones(8)}, np.ones(8, bool), clips(8), weights(8, 0))
    assert estimate(none).value is None and estimate(some.minus(none)).value is None
    one = np.array([5.0] + [0.0] * 7)  # all words in one clip: without it there is no value
    alone = estimate(spread(WER, {"e": one, "w": one}, np.ones(8, bool), clips(8), weights(8, 0)))
    assert (alone.value, alone.low) == (100.0, None)
    assert estimate(Spread(float("nan"), np.empty(0), None, 0, 0)).value is None


def test_whole_speakers_make_wider_intervals_than_clips() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(0, 1, 30)[:, None] + rng.normal(0, 0.2, (30, 20))).ravel()
    keep = np.ones(600, bool)
    speakers = Units("speaker", np.repeat(np.arange(30), 20), 30)
    wide = estimate(spread(MEAN, {"x": x}, keep, speakers, weights(30, 0)))
    narrow = estimate(spread(MEAN, {"x": x}, keep, clips(600), weights(600, 0)))
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_units_are_speakers_or_recordings_or_clips() -> None:
    ids = [
        f"{video}-{i:03d}"
        for video in ("AGZZGR5Otxw", "B_ZZGR5Otx-", "C1234567890", "D1234567890", "E1234567890")
        for i in (1, 2)
    ]
    chem = units_of("chem", ids, ["chem"] * 10)
    assert (chem.name, chem.count, chem.of.tolist()) == ("recording", 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    assert units_of("grid", ids, ["s1"] * 10).name == "clip"
    assert units_of("chem", ids[:8], ["chem"] * 8).name == "clip"  # four recordings are too few
    many = units_of("grid", ids, ["a", "b", "c", "d", "e", "e", "e", "", "", "a"])
    assert (many.name, many.count) == ("speaker", 7)  # two clips of nobody are units of their own
