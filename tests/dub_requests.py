"""Requests as the bench makes them, from real clips or from made-up sound."""

from pathlib import Path

import numpy as np

from dubbench.core.request import Dub, DubRequest, Truth
from dubbench.signal.media import RATE, probe, read_audio, silent_copy, write_wav


def made_up(seconds: float = 3.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Room tone at -50 dB with six bursts of buzz between 0.6 and 2.1 s, like words with pauses."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * rate)) / rate
    samples = rng.standard_normal(len(times)) * 0.003
    for number in range(6):
        start = 0.6 + 0.25 * number
        inside = (times >= start) & (times < start + 0.19)
        pitch = 100 + 15 * number
        buzz = sum(np.sin(2 * np.pi * pitch * k * times) / k for k in range(1, 20))
        samples += 0.1 * inside * buzz * np.sin(np.pi * np.clip((times - start) / 0.19, 0, 1)) ** 0.5
    return samples.astype(np.float32)


def request(folder: Path, samples: np.ndarray | None = None, seed: int = 5, **changes: object) -> DubRequest:
    """A request for a made-up clip of 3 s with its ground truth; there is no picture."""
    truth, other = folder / "truth.wav", folder / "other.wav"
    write_wav(truth, made_up() if samples is None else samples, RATE)
    write_wav(other, made_up(2.5, seed=9), RATE)
    told: dict = {
        "clip": "v1-a",
        "video": folder / "none.mkv",
        "text": "bin blue at f two now",
        "reference": other,
        "duration": 3.0,
        "fps": 25.0,
        "seed": seed,
        "truth": Truth(truth, other, folder / "other.mkv"),
    }
    return DubRequest(**{**told, **changes})


def real(folder: Path, data: Path, name: str = "bbal8p", other: str = "bbaz4n", text: str = "") -> DubRequest:
    """A request for a clip of GRID's s1."""
    paths = []
    for clip in (name, other):
        video = next((data / "grid" / "s1").glob(f"{clip}.*"))
        write_wav(folder / f"{clip}.wav", read_audio(video), RATE)
        silent_copy(video, folder / f"{clip}.mkv")
        paths.append((folder / f"{clip}.wav", folder / f"{clip}.mkv"))
    (audio, video), (other_audio, other_video) = paths
    info = probe(video)
    text = text or "bin blue at l eight please"
    truth = Truth(audio, other_audio, other_video)
    return DubRequest(f"s1-{name}", video, text, other_audio, info.duration, info.fps, 7, truth)


def only(system: object, asked: DubRequest) -> np.ndarray:
    """The samples of the one dub that the system makes."""
    (answer,) = system.dub([asked])  # type: ignore[attr-defined]
    assert isinstance(answer, Dub), answer
    assert answer.sample_rate == RATE and np.isfinite(answer.samples).all()
    return answer.samples
