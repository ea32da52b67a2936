from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dubbench.leaderboards.randomisation import ALPHA, BLOCKS, Pair, Tested, holm, randomise, undecidable


def mean_pair(a: np.ndarray, b: np.ndarray) -> Pair:  # type: ignore[type-arg]
    return Pair(a, np.ones(a.size), b, np.ones(b.size))


def test_few_units_try_every_swap_as_brute_force_does() -> None:
    rng = np.random.default_rng(0)
    errors, words = rng.integers(0, 5, (2, 7)).astype(float), rng.integers(4, 9, (2, 7)).astype(float)
    (found,) = randomise([Pair(errors[0], words[0], errors[1], words[1])], 0)
    differences = []
    for swap in product((0, 1), repeat=7):
        a = np.array(swap), np.arange(7)
        b = 1 - a[0], a[1]
        differences.append(abs(errors[a].sum() / words[a].sum() - errors[b].sum() / words[b].sum()))
    assert found is not None and found.floor == 2 / 2**7
    assert found.p == np.mean(np.array(differences) >= differences[0] - 1e-12)


def test_many_units_agree_with_another_library() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0.25, 1, 40), rng.normal(0, 1, 40)
    (found,) = randomise([mean_pair(a, b)], 0)
    want = scipy.stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=20_000, rng=2).pvalue
    assert found is not None and found.p == pytest.approx(want, abs=0.015)


def test_equal_systems_are_a_tie() -> None:
    x = np.random.default_rng(0).normal(size=40)
    (same,) = randomise([mean_pair(x, x)], 0)
    assert same is not None and same.p == 1.0
    (zero,) = randomise([mean_pair(np.zeros(10), np.zeros(10))], 0)
    assert zero is not None and zero.p == 1.0


def test_undefined_differences_are_not_tested() -> None:
    x = np.ones(8)
    assert randomise([Pair(x, 0 * x, x, x), mean_pair(x, 2 * x)], 0)[0] is None
    assert randomise([], 0) == []


def test_the_false_alarms_are_as_many_as_promised() -> None:
    rng = np.random.default_rng(3)
    for count, many in ((10, 2000), (40, 500), (2 * BLOCKS, 200)):
        pairs = [mean_pair(rng.gamma(1, 1, count), rng.gamma(1, 1, count)) for _ in range(many)]
        share = np.mean([test is not None and test.p <= ALPHA for test in randomise(pairs, 1)])
        assert share <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / many), count


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(p: list[float]) -> None:
    adjusted = holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    going = True
    for rank, i in enumerate(order):
        going = going and p[i] * (len(p) - rank) <= ALPHA
        assert (adjusted[i] <= ALPHA) == going
    assert all(low >= raw for low, raw in zip(adjusted, p, strict=True))


def test_ten_speakers_cannot_decide_what_holm_asks_of_many() -> None:
    least = 2 / 1024
    a, b = np.arange(10.0) + 1, np.zeros(10)
    tests = [t for t in randomise([mean_pair(a, b)] * 28, 0) if t]  # eight systems: 0.05 / 28 < 2 / 1024
    assert all(t == Tested(least, least) for t in tests)
    assert undecidable(tests, holm([t.p for t in tests])) == [True] * 28
    few = tests[:15]  # six systems
    adjusted = holm([t.p for t in few])
    assert max(adjusted) <= ALPHA and not any(undecidable(few, adjusted))
    assert undecidable([Tested(0.4, least)], [0.4]) == [False]  # not apart, but could have been
