"""The scheduler κ: the share of the data that has appeared at time t."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PolynomialScheduler:
    """κ_t = t^power: monotonic, κ_0 = 0, κ_1 = 1. The paper sets power 2 (B.2.1)."""

    power: float = 2.0

    def kappa(self, t: Tensor) -> Tensor:
        """κ_t for t in [0, 1]."""
        return t**self.power

    def speed(self, t: Tensor) -> Tensor:
        """κ̇_t = dκ/dt."""
        return self.power * t ** (self.power - 1)

    def jump(self, t: Tensor, later: Tensor) -> Tensor:
        """Probability that a token still masked at ``t`` has appeared at ``later``.

        1 - exp(-∫ κ̇_s / (1 - κ_s) ds from t to later) = (κ_later - κ_t) / (1 - κ_t), exactly; 1 for later = 1.
        """
        return (self.kappa(later) - self.kappa(t)) / (1 - self.kappa(t))
