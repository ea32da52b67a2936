"""The streams of the codec ``world``: its fitted numbers, its prosody codes and its speaker vector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.voice_encoder import resemblyzer, voice_encoder

from .base import RATE, SPEAKER, checked
from .kmeans import Matrix, assign
from .world_features import Array

VOICED = 896
"""Prosody codes of voiced frames; the rest are unvoiced ones."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """The fitted numbers.

    Attributes:
        centre, reading, average: (256,), (256, 83), (83,): (embedding - centre) @ reading + average is a
            `Voice.vector`.
        prosody: (1024, 2) semitones and dB, see `relative`; voiced codes first.
        content, acoustic: (2, 1024, 41) and (3, 1024, 41), see `relative`.
        content_weights, acoustic_weights: (41,) square roots of the weights under which codes are chosen.
    """

    centre: Matrix
    reading: Matrix
    average: Matrix
    prosody: Matrix
    content: Matrix
    acoustic: Matrix
    content_weights: Matrix
    acoustic_weights: Matrix


def prosody_codes(melody: Array | Matrix, voiced: NDArray[np.bool_], book: Matrix) -> NDArray[np.int64]:
    """(L, 2) and (L,) to (L,) codes; voicing is never traded against the rest."""
    x = melody.astype(np.float32)
    return np.where(voiced, assign(x, book[:VOICED])[0], VOICED + assign(x, book[VOICED:])[0])


def embed(wav: NDArray[np.float32]) -> NDArray[np.float32]:
    """(256,) Resemblyzer embedding of (T,) samples at 16 kHz; of the untrimmed sound where no speech is found."""
    package = resemblyzer("metrics", "the codec 'world'")
    x = checked(wav)
    speech = package.preprocess_wav(x, source_sr=RATE) if np.any(x) else x
    vector = voice_encoder().embed_utterance(speech if len(speech) >= RATE // 10 else x)
    return np.asarray(np.nan_to_num(vector), dtype=np.float32).reshape(SPEAKER)
