"""The mixture path between the all-mask sequence and the data, and its velocity."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from .scheduler import PolynomialScheduler


@dataclass(frozen=True)
class MixturePath:
    """Each token on its own: p_t(x | x_0, x_1) = (1 - κ_t) δ_{x_0}(x) + κ_t δ_{x_1}(x), with x_0 = [MASK].

    Attributes:
        mask: id of the mask token; the codes are 0 … mask - 1.
        scheduler: κ.
    """

    mask: int
    scheduler: PolynomialScheduler = field(default_factory=PolynomialScheduler)

    def source(self, like: Tensor) -> Tensor:
        """x_0: all mask, in the shape of ``like``."""
        return torch.full_like(like, self.mask)

    def sample(self, x1: Tensor, t: Tensor, u: Tensor) -> Tensor:
        """x_t ~ p_t(· | x_0, x_1): the data where u < κ_t, else the mask.

        Args:
            x1: (B, S, L) codes.
            t: (B,) times.
            u: (B, S, L) uniform in [0, 1).
        """
        return torch.where(u < self.scheduler.kappa(t)[:, None, None], x1, self.source(x1))

    def probability(self, x1: Tensor, t: Tensor) -> Tensor:
        """p_t(· | x_0, x_1) over codes and mask: (B, S, L) codes to (B, S, L, mask + 1)."""
        kappa = self.scheduler.kappa(t)[:, None, None, None]
        target, source = (F.one_hot(x, self.mask + 1).to(kappa.dtype) for x in (x1, self.source(x1)))
        return (1 - kappa) * source + kappa * target

    def velocity(self, posterior: Tensor, xt: Tensor, t: Tensor) -> Tensor:
        """Equation 8: u_t(x, x_t) = κ̇_t / (1 - κ_t) [p_{1|t}(x | x_t) - δ_{x_t}(x)].

        The rate at which a token leaves x_t for x. The paper writes p_t(x | x_t) for the last term, which is the
        point mass on the token's present state. Rates to other states are not negative, and all sum to 0.

        Args:
            posterior: (B, S, L, v) probabilities of the data.
            xt: (B, S, L) codes or mask.
            t: (B,) times below 1.

        Returns:
            (B, S, L, v + 1), the mask being the last state.
        """
        rate = (self.scheduler.speed(t) / (1 - self.scheduler.kappa(t)))[:, None, None, None]
        here = F.one_hot(xt, self.mask + 1).to(posterior.dtype)
        return rate * (F.pad(posterior, (0, 1)) - here)
