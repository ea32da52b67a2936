"""ARPAbet with stress for systems that were trained on MFA's phones."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dubbench.errors import DubbenchError

VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])


@cache
def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Word -> phones of a pronunciation dictionary (``WORD  P1 P2 …``; the first entry of a word counts).

    Raises:
        DubbenchError: unreadable, or empty.
    """
    found: dict[str, list[str]] = {}
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DubbenchError(f"{path}: not readable as a pronunciation dictionary") from error
    for line in lines:
        word, *phones = line.split()[:64] or [""]
        if phones and not word.startswith(";;;"):
            found.setdefault(word.lower(), [p for p in phones if not p[0].isdigit()])
    if not found:
        raise DubbenchError(f"{path}: no pronunciations in it")
    return found


def stressed(text: str, lexicon: Path | None) -> list[str]:
    """Phones of ``text`` as MFA would name them, without silences at the ends.

    With a lexicon (the authors' ``librispeech-lexicon.txt``) its stresses; a word that it lacks, and every word without
    one, is spelled by our dictionary, with the first vowel stressed.

    Raises:
        DubbenchError: empty text, or signs that cannot be spoken.
    """
    from dubbench.datasets.spoken_text import PAUSE
    from dubbench.systems.diflowdubber.text import words
    from dubbench.systems.diflowdubber.text.dictionary import pronounce

    known = read_lexicon(lexicon) if lexicon else {}
    phones: list[str] = []
    for word in words(text):
        if word == PAUSE:
            phones.append("sp")
        else:
            phones += known.get(word.rstrip(".").lower()) or guessed(list(pronounce(word)))
    return phones


def guessed(phones: list[str]) -> list[str]:
    """Stress on the first vowel, none on the others."""
    marked, stress = [], "1"
    for phone in phones:
        if phone in VOWELS:
            marked.append(phone + stress)
            stress = "0"
        else:
            marked.append(phone)
    return marked
