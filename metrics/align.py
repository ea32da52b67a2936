"""Alignment error against the ground truth in milliseconds: the distance in time between equal sounds.

Dub and ground truth say the same words for the same picture. Dynamic time warping over log-mels finds for every
frame of the ground truth the dub's time t_dub at which the same sound is heard (the mean where the path stays on the
frame); the clip's error is the median of |t_dub - t| over the ground truth's speech frames. 0 is perfect, a constant
delay is seen in full, and voice, level and noise are normalised away as far as possible. This is not LSE: it needs
the ground truth, and it sees no picture.

The recipe ``align/dtw-logmel-5ms`` in full, at 16 kHz: Hann windows of 25 ms centred every 5 ms, FFT 512, 40
triangular mel bands (HTK scale, 80-7600 Hz) of power; in dB, floored 50 dB below the clip's level; slopes by
regression over +-4 frames; every band and every slope divided by its deviation over the clip's own speech frames,
bands centred on their mean there, slopes weighted by 2; exact DTW (`dubbench.metrics.parts.dtw`) without a band
constraint. The level is the one that a clip's mel power, averaged over 9 frames, exceeds for 150 ms. Speech is what
lies within 25 dB of it and 6 dB above the floor (5th percentile of the frames within 60 dB of the level, so that
digital silence is no floor). Sound whose level and floor lie less than 6 dB apart has no speech in it: silence, hum,
steady noise. Such a clip is unscored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, MetricBase, MetricInfo, Stats, Unscored
from dubbench.metrics.parts.dtw import MAX_CELLS, too_long, warp_path
from dubbench.metrics.parts.timing import EXPECTED, timing_column
from dubbench.runtime.provenance import versions
from dubbench.signal.mel import mel_bank
from dubbench.signal.sound import Sound

Floats = NDArray[np.float64]

RATE = 16000
HOP = 80
WINDOW = 400
FFT = 512
BANDS = 40
LOW, HIGH = 80.0, 7600.0
FLOOR_DB = 50.0
SLOPE = 4
SLOPE_WEIGHT = 2.0
SMOOTH = 9
LEVEL_FRAMES = 30
SPEECH_DB = 25.0
CONTRAST_DB = 6.0
SOUNDING_DB = 60.0
_TINY = 1e-10  # far below the quantisation noise of 16 bits in one band


class Speech(NamedTuple):
    """What is compared: ``features`` (N, 80), one row every 5 ms, and which rows are ``active`` speech (N,)."""

    features: Floats
    active: NDArray[np.bool_]


def mel_power(samples: NDArray[np.floating]) -> Floats:
    """(T // 80 + 1, 40): mel-band power of (T,) samples at 16 kHz, frame k centred on sample 80 k."""
    padded = np.pad(np.asarray(samples, dtype=np.float64), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectra = np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], FFT)
    return np.asarray((spectra.real**2 + spectra.imag**2) @ mel_bank(BANDS, FFT, RATE, LOW, HIGH).T)


