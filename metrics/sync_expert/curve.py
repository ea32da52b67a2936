"""From lips and sound to a distance at every offset, and the numbers read from that curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .signals import FPS, Floats, framed, sounded

if TYPE_CHECKING:
    from .model import Expert

REACH = 15
"""Frames: the largest offset looked at, in either direction."""


class Sync(NamedTuple):
    """What the expert says of a dub.

    Attributes:
        confidence: median less least distance over all offsets, 0 to 2: how clearly one offset stands out.
        distance: at no offset, 0 to 2.
        offset: seconds by which the sound is late (positive) or early (negative) where the distance is least.
    """

    confidence: float
    distance: float
    offset: float


def curve(model: Expert, lips: Floats, mels: Floats) -> NDArray[np.float64]:
    """(31,) mean distance of the lips to the sound 15 frames earlier … 15 frames later.

    The distance of a frame is that of two unit vectors, 0 to 2. Sound beyond the dub's ends is as its quietest
    frames are.

    Args:
        lips: (F, 71) from `lip_input`.
        mels: (N, 32) from `mel_input`.
    """
    import torch

    frames = len(lips)
    with torch.inference_mode():
        seen = model.see(torch.from_numpy(framed(lips, 0, frames))[None])[0]
        heard = model.hear(torch.from_numpy(sounded(mels, -REACH, frames + 2 * REACH))[None])[0]
        cosine = (seen[:, :, None] * heard.unfold(0, 2 * REACH + 1, 1)).sum(1)  # (F, 31)
        distance = (2 - 2 * cosine).clamp_min(0).sqrt().mean(0)
    return np.asarray(distance, np.float64)


def read(distances: NDArray[np.float64]) -> Sync:
    """What a curve (31,) says."""
    best = int(np.argmin(distances))
    confidence = float(np.median(distances) - distances[best])
    return Sync(confidence, float(distances[REACH]), (best - REACH) / FPS)
