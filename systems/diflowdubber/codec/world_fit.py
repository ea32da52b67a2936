"""Fitting of `WorldCodec`: speaker characteristics first, then codebooks of the speaker-independent rest.

1. Per utterance: the bend of the frequency axis under which its frames come nearest to a small codebook of all
   utterances (vocal tract length normalisation by maximum likelihood, after Lee and Rose 1996).
2. Per utterance: means and spreads over its speech (`Voice`), on the bent axis.
3. A ridge regression from the embedding to all of these, so that a voice outside the fit is placed between those
   inside. Utterances of crowded regions count less, so that a speaker with many recordings does not outvote others.
4. With the voice as read from the embedding taken out: k-means for every book, frames of speech before silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.codec.base import ACOUSTIC, CODES, CONTENT, HOP, RATE
from dubbench.systems.diflowdubber.codec.kmeans import Matrix, assign, kmeans
from dubbench.systems.diflowdubber.codec.world_features import MELS, Array, Frames, analyse, bend
from dubbench.systems.diflowdubber.codec.world_streams import VOICED, Arrays, embed, prosody_codes
from dubbench.systems.diflowdubber.codec.world_voice import (
    DECIBELS,
    ENERGY,
    WIDTH,
    Voice,
    cosines,
    relative,
    speech,
)

_BENDS = np.linspace(-0.2, 0.2, 21)
_SHAPE = slice(1, 16)
"""Cepstra that the vocal tract's length is judged by."""
_RIDGE = 2e-3
_ALIKE = 0.8
"""Cosine of embeddings from which utterances count as one voice's."""
_SILENCE_WEIGHT = 0.1
_FRAMES = 120_000
"""Frames that k-means sees at most."""


def fit(wavs: Iterable[NDArray[np.float32]], seed: int = 0) -> tuple[Arrays, dict[str, Any]]:
    """The codec's arrays from recordings (T,) at 16 kHz, and an account of the fit.

    Raises:
        DubbenchError: nobody speaks in any of them, or too little, voiced or unvoiced, to fill the books.
    """
    frames, embeddings = [], []
    for wav in wavs:
        found = analyse(wav)
        if np.count_nonzero(speech(found) & (found.f0 > 0)) >= 10:
            frames.append(found)
            embeddings.append(embed(wav))
    return fit_frames(frames, np.array(embeddings, np.float32), seed)


def fit_frames(frames: list[Frames], embeddings: Matrix, seed: int) -> tuple[Arrays, dict[str, Any]]:
    """As `fit`, from parameters and embeddings (n, 256)."""
    total = sum(len(f.f0) for f in frames)
    if total < 2 * CODES:
        raise DubbenchError(f"{total} frames of speech are too few to fit a codec; give it a minute or more")
    centre, reading, average = read_voices(frames, embeddings, bends(frames, seed))
    voices = [Voice.of((e - centre).astype(np.float64) @ reading + average) for e in embeddings]
    told = [relative(f, v, Voice.of(average)) for f, v in zip(frames, voices, strict=True)]

    some = np.random.default_rng(seed).permutation(total)[:_FRAMES]
    weights = np.concatenate([np.where(speech(f), 1.0, _SILENCE_WEIGHT) for f in frames])[some].astype(np.float32)
    voiced = np.concatenate([f.f0 > 0 for f in frames])[some]
    melody, detail = (np.concatenate(part)[some].astype(np.float32) for part in zip(*told, strict=True))

    prosody = prosody_book(melody, voiced, weights, seed)
    detail[:, ENERGY] -= prosody[prosody_codes(melody, voiced, prosody), 1] / DECIBELS
    phones = (np.arange(WIDTH) < ENERGY).astype(np.float32)
    content, rest = residual_books(detail, CONTENT, phones, weights, seed)
    everything = np.ones(WIDTH, np.float32)
    acoustic, left = residual_books(rest, ACOUSTIC, everything, weights, seed + CONTENT)

    error = np.sqrt(np.average((left[:, :ENERGY] ** 2).sum(1), weights=weights) / MELS) * 10 / np.log(10)
    meta = {
        "utterances": len(frames),
        "seconds": round(total * HOP / RATE, 1),
        "seed": seed,
        "envelope_error_db": round(float(error), 2),
    }
    return Arrays(centre, reading, average, prosody, content, acoustic, phones, everything), meta