def activity(power: Floats) -> tuple[NDArray[np.bool_], float] | None:
    """Which frames are speech, and the clip's level in dB.

    Args:
        power: (N, 40) mel power.

    Returns:
        (N,) with at least one True, and the level; None where level and floor lie less than 6 dB apart.
    """
    total = power.sum(axis=1)
    padded = np.pad(total, SMOOTH // 2, mode="edge")
    energy = _decibel(np.convolve(padded, np.full(SMOOTH, 1 / SMOOTH), "valid"))
    level = float(np.sort(energy)[-min(LEVEL_FRAMES, len(energy))])
    floor = float(np.percentile(energy[energy > level - SOUNDING_DB], 5))
    if level - floor < CONTRAST_DB:
        return None
    return energy >= max(level - SPEECH_DB, floor + CONTRAST_DB), level


def speech(samples: NDArray[np.floating]) -> Speech | None:
    """Features and speech frames of (T,) samples at 16 kHz; None where there is no speech."""
    power = mel_power(samples)
    found = activity(power)
    if found is None:
        return None
    active, level = found
    bands = np.maximum(_decibel(power), level - FLOOR_DB)
    slopes = _slopes(bands)
    bands = (bands - bands[active].mean(axis=0)) / _deviation(bands[active], 3.0)
    slopes = SLOPE_WEIGHT * slopes / _deviation(slopes[active], 0.1)
    return Speech(np.concatenate([bands, slopes], axis=1), active)


def displacement(truth: Speech, dub: Speech) -> Floats:
    """(N,) seconds by which the dub is late (positive) or early at every frame of the ground truth."""
    i, j = warp_path(truth.features, dub.features)
    times = np.bincount(i, weights=j) / np.bincount(i)
    return np.asarray((times - np.arange(len(times))) * HOP / RATE)


def alignment_error(truth: Speech, dub: Speech) -> float:
    """Median absolute `displacement` over the ground truth's speech frames, in seconds."""
    return float(np.median(np.abs(displacement(truth, dub)[truth.active])))


def _decibel(power: Floats) -> Floats:
    return np.asarray(10 * np.log10(power + _TINY))


def _slopes(bands: Floats) -> Floats:
    """(N, 40) regression slopes in dB a frame over +-SLOPE frames."""
    padded = np.pad(bands, ((SLOPE, SLOPE), (0, 0)), mode="edge")
    n = len(bands)
    offsets = range(-SLOPE, SLOPE + 1)
    return np.asarray(sum(k * padded[SLOPE + k : SLOPE + k + n] for k in offsets) / sum(k * k for k in offsets))


def _deviation(rows: Floats, least: float) -> Floats:
    """(40,) standard deviation down the rows, at least ``least``, so that a constant band is not blown up."""
    return np.asarray(np.maximum(rows.std(axis=0), least))


def _speech(sound: Sound) -> Speech | None:
    return sound.derive("speech/logmel-40-5ms", lambda: speech(sound.at(RATE)))


def _column(name: str, q: float) -> Column:
    # Tolerance: two frames, for the path wavers between alike sounds; a quarter of one picture.
    return timing_column(name, q, 10.0, {**EXPECTED, "noisy(snr=10)": "invariant"})


class Alignment(MetricBase):
    """Alignment error in ms: median and 90th percentile over clips."""

    columns = (_column("align-ms", 0.5), _column("align-ms-p90", 0.9))

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="align",
            recipe="align/dtw-logmel-5ms",
            settings={
                **versions("numpy"),
                "rate": RATE,
                "hop": HOP,
                "window": WINDOW,
                "fft": FFT,
                "bands": BANDS,
                "low_hz": LOW,
                "high_hz": HIGH,
                "floor_db": FLOOR_DB,
                "slope_frames": SLOPE,
                "slope_weight": SLOPE_WEIGHT,
                "normalisation": "mean and deviation over own speech frames",
                "smooth_frames": SMOOTH,
                "level_frames": LEVEL_FRAMES,
                "speech_db": SPEECH_DB,
                "contrast_db": CONTRAST_DB,
                "sounding_db": SOUNDING_DB,
                "dtw": "exact, steps 11 10 01 of weight 1, no band",
                "max_cells": MAX_CELLS,
                "per_clip": "median over the ground truth's speech frames",
            },
            needs=frozenset({"truth"}),
            summary="How far the dub's sounds lie from the ground truth's in time, by warping log-mels onto each other",
            source="dubbench",
        )

    def score(self, item: Item) -> Stats | Unscored:
        """``error_ms``: milliseconds, >= 0. Unscored where either side has no speech."""
        assert item.truth is not None
        if reason := too_long(item.truth.duration, item.dub.duration, HOP / RATE):
            return Unscored(reason)
        truth, dub = _speech(item.truth), _speech(item.dub)
        if truth is None:
            return Unscored("no speech in the ground truth")
        if dub is None:
            return Unscored("no speech in the dub")
        return {"error_ms": 1000.0 * alignment_error(truth, dub)}
