"""Features of clips that never were: random tokens that depend on the phone, so that something can be learnt."""

from pathlib import Path

import numpy as np

from dubbench.training.features import Cache, CacheInfo, Features, pack


def features(seed: int, speaker: str = "", lip_dim: int = 6, face_dim: int = 5) -> Features:
    draw = np.random.default_rng(seed)
    frames, phones = int(draw.integers(15, 30)), int(draw.integers(4, 8))
    length = round(frames * 16 / 5 + 1e-9)
    phonemes = draw.integers(0, 40, phones)
    times = draw.uniform(0.5, 1.5, phones)
    times *= length / 80 / times.sum()
    spoken = np.repeat(phonemes, np.diff(np.round(np.cumsum(times) * 80).astype(int), prepend=0))[:length]
    lips = np.cumsum(draw.normal(size=(frames, lip_dim)), 0) * 0.01 + 1
    return Features(
        clip=f"clip-{seed:02}",
        speaker=speaker or f"s{seed % 3}",
        text="bin blue",
        aligned="exact",
        tokens=(np.arange(6)[:, None] * 100 + spoken).astype(np.int16),
        phonemes=phonemes.astype(np.uint8),
        durations=times.astype(np.float32),
        voice=draw.normal(size=256).astype(np.float32),
        lips=lips.astype(np.float32),
        face=draw.normal(size=(frames, face_dim)).astype(np.float32),
    )


def cache(count: int = 12, visual: str = "landmarks") -> Cache:
    info = CacheInfo("made-up", "train", "none", "0" * 64, visual, problems={"clip-99": "no face found"})
    return pack([features(i) for i in range(count)], info)


def write_cache(folder: Path, count: int = 12, visual: str = "landmarks") -> Path:
    path = folder / f"{visual}.safetensors"
    cache(count, visual).save(path)
    return path
