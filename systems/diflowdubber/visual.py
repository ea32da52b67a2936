"""Bring lip or face features to the model's width (section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import Config
from .layers.masking import MaskedConv


class VisualProjection(nn.Module):
    """Standardise features by the training set's statistics, then a convolution: (B, F, features) to (B, F, hidden).

    The statistics are buffers, so that they travel with the weights; 0 and 1 until `fit`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: Config, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.conv = MaskedConv(features, config.hidden, config.visual_kernel)

    def fit(self, mean: Tensor, std: Tensor) -> None:
        """Take the features' mean and standard deviation, (features,) each; constant features stay at 0."""
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 1e-6, std, 1))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = (x.float() - self.mean.float()) / self.std.float()
        return self.conv(x.to(self.conv.conv.weight.dtype), mask)
