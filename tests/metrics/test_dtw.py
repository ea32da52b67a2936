import numpy as np
import pytest

from dubbench.errors import DubbenchError
from dubbench.metrics.parts import dtw


def least_cost(x, y):
    """The textbook recursion."""
    cost = np.full((len(x) + 1, len(y) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(len(x)):
        for j in range(len(y)):
            before = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
            cost[i + 1, j + 1] = np.linalg.norm(x[i] - y[j]) + before
    return cost[-1, -1]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 6), (6, 1), (2, 2), (5, 17), (17, 5), (30, 31), (40, 40)])
def test_the_path_is_valid_and_costs_what_the_textbook_says(n, m):
    rng = np.random.default_rng(n * 100 + m)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    i, j = dtw.warp_path(x, y)
    assert (i[0], j[0], i[-1], j[-1]) == (0, 0, n - 1, m - 1)
    steps = set(zip(np.diff(i).tolist(), np.diff(j).tolist(), strict=True))
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert np.linalg.norm(x[i] - y[j], axis=1).sum() == pytest.approx(least_cost(x, y), rel=1e-12)


def test_equal_sequences_are_paired_frame_by_frame():
    x = np.repeat(np.random.default_rng(0).normal(size=(20, 4)), 3, axis=0)  # ties everywhere
    i, j = dtw.warp_path(x, x)
    assert i.tolist() == j.tolist() == list(range(60))


def test_a_repeated_frame_is_absorbed():
    x = np.arange(10.0)[:, None]
    i, j = dtw.warp_path(x, np.repeat(x, 2, axis=0))
    assert (np.repeat(x, 2, axis=0)[j] == x[i]).all()


def test_too_much_is_refused_before_it_fills_the_memory(monkeypatch):
    assert dtw.too_long(60, 60, 0.005) is None
    assert "70 s against 90 s" in dtw.too_long(70, 90, 0.005)
    monkeypatch.setattr(dtw, "MAX_CELLS", 100)
    with pytest.raises(DubbenchError, match="8 by 5 frames"):
        dtw.warp_path(np.zeros((8, 1)), np.zeros((5, 1)))
