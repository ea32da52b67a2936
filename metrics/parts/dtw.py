"""Exact dynamic time warping between two feature sequences; shared by `dubbench.metrics.mcd` and ``align``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError

Floats = NDArray[np.float64]

MAX_CELLS = 400_000_000
"""Above this many cells (70 s against 70 s at 5 ms) the table of steps would not fit small machines."""

_DIAGONAL, _DOWN, _RIGHT = 0, 1, 2


def too_long(first: float, second: float, hop: float) -> str | None:
    """Why ``first`` and ``second`` seconds in frames ``hop`` seconds apart cannot be warped; None if they can."""
    n, m = first / hop + 1, second / hop + 1
    if n * (n + m) > MAX_CELLS:
        return f"{first:.0f} s against {second:.0f} s is too long for exact time warping; cut the clip into sentences"
    return None


def warp_path(x: Floats, y: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The path of least summed Euclidean distance from the first pair of frames to the last pair.

    Steps (1, 1), (1, 0) and (0, 1), each weighing 1, without slope or band constraint; among equal costs (1, 1) is
    taken first, then (1, 0). This is the path that FastDTW approximates (Salvador and Chan 2007), without its
    approximation, and so symmetric in its cost. The recursion runs along anti-diagonals, whose cells do not depend
    on each other: O(n + m) array operations, about two bytes a cell.

    Args:
        x: (n, d), n >= 1.
        y: (m, d), m >= 1.

    Returns:
        (L,) indices into x and (L,) into y, both monotonic, max(n, m) <= L <= n + m - 1.

    Raises:
        DubbenchError: more than `MAX_CELLS` cells; `too_long` tells it beforehand.
    """
    n, m = len(x), len(y)
    if n * (n + m) > MAX_CELLS:
        raise DubbenchError(f"{n} by {m} frames are too many for exact time warping; cut the clip into sentences")
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    backwards = y[::-1]
    steps = np.zeros((n + m - 1, n), np.uint8)
    # Index i + 1 holds row i, so that row -1 is the infinite border.
    before = np.full(n + 1, np.inf)
    last = np.full(n + 1, np.inf)
    last[1] = np.linalg.norm(x[0] - y[0])
    for k in range(1, n + m - 1):
        low, high = max(0, k - m + 1), min(n, k + 1)
        # Cell (i, k - i) for i in low..high-1; in `backwards` its column is m - 1 - k + i.
        difference = x[low:high] - backwards[m - 1 - k + low : m - 1 - k + high]
        distance = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        diagonal, down, right = before[low:high], last[low:high], last[low + 1 : high + 1]
        best = np.minimum(np.minimum(diagonal, down), right)
        steps[k, low:high] = np.where(diagonal == best, _DIAGONAL, np.where(down == best, _DOWN, _RIGHT))
        now = np.full(n + 1, np.inf)
        now[low + 1 : high + 1] = distance + best
        before, last = last, now
    return _walk_back(steps, n, m)


def _walk_back(steps: NDArray[np.uint8], n: int, m: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    i, j = n - 1, m - 1
    rows, columns = [i], [j]
    while i or j:
        step = steps[i + j, i]
        i -= step != _RIGHT
        j -= step != _DOWN
        rows.append(int(i))
        columns.append(int(j))
    return np.array(rows[::-1], np.intp), np.array(columns[::-1], np.intp)
