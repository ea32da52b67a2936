"""Diffusion Transformer (Peebles and Xie 2023) with rotary positions, AdaLN and a long skip connection."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from .attention import Rotary, SelfAttention, sinusoid


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, T, C) under shift and scale (B, C)."""
    return x * (1 + scale[:, None]) + shift[:, None]


class Modulation(nn.Module):
    """AdaLN's network: global condition (B, dim) to ``parts`` vectors (B, dim), all zero at the start."""

    def __init__(self, dim: int, hidden: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.reduce = nn.Linear(dim, hidden) if hidden else nn.Identity()
        self.out = nn.Linear(hidden or dim, parts * dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, c: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.out(F.silu(self.reduce(c))).chunk(self.parts, -1))


class DiTBlock(nn.Module):
    """Self-attention and feed-forward network, each behind a modulated non-affine norm and a gate."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.dit_dim
        self.modulation = Modulation(dim, config.dit_modulation, 6)
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.attention = SelfAttention(dim, config.dit_heads)
        self.feed_norm = nn.LayerNorm(dim, eps=1e-6, elementwise_affine=False)
        self.feed = nn.Sequential(
            nn.Linear(dim, config.dit_inner),
            nn.GELU(approximate="tanh"),
            nn.Dropout(config.dit_dropout),
            nn.Linear(config.dit_inner, dim),
        )
        self.dropout = nn.Dropout(config.dit_dropout)

    def forward(self, x: Tensor, c: Tensor, mask: Tensor | None, turn: Rotary) -> Tensor:
        """x (B, T, dim), c (B, dim), mask (B, T) or None."""
        shift, scale, gate, feed_shift, feed_scale, feed_gate = self.modulation(c)
        y = self.attention(modulate(self.attention_norm(x), shift, scale), mask, turn)
        x = x + gate[:, None] * self.dropout(y)
        y = self.feed(modulate(self.feed_norm(x), feed_shift, feed_scale))
        return x + feed_gate[:, None] * self.dropout(y)


class TimeEmbedding(nn.Module):
    """t in [0, 1], (B,), to (B, dim): sinusoids of 1000 t through an MLP."""

    width = 256

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(self.width, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Tensor) -> Tensor:
        return self.mlp(sinusoid(1000 * t, self.width).to(self.mlp[0].weight.dtype))


class DiT(nn.Module):
    """The blocks; the input joins the last block's output through a linear layer on both (long skip)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.dit_layers))
        self.skip = nn.Linear(2 * config.dit_dim, config.dit_dim)

    def forward(self, x: Tensor, c: Tensor, mask: Tensor | None, turn: Rotary) -> Tensor:
        y = x
        for block in self.blocks:
            y = block(y, c, mask, turn)
        return self.skip(torch.cat([y, x], -1))


class FinalLayer(nn.Module):
    """Non-affine norm, AdaLN modulation, linear: (B, T, dim) to (B, T, outputs)."""

    def __init__(self, config: Config, outputs: int) -> None:
        super().__init__()
        self.modulation = Modulation(config.dit_dim, config.dit_modulation, 2)
        self.norm = nn.LayerNorm(config.dit_dim, eps=1e-6, elementwise_affine=False)
        self.out = nn.Linear(config.dit_dim, outputs)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.modulation(c)
        return self.out(modulate(self.norm(x), shift, scale))
