"""Text to phonemes: 39 ARPAbet phones without stress, and silence.

The set is what MFA's english_us_arpa and pocketsphinx share once stress is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dubbench.datasets.spoken_text import PAUSE, spoken
from dubbench.errors import DubbenchError

from .dictionary import dictionary, pronounce

SILENCE = "sil"
PHONES = (
    SILENCE,
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH"),
    *("K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH"),
)
"""All phones; a phone's id is its place."""

_IDS = {phone: i for i, phone in enumerate(PHONES)}
_SILENCES = frozenset({"", "sil", "sp", "spn", "<eps>", "<sil>", "+spn+", "+nsn+", "[noise]", "[speech]"})


def words(text: str) -> list[str]:
    """What is spoken: lower-case words, letters' names as ``b.``, and `PAUSE`.

    Raises:
        DubbenchError: empty text, or signs that cannot be spoken.
    """
    return spoken(text, dictionary())


def phonemes(text: str) -> list[str]:
    """Phones of ``text``, with ``sil`` at both ends and where punctuation asks for a pause.

    Raises:
        DubbenchError: empty text, or signs that cannot be spoken.
    """
    phones = [SILENCE]
    for word in words(text):
        phones += [SILENCE] if word == PAUSE else pronounce(word)
    return [*phones, SILENCE]


def canonical(phone: str) -> str:
    """A phone of MFA or pocketsphinx in this set: stress dropped, every silence and noise ``sil``.

    Raises:
        DubbenchError: a phone of another set (MFA's IPA models).
    """
    if phone.lower() in _SILENCES:
        return SILENCE
    plain = phone.upper().rstrip("012")
    if plain not in _IDS:
        raise DubbenchError(f"phone {phone!r} is none of ARPAbet's; align with MFA's english_us_arpa or pocketsphinx")
    return plain


def phone_ids(phones: Sequence[str]) -> NDArray[np.int64]:
    """Ids of phones that are in `PHONES`."""
    return np.array([_IDS[phone] for phone in phones], dtype=np.int64)
