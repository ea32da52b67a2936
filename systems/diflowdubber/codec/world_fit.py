"""Fitting `WorldCodec`: whose voice is what, then what is left to quantise.

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
from dubbench.systems.diflowdubber.codec.base import ACOUSTIC, CODES, CONTENT
from dubbench.systems.diflowdubber.codec.kmeans import Matrix, assign, kmeans
from dubbench.systems.diflowdubber.codec.world import (
    _DECIBELS,
    VOICED,
    WIDTH,
    Arrays,
    Voice,
    cosines,
    detail_of,
    embed,
    prosody_codes,
    prosody_of,
    smooth,
)
from dubbench.systems.diflowdubber.codec.world_features import Array, Frames, analyse, bend

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
        DubbenchError: nobody speaks in any of them, or too little to fill the books.
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
    tracts = bends(frames, seed)
    centre, reading, voice = read_voices(frames, embeddings, tracts)
    voices = [Voice.of((e - centre).astype(np.float64) @ reading + voice) for e in embeddings]
    spread = np.exp(voice[5 + WIDTH - 2 :]).astype(np.float32)

    heard = np.concatenate([speech(f) for f in frames])
    voiced = np.concatenate([f.f0 > 0 for f in frames])
    weights = np.where(heard, 1.0, _SILENCE_WEIGHT).astype(np.float32)
    rng = np.random.default_rng(seed)
    some = rng.permutation(total)[:_FRAMES]
    weights, voiced = weights[some], voiced[some]
    prosody = np.concatenate([prosody_of(f, v, voice) for f, v in zip(frames, voices, strict=True)])[some].astype(
        np.float32
    )
    book = np.zeros((CODES, 2), np.float32)
    book[:VOICED] = kmeans(prosody[voiced], VOICED, seed, weights[voiced])
    book[VOICED:, 1:] = kmeans(prosody[~voiced][:, 1:], CODES - VOICED, seed, weights[~voiced])
    z, slow = [], []
    for f, v in zip(frames, voices, strict=True):
        detail = detail_of(f, v, spread)
        detail[:, -2] -= book[prosody_codes(prosody_of(f, v, voice), f.f0 > 0, book), 1] / _DECIBELS
        z.append(detail.astype(np.float32))
        slow.append(smooth(detail).astype(np.float32))
    phones = np.r_[np.ones(WIDTH - 2), 0.0, 0.0].astype(np.float32)
    colour = np.r_[np.ones(WIDTH - 1), 1.0].astype(np.float32)
    content, rest = residual_books(np.concatenate(slow)[some], CONTENT, phones, weights, seed)
    rest += (np.concatenate(z) - np.concatenate(slow))[some]
    acoustic, left = residual_books(rest, ACOUSTIC, colour, weights, seed + 10)
    arrays = Arrays(centre, reading, voice, spread, book, content, acoustic, phones, colour)
    error = np.sqrt(np.average((left[:, : WIDTH - 2] ** 2).sum(1), weights=weights) / 128) * 10 / np.log(10)
    meta = {
        "utterances": len(frames),
        "seconds": round(total / 80, 1),
        "seed": seed,
        "envelope_error_db": round(float(error), 2),
    }
    return arrays, meta


def speech(frames: Frames) -> NDArray[np.bool_]:
    """(L,) whether a frame is within 26 dB of the utterance's loud ones."""
    level = frames.envelope.mean(1)
    return level > np.percentile(level, 98) - 6.0


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
    """Steps 2 and 3: `Arrays.centre`, `Arrays.reading` and `Arrays.voice`."""
    e = embeddings.astype(np.float64)
    alike = (e @ e.T > _ALIKE).sum(1)
    w = 1.0 / np.sqrt(alike)
    w /= w.sum()
    centre, tract, bend_reading = _ridge(e, tracts[:, None], w)
    bent = (e - centre) @ bend_reading + tract
    voices = np.stack([voice_of(f, float(a)).vector for f, a in zip(frames, bent[:, 0], strict=True)])
    centre, voice, reading = _ridge(e, voices, w)
    return centre.astype(np.float32), reading.astype(np.float32), voice.astype(np.float32)


def voice_of(frames: Frames, tract: float) -> Voice:
    """The voice as measured in one utterance on the axis bent by ``tract``."""
    heard = speech(frames)
    voiced = frames.f0 > 0
    logs = np.log(frames.f0[voiced])
    cepstra = frames.envelope[heard] @ bend(tract).T @ cosines().T
    return Voice(
        pitch=float(np.median(logs)),
        pitch_spread=float(max(logs.std(), 0.02)),
        tract=tract,
        energy=float((frames.envelope[heard] @ cosines()[0]).mean()),
        aperiodicity=float(frames.aperiodicity[voiced].mean()),
        mean=cepstra[:, 1:].mean(0),
        spread=np.maximum(cepstra[:, 1:].std(0), 1e-3),
    )


def _ridge(x: Array, y: Array, w: Array) -> tuple[Array, Array, Array]:
    """Weighted ridge regression with each target in units of its spread: centre of x, mean of y, map."""
    x0, y0 = w @ x, w @ y
    scale = np.maximum(np.sqrt(w @ (y - y0) ** 2), 1e-9)
    a = (x - x0).T * w
    solved = np.linalg.solve(a @ (x - x0) + _RIDGE * np.eye(x.shape[1]), a @ ((y - y0) / scale))
    reading = solved.astype(np.float64) * scale
    return x0, y0, reading


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
