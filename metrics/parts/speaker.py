"""The columns of the speaker similarities: against the prompt and against the ground truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Effect, Item, Mean, Stats, Unscored
from dubbench.metrics.parts.loudness import silent
from dubbench.signal.sound import Sound

SHORTEST = 0.5
"""Seconds of speech below which nobody's voice can be told."""


def unheard(samples: NDArray[np.floating], rate: int) -> str | None:
    """Why (T,) samples are no utterance (too short, silent); None if they may be one."""
    if len(samples) < SHORTEST * rate:
        return f"less than {SHORTEST:g} s of sound"
    return "no sound" if silent(samples) else None


def speaker_columns(name: str) -> tuple[Column, Column]:
    """``NAME`` against the prompt and ``NAME-GT`` against the ground truth, in percent."""
    return _column(name, headline=True), _column(f"{name}-GT", headline=False)


def _column(name: str, headline: bool) -> Column:
    expects: dict[str, Effect] = {
        "silence": "undefined",
        "noise": "worse",
        "gain(db=-12)": "invariant",
        "noisy(snr=10)": "worse",
        "other_voice": "worse",
    }
    if not headline:
        expects |= {"ground_truth": "perfect", "another_clip": "worse", "shuffled": "worse"}
    return Column(
        name=name,
        direction="up",
        aggregate=Mean(value=statistic(name)),
        unit="%",
        scale=100.0,
        digits=2,
        best=100.0,
        tolerance=1.0,
        headline=headline,
        expects=expects,
    )


def statistic(column: str) -> str:
    """Name of a column's statistic: a cosine in [-1, 1]."""
    return column.lower().replace("-", "_")


def similarities(item: Item, name: str, embedding: Callable[[Sound], Embedding | str]) -> Stats | Unscored:
    """Cosines of the dub with the prompt and with the ground truth, as far as they are there.

    Args:
        embedding: an embedding, or why there is none (``no speech``), which `Sound.derive` remembers.
    """
    dub = embedding(item.dub)
    if isinstance(dub, str):
        return Unscored(f"{dub} in the dub")
    stats = {}
    problem = "no reference voice and no ground truth"
    for value, sound, where in ((name, item.reference, "reference"), (f"{name}-GT", item.truth, "ground truth")):
        if sound is None:
            continue
        other = embedding(sound)
        if isinstance(other, str):
            problem = f"{other} in the {where}"
        else:
            stats[statistic(value)] = cosine(dub, other)
    return stats or Unscored(problem)


Embedding = NDArray[np.float64]


def cosine(x: Embedding, y: Embedding) -> float:
    """Cosine of the angle between two embeddings; exactly 1 for an embedding and itself."""
    return float(np.dot(x, y) / np.sqrt(np.dot(x, x) * np.dot(y, y)))
