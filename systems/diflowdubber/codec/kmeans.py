"""Weighted k-means and residual quantisation in numpy; the same books for the same seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]

_CHUNK = 8192
_SEEDING = 20000
"""Points that k-means++ looks at: it needs a picture of the data, not all of it."""


def assign(x: Matrix, book: Matrix) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Nearest row of ``book`` (k, d) for each row of ``x`` (n, d): indices (n,) and squared distances (n,)."""
    half = 0.5 * np.einsum("kd,kd->k", book, book)
    ids = np.empty(len(x), np.int64)
    distance = np.empty(len(x), np.float32)
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        score = part @ book.T - half
        best = score.argmax(1)
        ids[start : start + _CHUNK] = best
        norm = np.einsum("nd,nd->n", part, part)
        distance[start : start + _CHUNK] = np.maximum(norm - 2 * score[np.arange(len(part)), best], 0)
    return ids, distance


def kmeans(x: Matrix, k: int, seed: int, weights: NDArray[np.float32] | None = None, rounds: int = 20) -> Matrix:
    """Centres (k, d) of the rows of ``x`` (n, d), by k-means++ and Lloyd's rounds.

    Args:
        weights: (n,) at least 0, how much each point counts; all the same by default.

    A centre that loses all its points moves to the point that is served worst. With fewer than k distinct points
    some centres are equal, and `assign` gives the first of them.
    """
    x = np.ascontiguousarray(x, dtype=np.float32)
    w = np.ones(len(x), np.float32) if weights is None else np.asarray(weights, np.float32)
    rng = np.random.default_rng(seed)
    book = _plus_plus(x, w, k, rng)
    for _ in range(rounds):
        ids, distance = assign(x, book)
        mass = np.bincount(ids, w, minlength=k)
        order = np.argsort(ids, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(ids[order]) > 0])
        used = ids[order][starts]
        sums = np.add.reduceat((x * w[:, None])[order].astype(np.float64), starts)
        alive = mass[used] > 0
        book[used[alive]] = sums[alive] / mass[used[alive], None]
        empty = np.setdiff1d(np.arange(k), used[alive])
        if empty.size:
            worst = np.argsort(-(distance * w), kind="stable")[: empty.size]
            book[empty[: worst.size]] = x[worst]
    return book


def _plus_plus(x: Matrix, w: NDArray[np.float32], k: int, rng: np.random.Generator) -> Matrix:
    """k rows of ``x``, each drawn with probability ~ weight times squared distance to those drawn before."""
    if len(x) > _SEEDING:
        some = rng.choice(len(x), _SEEDING, replace=False, p=w / w.sum(dtype=np.float64))
        x, w = x[some], np.ones(_SEEDING, np.float32)
    book = np.empty((k, x.shape[1]), np.float32)
    book[0] = x[rng.choice(len(x), p=w / w.sum(dtype=np.float64))]
    norm = np.einsum("nd,nd->n", x, x)
    distance = np.full(len(x), np.inf, np.float32)
    for i in range(1, k):
        last = book[i - 1]
        distance = np.minimum(distance, np.maximum(norm - 2 * (x @ last) + last @ last, 0))
        ladder = np.cumsum(distance * w, dtype=np.float64)
        book[i] = x[min(np.searchsorted(ladder, rng.random() * ladder[-1], side="right"), len(x) - 1)]
    return book
