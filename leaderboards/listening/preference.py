"""Bradley–Terry strengths from A / B / same votes, with ties after Davidson (1970).

P(i beats j) = e^θi / D, P(same) = ν √(e^θi e^θj) / D, D = e^θi + e^θj + ν √(e^θi e^θj); strengths θ sum to 0. A small
penalty (`RIDGE` θ² / 2) keeps a system that never loses finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RIDGE = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Strengths:
    """(d,) strengths in log-odds, log ν of ties, and the (n, d) influence of each vote on the strengths."""

    theta: Floats
    log_nu: float
    influence: Floats


def fit(first: NDArray[np.intp], second: NDArray[np.intp], score: Floats, systems: int) -> Strengths:
    """Maximum likelihood from n votes: ``score`` is -1 where the first of the pair is better, 1 the second, 0 same.

    Fisher scoring with halved steps; systems that no chain of votes joins keep a difference of 0 by the penalty.
    """
    parameters = np.zeros(systems + 1)
    ties = np.isfinite(score) & (score == 0)
    fixed = not ties.any()
    if fixed:
        parameters[-1] = -30.0
    penalty = np.full(systems + 1, RIDGE)
    penalty[-1] = 1e-6
    best = _objective(parameters, first, second, score, penalty)
    for _ in range(100):
        gradient, information = _steps(parameters, first, second, score)
        slope = gradient.sum(0) - penalty * np.where(np.arange(systems + 1) == systems, 0, parameters)
        whole = information + np.diag(penalty)
        if fixed:
            slope[-1] = 0.0
        step = np.linalg.solve(whole, slope)
        while np.abs(step).max() > 1e-10:
            value = _objective(parameters + step, first, second, score, penalty)
            if value >= best:
                break
            step /= 2
        parameters, gained = parameters + step, np.abs(step).max()
        best = _objective(parameters, first, second, score, penalty)
        if gained < 1e-9:
            break
    gradient, information = _steps(parameters, first, second, score)
    influence = gradient @ np.linalg.inv(information + np.diag(penalty))
    theta = parameters[:-1] - parameters[:-1].mean()
    influence = influence[:, :-1] - influence[:, :-1].mean(1, keepdims=True)
    return Strengths(theta, float(parameters[-1]), influence)


def _shares(parameters: Floats, first: NDArray[np.intp], second: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """(n,) probabilities of first, same, second."""
    a, b = parameters[first], parameters[second]
    logs = np.stack([a, (a + b) / 2 + parameters[-1], b])
    logs -= logs.max(0)
    shares = np.exp(logs)
    shares /= shares.sum(0)
    return shares[0], shares[1], shares[2]


def _objective(
    parameters: Floats, first: NDArray[np.intp], second: NDArray[np.intp], score: Floats, penalty: Floats
) -> float:
    a, same, b = _shares(parameters, first, second)
    chosen = np.where(score < 0, a, np.where(score > 0, b, same))
    return float(np.log(np.maximum(chosen, 1e-300)).sum() - (penalty[:-1] * parameters[:-1] ** 2).sum() / 2)


def _steps(
    parameters: Floats, first: NDArray[np.intp], second: NDArray[np.intp], score: Floats
) -> tuple[Floats, Floats]:
    """(n, d + 1) gradient of each vote's log-likelihood, and the expected information."""
    a, same, b = _shares(parameters, first, second)
    n = np.arange(len(first))

    def slope(win: Floats, tie: Floats, loss: Floats) -> Floats:
        out = np.zeros((len(first), len(parameters)))
        out[n, first] = win + tie / 2 - (a + same / 2)
        out[n, second] = loss + tie / 2 - (b + same / 2)
        out[:, -1] = tie - same
        return out

    one, none = np.ones(len(first)), np.zeros(len(first))
    information = np.zeros((len(parameters), len(parameters)))
    for share, made in (
        (a, slope(one, none, none)),
        (same, slope(none, one, none)),
        (b, slope(none, none, one)),
    ):
        information += made.T @ (made * share[:, None])
    found = slope((score < 0).astype(float), (score == 0).astype(float), (score > 0).astype(float))
    return found, information
