"""Phones in time: forced alignment of speech with its text, and readers of alignments made elsewhere.

Forced alignment is pocketsphinx's, with the English model in its wheel and the CMU dictionary: a first pass finds the
words (and the pauses, and which pronunciation was spoken), a second the phones within them, in steps of 10 ms. It
needs nothing but sound and text. It fails, in one clear `AlignmentError`, where the sound cannot be that text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.signal import sphinx
from dubbench.signal.phone_timings import (
    ARPABET,
    SILENCE,
    AlignmentError,
    Phone,
    Word,
    fill,
    read_align,
    read_phones,
    read_textgrid,
    spread,
)

__all__ = [
    "SILENCE",
    "AlignmentError",
    "Phone",
    "Word",
    "align_pronunciations",
    "align_words_phones",
    "fill",
    "pronunciations",
    "read_align",
    "read_phones",
    "read_textgrid",
    "spread",
    "text_words",
]

BEAM = 1e-100
"""Relative width of the search: wide enough that noisy speech is still aligned, narrow enough that noise is not."""

Pronounce = Callable[[str], Sequence[str]]
"""One lower-case word -> its ARPAbet phones."""


def text_words(text: str) -> list[str]:
    """The lower-case words of ``text`` as the dictionary spells them: letters, digits, inner apostrophes."""
    plain = text.lower().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain)


def pronunciations(word: str, pronounce: Pronounce | None = None) -> tuple[sphinx.Pronunciation, ...]:
    """All pronunciations of one lower-case word.

    Args:
        pronounce: asked for words that the dictionary lacks.

    Raises:
        AlignmentError: it is not in the dictionary, and there is no ``pronounce``.
    """
    if word == "z":
        return sphinx.letters("z")["z"]
    known = sphinx.dictionary().get(word)
    if known:
        return known
    if pronounce is None:
        raise AlignmentError(f"the word {word!r} is not in the pronouncing dictionary")
    phones = tuple(pronounce(word))
    if not phones or not ARPABET.issuperset(phones):
        raise AlignmentError(f"the word {word!r} was given a pronunciation that is not ARPAbet: {' '.join(phones)!r}")
    return (phones,)


def align_words_phones(
    samples: NDArray[np.floating],
    text: str,
    *,
    pronounce: Pronounce | None = None,
    anchors: Sequence[Word] | None = None,
) -> list[Phone]:
    """Forced alignment of speech with its text.

    Args:
        samples: (T,) at 16 kHz.
        text: what is said in it.
        pronounce: pronounces words that are not in the CMU dictionary.
        anchors: the words with times from elsewhere, used only if forced alignment fails: each word's phones then
            share its time evenly. For training data; never for a dub, whose timing is what is measured.

    Returns:
        Phones and silences, gapless from 0 to T / 16000 seconds.

    Raises:
        AlignmentError: no words, a word without pronunciation, sound that is not this text.
        DubbenchError: pocketsphinx is not installed.
    """
    words = text_words(text)
    if not words:
        raise AlignmentError("there is no text to align")
    spoken = [pronunciations(word, pronounce) for word in words]
    try:
        return align_pronunciations(samples, spoken)
    except AlignmentError:
        if anchors is None:
            raise
        return spread(anchors, words, [variants[0] for variants in spoken], len(samples) / sphinx.RATE)


def align_pronunciations(
    samples: NDArray[np.floating], spoken: Sequence[Sequence[sphinx.Pronunciation]]
) -> list[Phone]:
    """`align_words_phones` for words given by their pronunciations, of which the likeliest is chosen.

    Raises:
        AlignmentError: sound that is not this text.
    """
    sound = sphinx.pcm(samples)
    if sound is None:
        raise AlignmentError("there is no sound to align")
    # Every place in the text is a word of its own to the recogniser, so that any name, and any repetition, is safe.
    names = [f"word{i}" for i in range(len(spoken))]
    recogniser = sphinx.decoder(
        dict(zip(names, spoken, strict=True)), bestpath=False, beam=BEAM, pbeam=BEAM, wbeam=BEAM
    )
    recogniser.set_align_text(" ".join(names))
    try:
        sphinx.decode(recogniser, sound)
        if recogniser.hyp() is None:
            raise AlignmentError("forced alignment failed: the sound does not fit the text")
        recogniser.set_alignment()
        sphinx.decode(recogniser, sound)
    except RuntimeError as error:
        raise AlignmentError("forced alignment failed: the sound does not fit the text") from error
    return _on_the_clock(_entries(recogniser), len(samples) / sphinx.RATE)


def _entries(recogniser: Any) -> list[Phone]:
    """What the recogniser found, on its own padded clock."""
    found = []
    for word in recogniser.get_alignment():
        place = re.fullmatch(r"word(\d+)(?:\(\d+\))?", word.name)
        for phone in word:
            start, end = phone.start * sphinx.FRAME, (phone.start + phone.duration) * sphinx.FRAME
            name = phone.name if place else SILENCE
            found.append(Phone(name, start, end, int(place[1]) if place else -1))
    return found


def _on_the_clock(found: Sequence[Phone], duration: float) -> list[Phone]:
    """Take the padding off, and let silences and phones touch each other from 0 to ``duration``.

    Raises:
        AlignmentError: a phone lies wholly in the padding, so the speech is cut off.
    """
    phones = []
    for entry in found:
        start, end = (round(min(max(t - sphinx.PADDING, 0.0), duration), 6) for t in (entry.start, entry.end))
        if start < end:
            phones.append(Phone(entry.phone, start, end, entry.word))
        elif entry.word >= 0:
            raise AlignmentError("forced alignment failed: the sound ends before the text does")
    return fill(phones, duration)