def bends(frames: list[Frames], seed: int) -> Array:
    """(n,) the bend of the frequency axis for each utterance; step 1."""
    loud = [f.envelope[speech(f)] for f in frames]
    matrices = [cosines()[_SHAPE] @ bend(a) for a in _BENDS]
    best = np.full(len(frames), len(_BENDS) // 2)
    for _ in range(2):
        shapes = [_centred(x, matrices[i]) for x, i in zip(loud, best, strict=True)]
        book = kmeans(np.concatenate(shapes)[:_FRAMES], 256, seed, rounds=10)
        for u, x in enumerate(loud):
            best[u] = np.argmin([assign(_centred(x, m), book)[1].mean() for m in matrices])
    return _BENDS[best]


def _centred(envelope: Array, matrix: Array) -> Matrix:
    x = envelope @ matrix.T
    return (x - x.mean(0)).astype(np.float32)


def read_voices(frames: list[Frames], embeddings: Matrix, tracts: Array) -> tuple[Matrix, Matrix, Matrix]:
    """Steps 2 and 3: `Arrays.centre`, `Arrays.reading` and `Arrays.average`."""
    e = embeddings.astype(np.float64)
    alike = (e @ e.T > _ALIKE).sum(1)
    w = 1.0 / np.sqrt(alike)
    w /= w.sum()
    centre, tract, bend_reading = _ridge(e, tracts[:, None], w)
    bent = (e - centre) @ bend_reading + tract
    voices = np.stack([Voice.measured(f, float(a)).vector for f, a in zip(frames, bent[:, 0], strict=True)])
    centre, average, reading = _ridge(e, voices, w)
    return centre.astype(np.float32), reading.astype(np.float32), average.astype(np.float32)


def _ridge(x: Array, y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Weighted ridge regression with each target in units of its spread: centre of x, mean of y, map."""
    x0, y0 = w @ x, w @ y
    scale = np.maximum(np.sqrt(w @ (y - y0) ** 2), 1e-9)
    a = (x - x0).T * w
    solved = np.linalg.solve(a @ (x - x0) + _RIDGE * np.eye(x.shape[1]), a @ ((y - y0) / scale))
    reading = solved.astype(np.float64) * scale
    return x0, y0, reading


def prosody_book(melody: Matrix, voiced: NDArray[np.bool_], weights: NDArray[np.float32], seed: int) -> Matrix:
    """(1024, 2) from (n, 2) semitones and dB: voiced codes, then unvoiced ones.

    One code in eight lies on a coarse grid, for melodies that the corpus does not have.

    Raises:
        DubbenchError: fewer voiced or unvoiced frames than codes to find in them.
    """
    pitch, energy = np.meshgrid(np.arange(-15.0, 16.0, 2.0), np.arange(-40.0, 17.0, 8.0), indexing="ij")
    sung = np.column_stack([pitch.ravel(), energy.ravel()]).astype(np.float32)
    breathed = np.column_stack([np.zeros(16), np.linspace(-70.0, 20.0, 16)]).astype(np.float32)
    books = []
    for kind, chosen, given, codes in (
        ("voiced", voiced, sung, VOICED),
        ("unvoiced", ~voiced, breathed, CODES - VOICED),
    ):
        wanted, count = codes - len(given), int(np.count_nonzero(chosen))
        if count < wanted:
            raise DubbenchError(
                f"{count} {kind} frames are too few for {wanted} codes of prosody; "
                f"fit the codec to recordings with more {'speech' if kind == 'voiced' else 'pauses and consonants'}"
            )
        books += [kmeans(melody[chosen], wanted, seed, weights[chosen]), given]
    return np.concatenate(books)


def residual_books(
    z: Matrix, count: int, metric: Matrix, weights: NDArray[np.float32], seed: int
) -> tuple[Matrix, Matrix]:
    """``count`` books (count, 1024, 41) in a row for the rows of ``z``, and what they leave.

    Codes are chosen under ``metric``; a code stands for the mean of all 41 values of the frames that chose it.
    """
    books, rest = [], z
    for i in range(count):
        centres = kmeans(rest * metric, CODES, seed + i, weights)
        ids, _ = assign(rest * metric, centres)
        mass = np.bincount(ids, weights, minlength=CODES)[:, None]
        sums = np.stack([np.bincount(ids, weights * column, minlength=CODES) for column in rest.T], axis=1)
        book = sums / np.maximum(mass, 1e-9)  # a code that nothing chose stands for no change
        books.append(book.astype(np.float32))
        ids, _ = assign(rest * metric, books[-1] * metric)
        rest = rest - books[-1][ids]
    return np.stack(books), rest
