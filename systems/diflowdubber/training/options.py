"""Options of a training run beyond the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .optimise import Decay


@dataclass(frozen=True)
class Settings:
    """How to train, beside what the configuration says.

    Attributes:
        seed: of weights, order, references and noise.
        clip: largest norm of the gradient.
        average: decay of the weights' average; 0 for none.
        decay: of the learning rate after the warm-up.
        steps: instead of the configuration's; 0 for those.
        save_every, validate_every: steps.
        keep: how many of the last checkpoints stay, beside the best.
        log_every: steps a line.
        seconds: stop, in order, after that time; the same command goes on. 0 for no limit.
        accumulate: compute a batch in so many parts, to need less memory. The batch stays the same, and so do the steps
            but for rounding, dropout, and means over tokens being taken in each part.
    """

    seed: int = 0
    clip: float = 1.0
    average: float = 0.999
    decay: Decay = "cosine"
    steps: int = 0
    save_every: int = 500
    validate_every: int = 500
    keep: int = 2
    log_every: int = 1
    seconds: float = 0.0
    accumulate: int = 1

    @property
    def identity(self) -> dict[str, Any]:
        """What changes the losses."""
        return {name: getattr(self, name) for name in ("seed", "clip", "average", "decay", "steps")}
