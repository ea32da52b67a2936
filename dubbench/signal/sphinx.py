"""pocketsphinx with the English model in its wheel, made deterministic: one fresh decoder for each utterance.

A decoder carries cepstral means and noise estimates over from one utterance to the next, so that a result would
depend on what was decoded before. With a dictionary of the needed words alone a new one costs 10 ms, so nothing is
carried over at all. Sound is brought to one level first (`pcm`), so that its gain does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import require
from dubbench.runtime.digests import digest
from dubbench.runtime.package_files import bundled, bundled_digest
from dubbench.runtime.provenance import versions

RATE = 16000
FRAME = 0.01
"""Seconds between the recogniser's frames."""
LEVEL_DB = -23.0
PEAK = 0.9
PADDING = 0.3
"""Seconds of digital silence put before and after the sound, so that a dub may begin and end with speech."""

Pronunciation = tuple[str, ...]
"""ARPAbet phones without stress."""

_MODEL = ("model", "en-us", "en-us")
_MODEL_FILES = ("feat.params", "mdef", "means", "noisedict", "sendump", "transition_matrices", "variances")
_DICTIONARY = ("model", "en-us", "cmudict-en-us.dict")


@cache
def dictionary() -> Mapping[str, tuple[Pronunciation, ...]]:
    """Word -> its pronunciations, of the 126,000 words of the CMU dictionary inside pocketsphinx."""
    words: dict[str, tuple[Pronunciation, ...]] = {}
    for line in bundled("pocketsphinx", *_DICTIONARY).read_text("utf-8").splitlines():
        entry, _, phones = line.partition(" ")
        word = entry.partition("(")[0] if entry.endswith(")") else entry
        words[word] = (*words.get(word, ()), tuple(phones.split()))
    return words


def model_weights() -> dict[str, str]:
    """Digest of the acoustic model and of the dictionary."""
    parts = [bundled_digest("pocketsphinx", *_MODEL, name) for name in _MODEL_FILES]
    return {
        "pocketsphinx-en-us": digest(parts),
        "cmudict-en-us": bundled_digest("pocketsphinx", *_DICTIONARY),
    }


def settings() -> dict[str, str | int | float | bool]:
    """What every use of the recogniser has in common, for a recipe."""
    return {
        **versions("pocketsphinx"),
        "rate": RATE,
        "loudness": f"RMS {LEVEL_DB:g} dBFS, peak at most {PEAK:g}",
        "padding_s": PADDING,
        "state": "fresh decoder per utterance",
    }


def pcm(samples: NDArray[np.floating]) -> bytes | None:
    """Sound at the recogniser's level, padded, as 16-bit little-endian bytes.

    Args:
        samples: (T,) at 16 kHz, any finite gain.

    Returns:
        None where there is no sound at all: nothing but zeros (or a constant).
    """
    raw = np.asarray(samples, dtype=np.float64)
    x = raw - raw.mean()
    peak = np.abs(x).max()
    if peak <= 1e-7 * np.abs(raw).max():  # float32 holds no more than that
        return None
    x /= peak  # first, so that squares neither overflow nor vanish
    gain = min(10 ** (LEVEL_DB / 20) / np.sqrt(np.mean(x**2)), PEAK)
    padded = np.pad(x * gain, round(PADDING * RATE))
    return np.round(padded * 32767).astype("<i2").tobytes()


def decoder(words: Mapping[str, Sequence[Pronunciation]], **options: Any) -> Any:
    """A fresh ``pocketsphinx.Decoder`` that knows ``words`` alone; activate a search before decoding.

    Args:
        words: any name without spaces or brackets -> pronunciations, at least one each.
        options: pocketsphinx's own.

    Raises:
        DubbenchError: pocketsphinx is not installed.
    """
    sphinx = require("pocketsphinx", "metrics", "speech recognition and forced alignment")
    made = sphinx.Decoder(hmm=str(bundled("pocketsphinx", *_MODEL)), dict=None, lm=None, loglevel="FATAL", **options)
    entries = [
        (word if i == 0 else f"{word}({i + 1})", " ".join(phones))
        for word, variants in words.items()
        for i, phones in enumerate(variants)
    ]
    for k, (name, phones) in enumerate(entries):
        made.add_word(name, phones, update=k + 1 == len(entries))
    return made


def decode(recogniser: Any, sound: bytes) -> None:
    """Run one utterance through the active search, with cepstral means over the whole of it."""
    recogniser.start_utt()
    recogniser.process_raw(sound, full_utt=True)
    recogniser.end_utt()


def letters(names: Iterable[str]) -> dict[str, tuple[Pronunciation, ...]]:
    """Pronunciations of letters spelt aloud: the dictionary's, "zed" beside "zee", and "a" as its name alone."""
    known = dictionary()
    special = {"a": (("EY",),), "z": (("Z", "EH", "D"), ("Z", "IY"))}
    return {name: special.get(name) or known[name] for name in names}
