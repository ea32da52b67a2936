"""AdamW, its learning rate, and the average of the weights."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ..config import Training

Decay = Literal["cosine", "constant"]
FLOOR = 0.02
"""Share of the learning rate at the end of the cosine."""


def optimiser(model: nn.Module, training: Training) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices alone, not on biases, norms and single numbers."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=training.learning_rate)


def learning_rate(step: int, total: int, training: Training, decay: Decay) -> float:
    """At ``step`` (from 1 to ``total``): linear warm-up, then a half cosine down to 2 %, or nothing more."""
    warm = max(1, round(training.warmup * total))
    if step <= warm:
        return training.learning_rate * step / warm
    if decay == "constant":
        return training.learning_rate
    share = (step - warm) / max(1, total - warm)
    return training.learning_rate * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * share)) / 2)


class Average:
    """Exponential moving average of a model's weights: decay min(d, (1 + step) / (10 + step)).

    Args:
        model: whose weights start it.
        decay: d; 0 keeps no average.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: x.detach().clone() for name, x in model.state_dict().items()} if decay else {}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after ``step``."""
        if not self.decay:
            return
        d = min(self.decay, (1 + step) / (10 + step))
        for name, x in model.state_dict().items():
            mine = self.weights[name]
            if x.is_floating_point():
                mine.lerp_(x, 1 - d)
            else:
                mine.copy_(x)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Go on from ``weights``."""
        for name, x in weights.items():
            self.weights[name].copy_(x)
