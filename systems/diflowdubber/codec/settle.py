"""From posteriors over a frame's codes to codes: posterior means, quantised again by the codec's own books.

A stream of a thousand codes that are near one another is badly served by a draw, or by its likeliest code: the mean of
what the codes stand for makes smaller errors (it is the estimate of least squares). It lies between codes, so the code
nearest to it is taken, and what that leaves goes on to the next book, as in the codec's own encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .kmeans import Matrix, assign

Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Beliefs:
    """What a model says of an utterance of L tokens.

    Attributes:
        tokens: (6, L) codes of the streams that are settled; anything where ``probabilities`` has a row.
        probabilities: a row of `Tokens.stacked` -> (L, 1024), for the rows that are to be settled by their mean.
        search: take prosody's pitch by a search for a smooth path through its codes, not by the mean.
    """

    tokens: Codes
    probabilities: dict[int, Matrix]
    search: bool = False


def requantise(
    rest: NDArray[np.float64],
    books: Sequence[Matrix],
    rows: Sequence[int],
    beliefs: Beliefs,
    weights: Sequence[Matrix | None],
) -> Codes:
    """Codes (6, L) with ``rows`` of residual books settled, one after another; the others as in ``beliefs``.

    Args:
        rest: (L, d) what is to be added to the means (an energy that prosody's code does not reach, say).
        books: (1024, d) each, and weights: (d,) each, square roots of the weights of a distance; None for ones.
    """
    codes = beliefs.tokens.copy()
    mine = [(row, book, w) for row, book, w in zip(rows, books, weights, strict=True) if row in beliefs.probabilities]
    target = rest + sum(beliefs.probabilities[row] @ book for row, book, _ in mine)
    for row, book, weight in mine:
        w = np.ones(book.shape[1], np.float32) if weight is None else weight
        codes[row], _ = assign((target * w).astype(np.float32), book * w)
        target = target - book[codes[row]]
    return codes
