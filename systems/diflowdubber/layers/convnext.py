"""ConvNeXt V2 block in one dimension (Woo et al. 2023), with masked global response normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .masking import MaskedConv


class GlobalResponseNorm(nn.Module):
    """GRN: g_c = ||x_c||_2 over the valid time, n_c = g_c / mean_c g, y = γ (x n) + β + x.

    The norm is over the clip's own frames, so it does not see padding. γ and β start at zero (the identity).
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        energy = (x.float().square() * mask[..., None]).sum(1, keepdim=True)
        # The square root has no gradient at 0 (a silent channel); the floor keeps it finite.
        norm = energy.clamp(min=self.eps**2).sqrt()
        response = (norm / (norm.mean(-1, keepdim=True) + self.eps)).to(x.dtype)
        return self.gamma * (x * response) + self.beta + x


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, layer norm, linear, GELU, GRN, linear, residual; (B, T, dim) to the same."""

    def __init__(self, dim: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = MaskedConv(dim, dim, kernel, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.widen = nn.Linear(dim, inner)
        self.response = GlobalResponseNorm(inner)
        self.narrow = nn.Linear(inner, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = F.gelu(self.widen(self.norm(self.depthwise(x, mask))))
        return x + self.narrow(self.response(y, mask))


class ConvNeXtStack(nn.Module):
    """``layers`` blocks, one after another."""

    def __init__(self, layers: int, dim: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ConvNeXtBlock(dim, inner, kernel) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x
