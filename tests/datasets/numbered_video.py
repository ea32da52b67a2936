"""Videos whose pictures tell their number and whose sound tells its time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 12


def numbered(index: int, size: int = 96) -> NDArray[np.uint8]:
    """(size, size, 3) picture with ``index`` in binary, as vertical black and white bars."""
    bits = [(index >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 200 + 30, size // BITS)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (size, size, 3)))


def number_of(picture: NDArray[np.uint8]) -> int:
    """The inverse of `numbered`, through any encoder."""
    bars = picture[..., 0].mean(axis=0).reshape(BITS, -1).mean(axis=1) > 128
    return int(sum(1 << bit for bit in range(BITS) if bars[bit]))


def noise(seconds: float, rate: int, seed: int = 0) -> NDArray[np.float32]:
    """(T,) smooth noise, loud: every moment of it is unlike every other."""
    x = np.random.default_rng(seed).standard_normal(round(seconds * rate) + 64)
    return (0.15 * np.convolve(x, np.hanning(33) / 4, mode="same")[32:-32]).astype(np.float32)


def make_video(
    path: Path,
    seconds: float = 1.0,
    fps: int = 25,
    sound: NDArray[np.float32] | str | None = "noise",
    rate: int = 16000,
    keys: tuple[int, ...] = (),
) -> Path:
    """Write a numbered video to ``path``; ``sound`` None leaves the sound out, ``keys`` sets the key frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"threads": "1", "crf": "18", "preset": "ultrafast"}
    if keys:
        options |= {
            "g": "100000",
            "keyint_min": "1",
            "x264-params": "scenecut=0:bframes=2:b-adapt=0:b-pyramid=none",
        }
        options["preset"] = "medium"
    with av.open(str(path), "w") as output:
        pictures = output.add_stream("libx264", rate=fps, options=options)
        pictures.width = pictures.height = 96
        pictures.pix_fmt = "yuv420p"
        audio = output.add_stream("aac", rate=rate, layout="mono", options={"b": "192k"}) if sound is not None else None
        for index in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            if index in keys:
                frame.pict_type = av.video.frame.PictureType.I
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        if audio is not None and sound is not None:
            samples = noise(seconds, rate) if isinstance(sound, str) else sound
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate, 0, Fraction(1, rate)
            output.mux(audio.encode(block))
            output.mux(audio.encode(None))
    return path
