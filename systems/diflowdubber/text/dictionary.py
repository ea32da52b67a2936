"""Pronunciations: the CMU dictionary that comes with pocketsphinx, derived forms, compounds, and rules at last.

The same file is what the pocketsphinx aligner reads, so text and alignment agree on every word.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from dubbench.errors import DubbenchError

from .spelling import sound_out

Phones = tuple[str, ...]

_VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])
_HISSING = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
_VOICELESS = frozenset(["P", "T", "K", "F", "TH", "S", "SH", "CH", "HH"])
_SUFFIXES: tuple[tuple[str, Phones], ...] = (
    ("ly", ("L", "IY")),
    ("ness", ("N", "AH", "S")),
    ("less", ("L", "AH", "S")),
    ("ment", ("M", "AH", "N", "T")),
    ("ful", ("F", "AH", "L")),
)
_PREFIXES: tuple[tuple[str, Phones], ...] = (
    ("un", ("AH", "N")),
    ("re", ("R", "IY")),
    ("non", ("N", "AA", "N")),
    ("pre", ("P", "R", "IY")),
    ("mis", ("M", "IH", "S")),
    ("dis", ("D", "IH", "S")),
    ("over", ("OW", "V", "ER")),
    ("under", ("AH", "N", "D", "ER")),
    ("anti", ("AE", "N", "T", "IY")),
)


@lru_cache(maxsize=1)
def dictionary() -> Mapping[str, str]:
    """First pronunciation of every word, phones joined by spaces; letters' names are under ``a.`` … ``z.``

    Raises:
        DubbenchError: pocketsphinx is not installed.
    """
    found = importlib.util.find_spec("pocketsphinx")
    if found is None or not found.submodule_search_locations:
        raise DubbenchError("speaking text needs the package 'pocketsphinx'; install it with: pip install pocketsphinx")
    path = Path(found.submodule_search_locations[0]) / "model" / "en-us" / "cmudict-en-us.dict"
    words = {}
    for line in path.read_text("utf-8").splitlines():
        word, _, phones = line.partition(" ")
        if not word.endswith(")"):
            words[word] = phones
    return words


def plural_sound(phones: Phones) -> Phones:
    """With the ending -s or 's."""
    if phones[-1] in _HISSING:
        return (*phones, "IH", "Z")
    return (*phones, "S" if phones[-1] in _VOICELESS else "Z")


def past_sound(phones: Phones) -> Phones:
    """With the ending -ed."""
    if phones[-1] in ("T", "D"):
        return (*phones, "IH", "D")
    return (*phones, "T" if phones[-1] in _VOICELESS else "D")


def _look_up(word: str) -> Phones | None:
    phones = dictionary().get(word)
    return tuple(phones.split()) if phones else None


def _stem(word: str, ending: str) -> Phones | None:
    """The word without ``ending``, with what English spelling changed put back: "hoping", "hopping", "tried"."""
    base = word[: -len(ending)]
    if len(base) < 3:
        return None
    forms = [base, base + "e"]
    if base[-1] == base[-2]:
        forms.append(base[:-1])
    if base.endswith("i"):
        forms.append(base[:-1] + "y")
    return next((phones for form in forms if (phones := _look_up(form))), None)


def _derived(word: str) -> Phones | None:
    """Known word with an ending or a beginning."""
    if word.endswith("'s") and len(word) > 2:
        return plural_sound(pronounce(word[:-2]))
    if word.endswith("s'") and len(word) > 2:
        return pronounce(word[:-1])
    if word.endswith("s") and not word.endswith("ss") and (base := _look_up(word[:-1]) or _stem(word, "es")):
        return plural_sound(base)
    if word.endswith("ed") and (base := _stem(word, "ed")):
        return past_sound(base)
    if word.endswith("ing") and (base := _stem(word, "ing")):
        return (*base, "IH", "NG")
    if word.endswith("er") and (base := _stem(word, "er")):
        return (*base, "ER")
    for ending, sound in _SUFFIXES:
        if word.endswith(ending) and (base := _stem(word, ending)):
            return (*base, *sound)
    for beginning, sound in _PREFIXES:
        rest = word[len(beginning) :]
        if word.startswith(beginning) and len(rest) > 3 and (base := _look_up(rest)):
            return (*sound, *base)
    return None


def _compound(word: str) -> Phones | None:
    """Two known words of at least three letters each, the split nearest the middle."""
    middle = len(word) / 2
    for cut in sorted(range(3, len(word) - 2), key=lambda place: abs(place - middle)):
        left, right = _look_up(word[:cut]), _look_up(word[cut:])
        if left and right:
            return left + right
    return None


@lru_cache(maxsize=100_000)
def pronounce(word: str) -> Phones:
    """ARPAbet phones without stress of one lower-case word, or of a letter's name (``b.``).

    Raises:
        DubbenchError: nothing in the word can be spoken.
    """
    plain = "".join(c for c in word if "a" <= c <= "z")
    phones = _look_up(word) or _derived(word) or _look_up(plain) or _compound(plain) or sound_out(plain)
    if not _VOWELS.intersection(phones):  # "hmm", "grr": spell it
        phones = tuple(phone for c in plain for phone in _look_up(f"{c}.") or ())
    if not phones:
        raise DubbenchError(f"cannot speak the word {word!r}")
    return phones
