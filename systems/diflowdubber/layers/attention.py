"""Self-attention, sinusoidal and rotary positions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rotary = tuple[Tensor, Tensor]


def sinusoid(positions: Tensor, dim: int, base: float = 10000.0) -> Tensor:
    """Sinusoidal embedding of Vaswani et al. (2017): positions (...) to (..., dim), float32; ``dim`` is even."""
    frequencies = torch.exp(-math.log(base) / (dim // 2) * torch.arange(dim // 2, device=positions.device))
    angles = positions.float()[..., None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


def rotary(positions: Tensor, head_dim: int, base: float = 10000.0) -> Rotary:
    """Cosines and sines of rotary positions (Su et al. 2021): positions (B, T) to two (B, 1, T, head_dim / 2)."""
    frequencies = base ** (-torch.arange(0, head_dim, 2, device=positions.device).float() / head_dim)
    angles = (positions.float()[..., None] * frequencies)[:, None]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turn: Rotary) -> Tensor:
    """Turn the pairs (x_c, x_{c + head_dim/2}) of x (B, heads, T, head_dim) by their position's angles."""
    cos, sin = (part.to(x.dtype) for part in turn)
    left, right = x.chunk(2, -1)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, T, C) to (B, heads, T, C / heads)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """(B, heads, T, C / heads) to (B, T, C)."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Multi-head self-attention through PyTorch's fused kernels, which have no dropout on the CPU: none here."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None, turn: Rotary | None = None) -> Tensor:
        """x (B, T, dim); ``mask`` (B, T) or None if nothing is padded; ``turn`` from `rotary`."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, -1))
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        keys = None if mask is None else mask[:, None, None, :]
        return self.out(join_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=keys)))
