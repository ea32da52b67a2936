"""Equation 1: the denoiser learns the data behind a partly masked sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class FlowNoise:
    """What equation 1 draws: a time a clip, t ~ U[0, 1], and a uniform number a token that picks x_t.

    Attributes:
        t: (B,).
        u: (B, S, L), both in [0, 1).
    """

    t: Tensor
    u: Tensor

    @classmethod
    def draw(cls, lengths: Sequence[int], streams: int, seeds: Sequence[int] | None = None) -> FlowNoise:
        """Noise for clips of these ``lengths``, on the CPU.

        With ``seeds`` (one a clip) a clip's noise does not depend on its batch; without, it comes from PyTorch's
        global generator.
        """
        u = torch.zeros(len(lengths), streams, max(lengths))
        t = torch.zeros(len(lengths))
        for i, length in enumerate(lengths):
            generator = None if seeds is None else torch.Generator().manual_seed(seeds[i])
            t[i] = torch.rand((), generator=generator)
            u[i, :, :length] = torch.rand(streams, length, generator=generator)
        return cls(t, u)

    def to(self, device: torch.device) -> FlowNoise:
        """The same on ``device``."""
        return FlowNoise(self.t.to(device), self.u.to(device))


@dataclass(frozen=True)
class FlowLoss:
    """L_DFM = -Σ_i E_{t, x_t} log p_{1|t}(x_1^i | x_t), as the mean over tokens, in nats.

    The paper writes a sum over the positions; a mean keeps the weight 1 of equations 7 and 9 comparable with the
    content loss, whatever the clip's length.

    Attributes:
        mask: id of the mask token.
        positions: ``all`` positions, as equation 1 has it, or the ``masked`` ones (the others are given away by x_t).
    """

    mask: int
    positions: Literal["all", "masked"] = "all"

    def __call__(self, logits: Tensor, x1: Tensor, xt: Tensor, valid: Tensor) -> Tensor:
        """logits (B, S, L, v), codes x1 and x_t (B, S, L), ``valid`` (B, L); a scalar (0 if no position counts)."""
        counted = valid[:, None].expand_as(x1)
        if self.positions == "masked":
            counted = counted & (xt == self.mask)
        return masked_cross_entropy(logits, x1, counted)


def masked_cross_entropy(logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Mean cross-entropy of logits (..., v) against codes (...) where ``counted``; 0 if nothing is."""
    loss = F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none")
    counted = counted.flatten()
    return torch.where(counted, loss, 0).sum() / counted.sum().clamp(min=1)
