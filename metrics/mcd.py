"""Mel-cepstral distortion against the ground truth: MCD, MCD-DTW and MCD-DTW-SL.

All three compare the same features, WORLD's mel-cepstra at 16 kHz (recipe ``mcd/world-mcep39-16k``, the one of the
toolkit VERSA, Shi et al. 2024)::

    samples * 32767 -> 255-tap FIR high-pass at 70 Hz -> Harvest F0 (40-800 Hz, 5 ms) -> CheapTrick (1024)
                    -> power floored at 0.001 -> mel-cepstrum c_0..c_39 (alpha 0.466)

    d(i, j) = 10 sqrt(2) / ln 10 * || c_ref[i] - c_dub[j] ||_2                     [dB], c_0 included

    MCD        = mean of d(t, t), the longer side truncated
    MCD-DTW    = mean of d along the path that minimises its sum (exact; FastDTW approximates it)
    MCD-DTW-SL = MCD-DTW * max(T_ref, T_dub) / min(T_ref, T_dub)                   (V2C-Net, Chen et al. 2022)

The floor is ours: it lies 19 dB below the quantisation noise of 16-bit files (1/12), so it leaves what such a file can
hold as it is, and keeps digital silence from costing 80 dB against a quiet room.

c_0 is the level, so MCD is not loudness invariant: half the amplitude is 10 sqrt(2) / ln 10 * ln 2 = 4.26 dB. Tables
made with pymcd (22.05 kHz, order 13, alpha 0.65) are on another scale.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.metrics.duration import MIN_OVERLAP, too_short
from dubbench.metrics.parts.dtw import MAX_CELLS, too_long, warp_path
from dubbench.runtime.provenance import versions
from dubbench.signal.sound import Sound
from dubbench.signal.world import pyworld

Floats = NDArray[np.float64]

RATE = 16000
HOP_MS = 5.0
SCALE = 32767.0
LOW_CUT = 70.0
TAPS = 255
F0_FLOOR = 40.0
F0_CEIL = 800.0
FFT = 1024
FLOOR = 1e-3
ORDER = 39
ALPHA = 0.466
DECIBEL = 10.0 * np.sqrt(2.0) / np.log(10.0)
"""6.1418...: from a Euclidean distance of mel-cepstra to decibels."""


def mel_cepstra(samples: NDArray[np.floating]) -> Floats:
    """WORLD's mel-cepstra every 5 ms.

    Args:
        samples: (T,) at 16 kHz in [-1, 1].

    Returns:
        (T // 80 + 1, 40): c_0..c_39.
    """
    from scipy.signal import firwin, lfilter

    world = pyworld("MCD")
    scaled = np.asarray(samples, dtype=np.float64) * SCALE
    x = np.ascontiguousarray(lfilter(firwin(TAPS, LOW_CUT / (RATE / 2), pass_zero=False), 1.0, scaled))
    f0, times = world.harvest(x, RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEIL, frame_period=HOP_MS)
    power = world.cheaptrick(x, f0, times, RATE, fft_size=FFT)
    return mel_cepstrum(np.maximum(power, FLOOR), ORDER, ALPHA)


def mel_cepstrum(power: Floats, order: int, alpha: float) -> Floats:
    """Power spectra to mel-cepstra: the cepstrum of log|H|, its frequency axis warped (SPTK's ``sp2mc``).

    Args:
        power: (T, F) positive power spectra from 0 to half the rate.
        order: of the result.
        alpha: all-pass coefficient of the warping; 0.466 is near the mel scale at 16 kHz, 0 warps nothing.

    Returns:
        (T, order + 1).
    """
    # log|H|^2 is twice log|H|, so a one-sided cepstrum has c_0 / 2 beside the doubled rest as they stand.
    cepstrum = np.fft.irfft(np.log(power), axis=1)[:, : power.shape[1]]
    cepstrum[:, 0] /= 2
    cepstrum[:, -1] /= 2
    return np.asarray(cepstrum @ warping_matrix(power.shape[1], order, alpha))


@cache
def warping_matrix(size: int, order: int, alpha: float) -> Floats:
    """(size, order + 1): a cepstrum times this is its all-pass transform (Oppenheim and Johnson 1972).

    Row m holds the response to the unit cepstrum e_m. The recursion takes the coefficients from the last to the first,
    here for all unit cepstra at once.
    """
    now = np.zeros((order + 1, size))
    for m in range(size - 1, -1, -1):
        before = now.copy()
        now[0] = alpha * before[0]
        now[0, m] += 1
        if order:
            now[1] = (1 - alpha**2) * before[0] + alpha * before[1]
        for k in range(2, order + 1):
            now[k] = before[k - 1] + alpha * (before[k] - now[k - 1])
    matrix = np.ascontiguousarray(now.T)
    matrix.flags.writeable = False
    return matrix


def distortion(reference: Floats, dub: Floats) -> Floats:
    """(L,) distance in dB between paired frames of (L, d) mel-cepstra."""
    return np.asarray(DECIBEL * np.linalg.norm(reference - dub, axis=1))


def mcd(reference: Floats, dub: Floats) -> float:
    """MCD in dB of (T, d) against (U, d), the longer truncated."""
    n = min(len(reference), len(dub))
    return float(distortion(reference[:n], dub[:n]).mean())


def mcd_dtw(reference: Floats, dub: Floats) -> float:
    """MCD-DTW in dB of (T, d) against (U, d); never more than `mcd` where T = U."""
    i, j = warp_path(reference, dub)
    return float(distortion(reference[i], dub[j]).mean())


def length_ratio(reference: Floats, dub: Floats) -> float:
    """Frames of the longer over frames of the shorter: the factor SL, >= 1."""
    return max(len(reference), len(dub)) / min(len(reference), len(dub))


def _cepstra(sound: Sound) -> Floats:
    return sound.derive("mcep/world-39-16k", lambda: mel_cepstra(sound.at(RATE)))


def _column(name: str, value: str) -> Column:
    expects: dict[str, Effect] = {
        "ground_truth": "perfect",
        "another_clip": "worse",
        "shuffled": "worse",
        "silence": "worse",
        "noise": "worse",
        "noisy(snr=10)": "worse",
        "gain(db=-12)": "worse",  # c_0 is part of the distance
        "other_voice": "worse",
    }
    if name == "MCD":  # the other two are warped over it
        expects |= {"delay": "worse", "warp(ms=100)": "worse", "warp(ms=300)": "worse"}
    return Column(name=name, direction="down", aggregate=Mean(value=value), unit="dB", best=0.0, expects=expects)


class MCD(MetricBase):
    """MCD, MCD-DTW and MCD-DTW-SL in dB, mean over clips. A dub too short to be truncated has no plain MCD."""

    columns = (_column("MCD", "mcd"), _column("MCD-DTW", "mcd_dtw"), _column("MCD-DTW-SL", "mcd_dtw_sl"))

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="mcd",
            recipe="mcd/world-mcep39-16k",
            settings={
                **versions("pyworld", "scipy", "numpy"),
                "rate": RATE,
                "scale": SCALE,
                "low_cut_hz": LOW_CUT,
                "taps": TAPS,
                "f0": "harvest",
                "f0_floor": F0_FLOOR,
                "f0_ceil": F0_CEIL,
                "hop_ms": HOP_MS,
                "envelope": "cheaptrick",
                "fft": FFT,
                "floor": FLOOR,
                "order": ORDER,
                "alpha": ALPHA,
                "c0": True,
                "plain": "truncated to the shorter",
                "min_overlap": MIN_OVERLAP,
                "dtw": "exact, steps 11 10 01 of weight 1, mean over the path",
                "max_cells": MAX_CELLS,
                "loudness": "as is",
            },
            needs=frozenset({"truth"}),
            summary="Mel-cepstral distortion against the ground truth: plain, time-warped, and times the length ratio",
            source="Kubichek 1993; Chen et al. 2022 (V2C-Net) for DTW-SL; VERSA for the features",
        )

    def load(self, device: str) -> None:
        """Make sure that pyworld is there."""
        pyworld("MCD")

    def score(self, item: Item) -> Stats | Unscored:
        """``mcd``, ``mcd_dtw`` and ``mcd_dtw_sl`` in dB."""
        assert item.truth is not None
        if reason := too_long(item.truth.duration, item.dub.duration, HOP_MS / 1000):
            return Unscored(reason)
        reference, dub = _cepstra(item.truth), _cepstra(item.dub)
        warped = mcd_dtw(reference, dub)
        stats = {"mcd_dtw": warped, "mcd_dtw_sl": warped * length_ratio(reference, dub)}
        if too_short(item.dub.duration, item.truth.duration) is None:
            stats["mcd"] = mcd(reference, dub)
        return stats
