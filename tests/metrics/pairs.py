"""Items of sound alone, and awkward dubs, for the tests of metrics that compare with the ground truth."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.core.metric import Item
from dubbench.signal.sound import Sound

Samples = NDArray[np.float32]


def pair(dub: Samples, truth: Samples, rate: int = 16000) -> Item:
    """A dub at ``rate`` Hz against a ground truth at 16 kHz, whose length is the video's."""
    clip = Clip("clip", "test", "s", "", Path("none.mp4"))
    return Item(clip, Sound(dub, rate), Sound(truth, 16000), None, len(truth) / 16000, 25.0)


def voice(seconds: float = 1.5, f0: float = 120.0, seed: int = 0) -> Samples:
    """A buzz with three syllables of changing colour between pauses and a noise floor: speech enough for a test."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * 16000)) / 16000
    phase = 2 * np.pi * f0 * (t + 0.01 * np.sin(2 * np.pi * 3 * t))
    colour = 1.5 + np.sin(2 * np.pi * 2.3 * t)
    buzz = np.sum([np.cos(k * phase) * np.exp(-((k / 8 - colour) ** 2)) for k in range(1, 25)], axis=0)
    envelope = np.clip(np.sin(2 * np.pi * 2 * t - 0.5), 0, 1)
    return (0.1 * buzz * envelope + 0.0005 * rng.normal(size=len(t))).astype(np.float32)


def awkward(truth: Samples) -> dict[str, tuple[Samples, int]]:
    """Dubs that must give finite statistics or a reason: name -> (samples, rate)."""
    rng = np.random.default_rng(1)
    return {
        "one sample": (np.ones(1, np.float32), 16000),
        "ten samples": (truth[5000:5010], 16000),
        "digital silence": (np.zeros_like(truth), 16000),
        "constant": (np.full_like(truth, 0.5), 16000),
        "noise": (rng.normal(0, 0.1, len(truth)).astype(np.float32), 16000),
        "8 kHz": (truth[::2].copy(), 8000),
        "48 kHz": (np.repeat(truth, 3), 48000),
        "three times as long": (np.tile(truth, 3), 16000),
        "a quarter": (truth[: len(truth) // 4], 16000),
        "clipped far above one": (1e6 * truth, 16000),
        "denormal": (np.float32(1e-38) * truth, 16000),
        "one click": (np.eye(1, len(truth), 100, dtype=np.float32)[0], 16000),
    }
