"""Clips of random numbers in the right shapes."""

import numpy as np

from dubbench.systems.diflowdubber.batch import DubBatch, DubItem, TtsBatch, TtsItem, collate_dub, collate_tts
from dubbench.systems.diflowdubber.config import Config


def tts_item(config: Config, seed: int, phones: int, length: int, reference: int = 7) -> TtsItem:
    draw = np.random.default_rng(seed)
    times = draw.uniform(0.5, 1.5, phones)
    return TtsItem(
        phonemes=draw.integers(0, config.phones, phones),
        speaker=draw.normal(size=config.speaker_dim),
        reference=draw.integers(0, config.vocab, (config.books, reference)),
        tokens=draw.integers(0, config.vocab, (config.books, length)),
        durations=times / times.sum() * length / config.token_rate,
    )


def dub_item(config: Config, seed: int, phones: int, frames: int) -> DubItem:
    draw = np.random.default_rng(seed)
    times = draw.uniform(0.5, 1.5, phones)
    return DubItem(
        phonemes=draw.integers(0, config.phones, phones),
        lips=draw.normal(size=(frames, config.lip_dim)),
        face=draw.normal(size=(frames, config.face_dim)),
        speaker=draw.normal(size=config.speaker_dim),
        tokens=draw.integers(0, config.vocab, (config.books, config.tokens(frames))),
        durations=times / times.sum() * frames / config.frame_rate,
    )


def tts_batch(config: Config, *sizes: tuple[int, ...]) -> TtsBatch:
    """Items 0, 1 … of so many phones, tokens and reference tokens."""
    return collate_tts([tts_item(config, i, *size) for i, size in enumerate(sizes)], config)


def dub_batch(config: Config, *sizes: tuple[int, int]) -> DubBatch:
    """Items 0, 1 … of so many phones and frames."""
    return collate_dub([dub_item(config, i, *size) for i, size in enumerate(sizes)], config)
