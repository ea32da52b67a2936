"""From all-mask to tokens in any number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .path import MixturePath


def draw_noise(lengths: Sequence[int], streams: int, nfe: int, seeds: Sequence[int]) -> Tensor:
    """All randomness of one sampling: (B, nfe, 2, S, L) uniform numbers, on the CPU.

    Each clip draws from its own generator in its own length, so the same seed gives the same tokens in any batch.
    """
    noise = torch.zeros(len(lengths), nfe, 2, streams, max(lengths))
    for clip, length, seed in zip(noise, lengths, seeds, strict=True):
        clip[..., :length] = torch.rand(nfe, 2, streams, length, generator=torch.Generator().manual_seed(seed))
    return noise


def draw_codes(probabilities: Tensor, u: Tensor) -> Tensor:
    """Codes by inverse distribution function: (..., v) probabilities and (...) uniform numbers to (...) codes."""
    total = probabilities.cumsum(-1)
    # u < 1, but rounding may put u · total on the total itself: the last code with any probability is meant then.
    aim = (u * total[..., -1])[..., None].minimum(torch.nextafter(total[..., -1:], torch.zeros_like(total[..., -1:])))
    return torch.searchsorted(total, aim, right=True)[..., 0]


@dataclass(frozen=True)
class Sampler:
    """Follows the velocity of equation 8 from t = 0 to t = 1 on an even grid of ``nfe`` steps.

    In a step from t to t', with the posterior p_{1|t} held, each token draws a code from it and jumps there with
    probability 1 - exp(-∫ κ̇ / (1 - κ)) = (κ_t' - κ_t) / (1 - κ_t): the velocity integrated exactly, not to first
    order. The last step jumps with probability 1, so no mask is left at t = 1 for any ``nfe``. With the true posterior
    the result has the true distribution as nfe → ∞, and for independent tokens at every nfe.

    Attributes:
        path: source, κ.
        revise: let drawn tokens jump again where the posterior asks for another code (equation 8 to the letter; with
            the true posterior it makes no difference, since that is certain of every drawn token). Without, a token
            once drawn stays.
        temperature: of the posterior; 1 is the model's own.
    """

    path: MixturePath
    revise: bool = False
    temperature: float = 1.0

    def __call__(self, denoise: Callable[[Tensor, Tensor], Tensor], noise: Tensor) -> Tensor:
        """Sample.

        Args:
            denoise: x_t (B, S, L) and t (B,) to logits (B, S, L, v).
            noise: from `draw_noise`, on the device of the model.

        Returns:
            (B, S, L) codes; what lies behind a clip's length is to be ignored.
        """
        batch, nfe = noise.shape[:2]
        x = self.path.source(torch.empty_like(noise[:, 0, 0], dtype=torch.long))
        times = torch.linspace(0, 1, nfe + 1, device=noise.device)
        for step in range(nfe):
            t, later = times[step], times[step + 1]
            logits = denoise(x, t.expand(batch)).float()
            posterior = (logits if self.temperature == 1 else logits / self.temperature).softmax(-1)
            code = draw_codes(posterior, noise[:, step, 1])
            jumps = noise[:, step, 0] < self.path.scheduler.jump(t, later)
            if not self.revise:
                jumps = jumps & (x == self.path.mask)
            x = torch.where(jumps, code, x)
        return x
