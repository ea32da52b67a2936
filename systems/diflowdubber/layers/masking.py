"""Masks, and the operations over time that must respect them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """(B,) lengths to a (B, size) mask."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def unless_full(mask: Tensor) -> Tensor | None:
    """``mask``, or None where nothing is padded: attention without a mask has faster kernels."""
    return None if bool(mask.all()) else mask


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over the valid part of time: (B, T, C) to (B, C)."""
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


class MaskedConv(nn.Module):
    """Convolution over time of constant length, zero outside the clip: (B, T, in) to (B, T, out)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.conv((x * mask[..., None]).transpose(1, 2)).transpose(1, 2)


class MaskedGroupNorm(nn.Module):
    """Group normalisation with one group (Wu and He 2018): statistics over all channels and the valid time."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        valid = mask[..., None]
        count = mask.sum(1).clamp(min=1)[:, None, None] * x.shape[2]
        y = x.float()
        mean = (y * valid).sum((1, 2), keepdim=True) / count
        variance = ((y - mean).square() * valid).sum((1, 2), keepdim=True) / count
        return ((y - mean) * torch.rsqrt(variance + self.eps)).to(x.dtype) * self.weight + self.bias
