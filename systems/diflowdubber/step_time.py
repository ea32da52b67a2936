"""Seconds a training step on this machine, measured without training data."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import numpy as np

from .batch import DubItem, TtsItem, collate_dub, collate_tts
from .config import Config
from .stage1 import Stage1
from .training.objective import Given, Objective, Stage


@cache
def seconds_a_step(stage: Stage, config: Config) -> float:
    """How long a step of training takes here, timed on made-up clips of 3 s."""
    rng = np.random.default_rng(0)
    frames, phones = 75, 24
    length = config.tokens(frames)
    fixed: dict[str, Any] = {
        "phonemes": rng.integers(config.phones, size=phones),
        "speaker": rng.normal(size=config.speaker_dim).astype(np.float32),
        "tokens": rng.integers(config.vocab, size=(config.books, length)),
        "durations": np.full(phones, frames / config.frame_rate / phones),
    }
    own = config.tts if stage == "tts" else config.dub
    if stage == "tts":
        batch: Any = collate_tts([TtsItem(reference=fixed["tokens"], **fixed)] * own.batch, config)
    else:
        widths = {"lips": config.lip_dim, "face": config.face_dim}
        seen = {name: rng.normal(size=(frames, width)) for name, width in widths.items()}
        batch = collate_dub([DubItem(**seen, **fixed)] * own.batch, config)
    teacher = Stage1(config) if stage == "dub" and config.pretraining else None
    objective = Objective(stage, config, teacher)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        objective(Given(batch, objective.noise(batch)))["total"].backward()
        times.append(time.perf_counter() - start)
    return 1.25 * float(np.median(times[1:]))  # the optimiser, and batches
