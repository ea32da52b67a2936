"""From video frames to speech tokens: linear interpolation on one clock, then learnable convolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from .masking import MaskedConv, MaskedGroupNorm


def interpolate(x: Tensor, lengths: Tensor, size: int, step: float) -> Tensor:
    """Linear interpolation over time, each clip within its own frames.

    Token l, in the middle of its 1/80 s, lies at frame (l + 0.5) · step − 0.5; outside the clip the first and the
    last frame go on. ``step`` is constant (5/16), so that neither padding nor rounding of the length moves the clock.

    Args:
        x: (B, F, C) frames.
        lengths: (B,) valid frames.
        size: tokens to make.
        step: frames a token.

    Returns:
        (B, size, C).
    """
    place = (torch.arange(size, device=x.device) + 0.5) * step - 0.5
    last = lengths[:, None] - 1
    place = place.clamp(min=0)[None].minimum(last.to(place.dtype))
    low = place.long()
    high = (low + 1).minimum(last)
    share = (place - low)[..., None].to(x.dtype)
    left, right = (x.gather(1, index[..., None].expand(-1, -1, x.shape[2])) for index in (low, high))
    return left + share * (right - left)


class Upsample(nn.Module):
    """`interpolate`, then sets of convolution (kernel 3), group norm (1 group) and Mish, then a last convolution."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden
        self.step = config.frame_rate / config.token_rate
        self.convs = nn.ModuleList(MaskedConv(dim, dim, 3) for _ in range(config.upsample_layers))
        self.norms = nn.ModuleList(MaskedGroupNorm(dim) for _ in range(config.upsample_layers))
        self.last = MaskedConv(dim, dim, 3)

    def forward(self, x: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """x (B, F, hidden) with ``lengths`` (B,) valid frames, ``mask`` (B, L) of the tokens; to (B, L, hidden)."""
        x = interpolate(x, lengths, mask.shape[1], self.step)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.mish(norm(conv(x, mask), mask))
        return self.last(x, mask)
