from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.metric import Column, Mean, Quantile, Ratio
from dubbench.leaderboards import statistics
from dubbench.leaderboards.statistics import UNITS, draws, estimate, interval, rank_groups, resampled, scored, seed_of

WER = Column(name="WER", direction="down", aggregate=Ratio(numerator="e", denominator="w"), scale=100)
MEAN = Column(name="M", direction="up", aggregate=Mean(value="x"))
MEDIAN = Column(name="Q", direction="down", aggregate=Quantile(value="x", q=0.5))


def test_values_against_direct_computation() -> None:
    e, w = np.array([1.0, 0.0, np.nan, 3.0]), np.array([6.0, 5.0, 6.0, 4.0])
    stats = {"e": e, "w": w, "x": np.array([4.0, np.nan, 1.0, 2.5])}
    keep = scored(WER, stats, 4)
    assert keep.tolist() == [True, True, False, True]
    assert statistics.value(WER, stats, keep) == pytest.approx(100 * 4 / 15)
    assert statistics.values(WER, stats, 4)[[0, 1, 3]] == pytest.approx([100 / 6, 0, 75])
    assert np.isnan(statistics.values(WER, stats, 4)[2])
    keep = scored(MEDIAN, stats, 4)
    assert statistics.value(MEDIAN, stats, keep) == 2.5
    assert statistics.value(MEAN, stats, keep) == pytest.approx(7.5 / 3)


def test_a_statistic_that_no_clip_has_leaves_the_column_unscored() -> None:
    assert not scored(WER, {"e": np.ones(3)}, 3).any()
    assert np.isnan(statistics.value(WER, {"e": np.ones(3)}, np.zeros(3, bool)))


@pytest.mark.parametrize("column", [WER, MEAN, MEDIAN])
def test_resampling_over_clips_is_what_the_indices_say(column: Column) -> None:
    rng = np.random.default_rng(3)
    n = 17
    stats = {"e": rng.integers(0, 4, n).astype(float), "w": rng.integers(3, 8, n).astype(float), "x": rng.random(n)}
    keep = rng.random(n) < 0.8
    drawn = draws([""] * int(keep.sum()), seed=5, resamples=50)
    found = resampled(column, stats, keep, drawn)
    index = np.random.default_rng(5).integers(0, int(keep.sum()), (50, int(keep.sum())), dtype=np.int32)
    for got, row in zip(found, index, strict=True):
        e, w, x = (stats[k][keep][row] for k in "ewx")
        want = {"WER": 100 * e.sum() / w.sum(), "M": x.mean(), "Q": np.median(x)}[column.name]
        assert got == pytest.approx(want, rel=1e-12)


def test_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    x = np.random.default_rng(0).normal(3, 2, 400)
    low, high = interval(resampled(MEAN, {"x": x}, np.ones(400, bool), draws([""] * 400, 1)))
    half = 1.96 * x.std(ddof=1) / 20
    assert low == pytest.approx(x.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(x.mean() + half, abs=0.15 * half)


def test_whole_speakers_are_drawn() -> None:
    rng = np.random.default_rng(0)
    level = rng.normal(0, 1, 30)
    x = (level[:, None] + rng.normal(0, 0.2, (30, 20))).ravel()
    speakers = [f"s{i}" for i in range(30) for _ in range(20)]
    drawn = draws(speakers, 1)
    assert (drawn.unit, drawn.units) == ("speaker", 30)
    low, high = interval(resampled(MEAN, {"x": x}, np.ones(600, bool), drawn))
    half = 1.96 * x.reshape(30, 20).mean(1).std(ddof=1) / np.sqrt(30)
    assert high is not None and low is not None
    assert (high - low) / 2 == pytest.approx(half, rel=0.15)
    narrow = interval(resampled(MEAN, {"x": x}, np.ones(600, bool), draws([""] * 600, 1)))
    assert narrow[1] - narrow[0] < 0.4 * (high - low)  # type: ignore[operator]


def test_speakers_of_unequal_size_come_whole() -> None:
    speakers = ["a"] * 3 + ["b"] * 1 + ["c"] * 5 + ["d"] * 2 + ["e"] * 4 + [""] * 2
    drawn = draws(speakers, 9, resamples=40)
    assert drawn.units == 7  # five speakers and two clips of nobody
    sizes = {"a": 3, "b": 1, "c": 5, "d": 2, "e": 4}
    assert sum(len(block) for block in drawn.rows) == 40
    for row in (row for block in drawn.rows for row in block):
        counts = np.bincount(row, minlength=len(speakers))
        for speaker in sizes:
            own = {int(counts[i]) for i, s in enumerate(speakers) if s == speaker}
            assert len(own) == 1  # every clip of a speaker as often as every other


def test_too_few_clips_have_no_interval() -> None:
    few, enough = draws([""] * (UNITS - 1), 0), draws([""] * UNITS, 0)
    assert few.rows == () and sum(len(block) for block in enough.rows) == statistics.RESAMPLES
    e = estimate(2.0, resampled(MEAN, {"x": np.ones(4)}, np.ones(4, bool), few), 4)
    assert (e.value, e.low, e.high, e.apart) == (2.0, None, None, False)


def test_a_paired_difference_sees_what_single_intervals_hide() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(0, 1, 60)
    b = a + 0.1
    keep, drawn = np.ones(60, bool), draws([""] * 60, 0)
    one, two = (resampled(MEAN, {"x": x}, keep, drawn) for x in (a, b))
    assert interval(one)[1] > interval(two)[0]  # type: ignore[operator]
    assert interval(one - two) == pytest.approx((-0.1, -0.1))


def test_equal_seeds_give_equal_draws() -> None:
    assert seed_of("grid/test/2.0@a+b") == seed_of("grid/test/2.0@a+b") != seed_of("grid/test/1.0@a+b")
    one, two = draws([""] * 30, 4), draws([""] * 30, 4)
    assert all(np.array_equal(a, b) for a, b in zip(one.rows, two.rows, strict=True))


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=7),
    st.booleans(),
    st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))),
)
def test_rank_groups_by_brute_force(points: list[float], up: bool, same: set[tuple[int, int]]) -> None:
    def apart(i: int, j: int) -> bool:
        return (i, j) not in same and (j, i) not in same

    groups = rank_groups(points, up, apart)
    order = [i for group in groups for i in group]
    assert sorted(order) == list(range(len(points)))
    signed = [points[i] if up else -points[i] for i in order]
    assert signed == sorted(signed, reverse=True)
    where = {i: g for g, group in enumerate(groups) for i in group}
    for i in where:
        for j in where:
            if i != j and not apart(i, j):
                assert where[i] == where[j]
    for group in groups:  # no group could be cut further
        for at in range(1, len(group)):
            before = order[: order.index(group[at])]
            after = order[order.index(group[at]) :]
            assert any(not apart(a, b) for a in before for b in after)


def test_ties_and_ranks_on_a_small_case() -> None:
    tied = {(0, 1)}
    groups = rank_groups([10.0, 11.0, 20.0, 5.0], False, lambda i, j: (min(i, j), max(i, j)) not in tied)
    assert groups == [(3,), (0, 1), (2,)]
