"""Dubs as anonymous videos of one loudness: a file's name, its length, rate, codec and tags do not show the system.

Loudness is ITU-R BS.1770-4 integrated loudness (LUFS, gated) by pyloudnorm. All stimuli of a test share one target. It
is lowered for all where a peak would clip, but not under `FLOOR`: what still would clip is turned down alone, and said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import require
from dubbench.runtime.digests import digest
from dubbench.runtime.files import atomic
from dubbench.signal.media import mux, resample

RATE = 48000
"""Hz of every stimulus: a system's own rate would tell which it is."""

TARGET = -23.0
"""LUFS, as EBU R 128."""

FLOOR = -30.0
"""LUFS that the common target is not lowered under."""

PEAK = 0.891
"""Highest sample: -1 dBFS."""

BLOCK = 0.4
"""Seconds that BS.1770 needs at least; shorter sound is measured repeated."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """A stimulus before it is made.

    Attributes:
        system: its label; catch trials' begin with ``@``. clip: its id.
        video: the pictures; None for a voice alone.
        sound: reads its ((T,) samples, rate in Hz).
        content: digest of everything that it is made from.
    """

    system: str
    clip: str
    video: Path | None
    sound: Callable[[], tuple[Samples, int]]
    content: str


@dataclass(frozen=True, slots=True)
class Level:
    """Loudness in LUFS (minus infinity for silence) and highest sample."""

    lufs: float
    peak: float


def level(samples: Samples, rate: int) -> Level:
    """Loudness and peak of (T,) samples at ``rate`` Hz."""
    meter = require("pyloudnorm", "listening", "one loudness for all stimuli").Meter(rate)
    least = math.ceil(BLOCK * rate) + 1
    x = np.asarray(samples, np.float64)
    if x.size < least:
        x = np.tile(x, math.ceil(least / x.size))
    with np.errstate(divide="ignore"):
        return Level(float(meter.integrated_loudness(x)), float(np.abs(samples).max()))


def common_target(levels: Iterable[Level], wanted: float) -> float:
    """The loudness that all can have without clipping: ``wanted``, or less, but not under `FLOOR`."""
    room = [20 * math.log10(PEAK / x.peak) + x.lufs for x in levels if x.peak > 0 and math.isfinite(x.lufs)]
    return min([wanted, *(max(r, min(wanted, FLOOR)) for r in room)])


def gain(found: Level, target: float) -> float:
    """The factor that brings a sound to the target without clipping; silence keeps its level."""
    if found.peak <= 0 or not math.isfinite(found.lufs):
        return 1.0
    return min(10 ** ((target - found.lufs) / 20), PEAK / found.peak)


def reached(found: Level, target: float) -> float:
    """The loudness after `gain` in LUFS."""
    return found.lufs + 20 * math.log10(gain(found, target))


def file_name(source: Source, target: float, secret: str) -> str:
    """A name that tells nothing without the secret; the same for the same content."""
    kind = "mp4" if source.video else "flac"
    mark = digest([secret, source.system, source.clip, source.content, round(target, 3), RATE])
    return f"{mark[:16]}.{kind}"


def heard(source: Source) -> Samples:
    """The sound of a stimulus at `RATE`."""
    samples, rate = source.sound()
    return resample(samples, rate, RATE)


def make(source: Source, found: Level, target: float, path: Path) -> None:
    """Write the stimulus, unless it is there already: its name says what is in it."""
    if path.is_file():
        return
    samples = np.asarray(heard(source) * gain(found, target), np.float32)
    if source.video is not None:
        mux(source.video, samples, RATE, path)
        return
    import soundfile

    with atomic(path) as temporary:
        soundfile.write(temporary, np.clip(samples, -1, 1), RATE, format="FLAC", subtype="PCM_16")


def noise(like: Samples, rate: int, seed: int) -> Samples:
    """(T,) pink noise as long as ``like``: nobody takes it for a voice."""
    rng = np.random.default_rng(seed)
    size = max(like.size, 2)
    spectrum = np.fft.rfft(rng.standard_normal(size))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.size), 20 * size / rate))
    out = np.fft.irfft(spectrum, size)[: like.size]
    return np.asarray(0.1 * out / (np.std(out) or 1.0), np.float32)


def turned(samples: Samples) -> Samples:
    """(T,) with the second half before the first: right speech, far out of step with the lips."""
    return np.roll(samples, samples.size // 2)
