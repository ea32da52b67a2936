"""The motion of a drawn face: lips from the phones, expression from pitch and loudness. Pure functions of their input.

Lips: each phone has a viseme (Massaro-style targets); the targets are held for the phone and smoothed with a
Gaussian of 66 ms full width at half maximum, so that neighbours co-articulate. The closure of P, B and M is put on
top of that, as smoothing must not open it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dubbench.datasets.toon.face import Pose
from dubbench.datasets.toon.voice import Phone

Array = NDArray[np.float64]
_FINE = 200  # Hz, the rate that trajectories are made at
_SMOOTH = 0.028  # seconds, sigma of co-articulation

# ARPAbet -> (open, wide, round, tuck, teeth); diphthongs have two, one for each half.
_VISEMES: dict[str, tuple[tuple[float, ...], ...]] = {}
for _names, *_targets in (
    ("SIL", (0.00, 0.0, 0.0, 0, 0.0)),
    ("P B M", (0.00, 0.1, 0.0, 0, 0.0)),
    ("F V", (0.10, 0.2, 0.0, 1, 0.8)),
    ("TH DH", (0.22, 0.3, 0.0, 0, 0.3)),
    ("T D N", (0.24, 0.4, 0.0, 0, 0.5)),
    ("L", (0.32, 0.3, 0.0, 0, 0.2)),
    ("S Z", (0.16, 0.6, 0.0, 0, 1.0)),
    ("SH ZH CH JH", (0.24, 0.0, 0.6, 0, 1.0)),
    ("K G NG", (0.34, 0.3, 0.0, 0, 0.2)),
    ("HH", (0.40, 0.2, 0.0, 0, 0.0)),
    ("R", (0.26, 0.0, 0.6, 0, 0.2)),
    ("W", (0.14, 0.0, 1.0, 0, 0.0)),
    ("Y", (0.24, 0.7, 0.0, 0, 0.3)),
    ("AA", (0.95, 0.1, 0.0, 0, 0.0)),
    ("AE", (0.80, 0.6, 0.0, 0, 0.0)),
    ("AH", (0.55, 0.2, 0.0, 0, 0.0)),
    ("AO", (0.75, 0.0, 0.5, 0, 0.0)),
    ("EH", (0.62, 0.5, 0.0, 0, 0.0)),
    ("ER", (0.40, 0.0, 0.5, 0, 0.2)),
    ("IH", (0.42, 0.5, 0.0, 0, 0.1)),
    ("IY", (0.30, 1.0, 0.0, 0, 0.3)),
    ("UH", (0.38, 0.0, 0.7, 0, 0.0)),
    ("UW", (0.24, 0.0, 1.0, 0, 0.0)),
    ("AW", (0.90, 0.2, 0.0, 0, 0.0), (0.35, 0.0, 0.9, 0, 0.0)),
    ("AY", (0.90, 0.2, 0.0, 0, 0.0), (0.38, 0.8, 0.0, 0, 0.1)),
    ("EY", (0.58, 0.6, 0.0, 0, 0.0), (0.34, 0.9, 0.0, 0, 0.2)),
    ("OW", (0.58, 0.0, 0.6, 0, 0.0), (0.26, 0.0, 1.0, 0, 0.0)),
    ("OY", (0.70, 0.0, 0.6, 0, 0.0), (0.36, 0.8, 0.0, 0, 0.1)),
):
    _VISEMES.update(dict.fromkeys(_names.split(), tuple(_targets)))


def poses(
    phones: Sequence[Phone], sound: NDArray[np.float32], rate: int, frames: int, fps: int, seed: int
) -> list[Pose]:
    """The face of each frame, at time ``frame / fps``.

    Args:
        phones: without gaps over the whole clip.
        sound: (T,) what is heard, at ``rate`` Hz, for loudness and pitch.
        frames: how many.
        fps: frames a second.
        seed: of blinks, gaze and idle head motion.
    """
    times = np.arange(frames) / fps
    fine = np.arange(round((frames / fps + 0.2) * _FINE)) / _FINE
    loud, pitch = prosody(sound, rate)
    at = np.arange(len(loud)) / 100
    loudness = np.interp(fine, at, _smooth(loud, 0.05 * 100))
    lips = lip_targets(phones, fine)
    lips[:, 0] *= (0.8 + 0.3 * loudness) * _unclosed(phones, fine)
    lips = np.stack([np.interp(times, fine, column) for column in lips.T], 1)

    spread = float(np.subtract(*np.percentile(pitch[pitch != 0], (90, 10)))) if np.any(pitch) else 0.0
    lively = float(np.clip((spread - 2) / 5, 0, 1))  # semitones: a flat reading to a lively one
    slow = np.interp(times, at, _smooth(loud, 0.12 * 100))
    rise = np.interp(times, at, _smooth(np.clip(pitch, -4, 6), 0.1 * 100))
    rng = np.random.default_rng(seed)
    sway = [_sway(times, rng) for _ in range(5)]
    calm = 0.5 + 0.8 * lively
    smile = np.clip(0.1 + 0.6 * lively + 0.15 * slow, 0, 1)
    brow = np.clip(0.1 + 0.35 * lively + 0.09 * (0.5 + lively) * rise + 0.12 * slow, 0, 1)
    nod = -1.2 + (1.5 + 2.5 * lively) * slow + 0.8 * sway[0]
    blink = _blinks(times, rng)
    glance = np.round(sway[1] * 1.5) * 0.8
    return [
        Pose(
            open=gape,
            wide=wide,
            round=rounded,
            tuck=tuck,
            teeth=teeth,
            smile=float(smile[i]),
            brow=float(brow[i]),
            blink=float(blink[i]),
            gaze=(float(glance[i]), 0.0),
            yaw=float(3.0 * calm * sway[2][i]),
            nod=float(nod[i]),
            roll=float(0.022 * calm * sway[3][i]),
            shift=(float(1.5 * calm * sway[4][i]), float(0.6 * nod[i])),
        )
        for i, (gape, wide, rounded, tuck, teeth) in enumerate(lips.tolist())
    ]


def lip_targets(phones: Sequence[Phone], times: Array) -> Array:
    """Smoothed (T, 5) open, wide, round, tuck, teeth at evenly spaced ``times`` (200 Hz)."""
    starts: list[float] = []
    targets: list[tuple[float, ...]] = []
    for phone in phones:
        visemes = _VISEMES[phone.phone]
        for part, viseme in enumerate(visemes):
            starts.append(phone.start + part / len(visemes) * (phone.end - phone.start))
            targets.append(viseme)
    held = np.array(targets)[np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)]
    return np.stack([_smooth(column, _SMOOTH * _FINE) for column in held.T], 1)


def _unclosed(phones: Sequence[Phone], times: Array) -> Array:
    """(T,) 0 where the lips are shut for P, B or M, 1 elsewhere, with flanks of 40 ms.

    P and B open at their release, about half-way; a closure lasts 50 ms at least, so that a frame falls into it.
    """
    free = np.ones(len(times))
    for before, phone in zip([Phone("SIL", 0, 0), *phones[:-1]], phones, strict=True):
        if phone.phone not in ("P", "B", "M"):
            continue
        start = phone.start - (0.06 if before.phone == "SIL" else 0.0)  # after silence only the release is heard
        end = phone.end if phone.phone == "M" else (phone.start + phone.end) / 2
        start = min(start, end - 0.05)
        away = np.maximum(np.maximum(start - times, times - end), 0)
        free = np.minimum(free, 0.5 - 0.5 * np.cos(np.pi * np.clip(away / 0.04, 0, 1)))
    return free


def prosody(sound: NDArray[np.float32], rate: int) -> tuple[Array, Array]:
    """Loudness and pitch at 100 Hz: ((N,) 0 to 1 of the clip's 95th percentile, (N,) semitones off its median).

    Pitch is the lag of the highest autocorrelation of 40 ms divided by the window's own (Boersma 1993), within 8
    semitones of the clip's median; 0 where there is no voice.
    """
    hop, width = rate // 100, rate // 25
    count = len(sound) // hop
    padded = np.pad(sound.astype(np.float64), (width // 2, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[::hop][:count]
    power = np.sqrt(np.mean(windows**2, axis=1))
    loud = np.clip(power / max(float(np.percentile(power, 95)), 1e-4), 0, 1)
    taper = np.hanning(width)

    def correlate(x: Array) -> Array:
        return np.asarray(np.fft.irfft(np.abs(np.fft.rfft(x, 2 * width)) ** 2)[..., :width])

    strength = correlate((windows - windows.mean(axis=1, keepdims=True)) * taper)
    strength = strength / np.maximum(strength[:, :1], 1e-9) / (correlate(taper) / correlate(taper)[0])
    low, high = rate // 400, rate // 70
    strength[:, low:high] -= 0.1 * np.log2(np.arange(low, high) / low)  # of equal peaks the shortest lag
    lag = low + np.argmax(strength[:, low:high], axis=1)
    voiced = (loud > 0.15) & (np.take_along_axis(strength, lag[:, None], 1)[:, 0] > 0.3)
    if not voiced.any():
        return loud, np.zeros(count)
    middle = float(np.median(lag[voiced]))
    low, high = max(low, int(middle / 1.6)), min(high, int(middle * 1.6) + 1)  # no octave errors
    lag = low + np.argmax(strength[:, low:high], axis=1)
    tone = 12 * np.log2(middle / lag)
    return loud, np.where(voiced, tone - np.median(tone[voiced]), 0.0)


def _smooth(x: Array, sigma: float) -> Array:
    """Gaussian smoothing of (T,) with edges held; ``sigma`` in samples."""
    reach = int(4 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.convolve(np.pad(x, reach, mode="edge"), kernel / kernel.sum(), mode="valid")


def _sway(times: Array, rng: np.random.Generator) -> Array:
    """Idle motion: three slow sines, about -1 to 1."""
    speed, phase = rng.uniform(0.15, 0.8, 3), rng.uniform(0, 2 * np.pi, 3)
    return np.asarray(np.sin(2 * np.pi * times[:, None] * speed + phase).sum(axis=1) / 2)


def _blinks(times: Array, rng: np.random.Generator) -> Array:
    """0 (open) to 1 (shut): a blink of 0.2 s every 1.2 to 3 s."""
    shut = np.zeros(len(times))
    at = rng.uniform(0.2, 2.0)
    while at < times[-1]:
        shut = np.maximum(shut, np.clip(1.25 - np.abs(times - at) / 0.08, 0, 1))
        at += rng.uniform(1.2, 3.0)
    return shut
