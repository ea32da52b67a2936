"""Feed-forward Transformer block (Ren et al. 2019, 2021), the brick of content model and prosody predictor."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import Config
from .attention import SelfAttention, sinusoid
from .masking import MaskedConv


class FFTBlock(nn.Module):
    """Self-attention, then two convolutions with ReLU between them; each with a residual and a norm after it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim, (first, second) = config.hidden, config.kernels
        self.attention = SelfAttention(dim, config.heads)
        self.attention_norm = nn.LayerNorm(dim)
        self.widen = MaskedConv(dim, config.filter, first)
        self.narrow = MaskedConv(config.filter, dim, second)
        self.conv_norm = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, hidden), mask (B, T)."""
        x = self.attention_norm(x + self.dropout(self.attention(x, mask)))
        y = self.narrow(F.relu(self.widen(x, mask)), mask)
        return self.conv_norm(x + self.dropout(y))


def add_positions(x: Tensor) -> Tensor:
    """x (B, T, C) plus the sinusoidal embedding of its positions."""
    return x + sinusoid(torch.arange(x.shape[1], device=x.device), x.shape[2]).to(x.dtype)


class FFTStack(nn.Module):
    """FFT blocks over positions added to the input."""

    def __init__(self, config: Config, layers: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FFTBlock(config) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = add_positions(x)
        for block in self.blocks:
            x = block(x, mask)
        return x


class CodebookPredictor(nn.Module):
    """One FFT block a residual codebook, each on the output of the one before; widths ``hidden`` to ``stream_dim``.

    The prosody predictor of FaPro (m blocks) and the content predictor (n blocks).
    """

    def __init__(self, config: Config, books: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FFTBlock(config) for _ in range(books))
        self.outputs = nn.ModuleList(nn.Linear(config.hidden, config.stream_dim) for _ in range(books))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, L, hidden) to (B, books, L, stream_dim)."""
        streams = []
        for block, output in zip(self.blocks, self.outputs, strict=True):
            x = block(x, mask)
            streams.append(output(x))
        return torch.stack(streams, 1)
