"""`Beliefs` about an utterance to tokens of the codec ``world``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .base import CONTENT, PROSODY, STREAMS
from .kmeans import Matrix, assign
from .settle import Beliefs, Codes, requantise
from .world_features import Array
from .world_streams import VOICED, Arrays
from .world_voice import DECIBELS, ENERGY

STEP = 1.0
"""Semitones that a melody moves from token to token (12.5 ms), as the standard deviation of the search's steps."""
_GRID = np.arange(-18.0, 18.01, 0.25)
_BLUR = 0.5


def settle(arrays: Arrays, beliefs: Beliefs) -> Codes:
    """Tokens (6, L).

    Prosody: voiced where the voiced codes have more than half of the mass; pitch and energy are means over the codes
    of that kind. What the nearest code's energy leaves is handed to the acoustic books.
    """
    first = arrays.content.shape[0] + PROSODY
    rest = np.zeros((beliefs.tokens.shape[1], arrays.content.shape[2]))
    tokens = beliefs.tokens
    if 0 in beliefs.probabilities:
        prosody, energy = melody(beliefs.probabilities[0], arrays.prosody, beliefs.search)
        tokens = np.concatenate([prosody[None], tokens[1:]])
        if first in beliefs.probabilities:
            rest[:, ENERGY] = (energy - arrays.prosody[prosody, 1]) / DECIBELS
    books = [*arrays.content[1:], *arrays.acoustic]
    weights = [arrays.content_weights] * (CONTENT - 1) + [arrays.acoustic_weights] * len(arrays.acoustic)
    rows = range(PROSODY + 1, STREAMS)
    return requantise(rest, books, rows, Beliefs(tokens, beliefs.probabilities), weights)


def melody(p: Matrix, book: Matrix, search: bool = False) -> tuple[Codes, Array]:
    """Prosody codes (L,), and the energy in dB (L,) that is meant.

    Args:
        p: (L, 1024) probabilities.
        book: (1024, 2) semitones and dB, voiced codes first.
        search: pitch by the smoothest likely path, not by the mean.
    """
    wide = p.astype(np.float64)
    sung, breathed = wide[:, :VOICED], wide[:, VOICED:]
    mass = sung.sum(1)
    voiced = mass > 0.5 * wide.sum(1)
    song = sung / np.maximum(mass, 1e-30)[:, None]
    loud = song @ book[:VOICED]
    soft = breathed / np.maximum(breathed.sum(1), 1e-30)[:, None] @ book[VOICED:]
    if search:
        loud[:, 0] = smooth_path(song, book[:VOICED, 0], voiced)
    codes = np.where(
        voiced,
        assign(loud.astype(np.float32), book[:VOICED])[0],
        VOICED + assign(soft.astype(np.float32), book[VOICED:])[0],
    )
    return codes, np.where(voiced, loud[:, 1], soft[:, 1])


def smooth_path(p: Array, semitones: Matrix, voiced: NDArray[np.bool_]) -> Array:
    """(L,) semitones of the path that is likeliest under blurred probabilities p (L, n) of codes at ``semitones`` (n,)
    and Gaussian steps of `STEP`; unvoiced tokens constrain nothing.
    """
    kernel = np.exp(-0.5 * ((_GRID - semitones[:, None]) / _BLUR) ** 2)
    likely = np.where(voiced[:, None], np.log(p @ kernel + 1e-6), 0.0)
    step = -0.5 * ((_GRID[:, None] - _GRID) / STEP) ** 2
    best, back = likely[0], []
    for row in likely[1:]:
        reached = best[:, None] + step
        back.append(reached.argmax(0))
        best = reached[back[-1], np.arange(len(_GRID))] + row
    path = [int(best.argmax())]
    for came in reversed(back):
        path.append(int(came[path[-1]]))
    return _GRID[path[::-1]]
