from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.metric import Column, Mean, Quantile, Ratio
from dubbench.leaderboards import statistics
from dubbench.leaderboards.statistics import rank_groups, scored, seed_of

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


def test_classes_have_seeds_of_their_own() -> None:
    assert seed_of("grid/test/2.0@a+b") == seed_of("grid/test/2.0@a+b") != seed_of("grid/test/1.0@a+b")


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
