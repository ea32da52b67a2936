"""Speaker characteristics in WORLD parameters: removed before quantisation and restored after it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dubbench.systems.diflowdubber.codec.world_features import MELS, Array, Frames, bend

CEPSTRA = 40
"""Coefficients kept of the mel-cepstrum, the energy (number 0) among them."""
WIDTH = CEPSTRA + 1
"""Of a frame's detail: cepstra 1 to 39, energy, aperiodicity."""
ENERGY, BREATH = CEPSTRA - 1, CEPSTRA
"""Columns of a frame's detail."""
DECIBELS = 10 / np.log(10) / np.sqrt(MELS)
"""dB for one unit of cepstrum 0."""
_SEMITONES = 12 / np.log(2)
_TRACT = 0.2
_LEAST_DB = -60.0


@dataclass(frozen=True, slots=True)
class Voice:
    """What the codec knows of a speaker.

    Attributes:
        pitch, pitch_spread: mean and standard deviation of ln F0 in Hz.
        tract: how much the frequency axis is bent, see `bend`; above 0 for vocal tracts shorter than the average.
        energy, breath: means over speech of cepstrum 0 and of the aperiodicity at 3 kHz in dB.
        mean, spread: (39,) of cepstra 1 to 39 over speech, on the bent axis.
    """

    pitch: float
    pitch_spread: float
    tract: float
    energy: float
    breath: float
    mean: Array
    spread: Array

    @property
    def vector(self) -> Array:
        """(83,) in the order above, spreads as logarithms: a space in which averages make sense."""
        head = [self.pitch, np.log(self.pitch_spread), self.tract, self.energy, self.breath]
        return np.concatenate([head, self.mean, np.log(self.spread)])

    @classmethod
    def of(cls, vector: NDArray[np.floating]) -> Voice:
        """The inverse of `vector`; the tract is kept within what people have."""
        v = np.asarray(vector, dtype=np.float64)
        pitch, log_spread, tract, energy, breath = (float(x) for x in v[:5])
        mean, spread = v[5 : 4 + CEPSTRA], np.exp(v[4 + CEPSTRA :])
        return cls(pitch, float(np.exp(log_spread)), min(max(tract, -_TRACT), _TRACT), energy, breath, mean, spread)

    @classmethod
    def measured(cls, frames: Frames, tract: float) -> Voice:
        """From one utterance with some voiced speech, on the axis bent by ``tract``."""
        heard, voiced = speech(frames), frames.f0 > 0
        logs = np.log(frames.f0[voiced])
        cepstra = frames.envelope[heard] @ bend(tract).T @ cosines().T
        return cls(
            pitch=float(np.median(logs)),
            pitch_spread=float(max(logs.std(), 0.02)),
            tract=tract,
            energy=float(cepstra[:, 0].mean()),
            breath=float(frames.aperiodicity[voiced].mean()),
            mean=cepstra[:, 1:].mean(0),
            spread=np.maximum(cepstra[:, 1:].std(0), 1e-3),
        )


def speech(frames: Frames) -> NDArray[np.bool_]:
    """(L,) whether a frame is within 26 dB of the utterance's loud ones."""
    level = frames.envelope.mean(1)
    return np.asarray(level > np.percentile(level, 98) - 6.0)


def relative(frames: Frames, voice: Voice, average: Voice) -> tuple[Array, Array]:
    """L frames of ``voice`` as the ``average`` voice would have said them.

    Returns:
        Melody (L, 2): semitones from the mean pitch (0 where unvoiced), dB from the mean energy.
        Detail (L, 41): cepstra 1 to 39 from their means, energy from its mean, aperiodicity from its mean (0 where
        unvoiced); all but the last in units of natural log power.
    """
    voiced = frames.f0 > 0
    logs = np.log(np.where(voiced, frames.f0, 1.0))
    pitch = np.where(voiced, (logs - voice.pitch) * (average.pitch_spread / voice.pitch_spread) * _SEMITONES, 0.0)
    cepstra = frames.envelope @ bend(voice.tract).T @ cosines().T
    energy = cepstra[:, 0] - voice.energy
    shape = (cepstra[:, 1:] - voice.mean) * (average.spread / voice.spread)
    breath = np.where(voiced, frames.aperiodicity - voice.breath, 0.0)
    return np.column_stack([pitch, energy * DECIBELS]), np.column_stack([shape, energy, breath])


def absolute(pitch: Array, voiced: NDArray[np.bool_], detail: Array, voice: Voice, average: Voice) -> Frames:
    """The inverse of `relative`, from semitones (L,), voicing (L,) and detail (L, 41)."""
    logs = voice.pitch + pitch / _SEMITONES * (voice.pitch_spread / average.pitch_spread)
    shape = voice.mean + detail[:, :ENERGY] * (voice.spread / average.spread)
    cepstra = np.column_stack([detail[:, ENERGY] + voice.energy, shape])
    breath = np.clip(voice.breath + detail[:, BREATH], _LEAST_DB, 0.0)
    return Frames(
        f0=np.where(voiced, np.exp(logs), 0.0),
        envelope=cepstra @ cosines() @ bend(-voice.tract).T,
        aperiodicity=np.where(voiced, breath, 0.0),
    )


@lru_cache(maxsize=1)
def cosines() -> Array:
    """(40, 128): the first rows of the orthonormal cosine transform, from mel points to cepstra."""
    n, m = np.arange(CEPSTRA)[:, None], np.arange(MELS) + 0.5
    rows: Array = np.sqrt(2.0 / MELS) * np.cos(np.pi / MELS * n * m)
    rows[0] /= np.sqrt(2.0)
    return rows
