"""Text to words in the way of each WER recipe. Another normaliser is another scale."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from dubbench.core.metric import Option
from dubbench.errors import require
from dubbench.runtime.digests import digest
from dubbench.runtime.package_files import bundled_digest
from dubbench.runtime.provenance import versions

_FILES = (("normalizers", "basic.py"), ("normalizers", "english.py"), ("normalizers", "english.json"))
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def english(text: str) -> tuple[str, ...]:
    """Words after Whisper's ``EnglishTextNormalizer`` (Radford et al. 2022, appendix C), as its package has it.

    Lower case; no punctuation, fillers or remarks in brackets; contractions spelt out; numbers as figures (``f nine``
    and ``F9`` are ``f 9``); American spelling. It has a trap for GRID: the letter o before a digit is read as a number,
    and differently from words (``o nine`` is ``09``) and figures (``O9`` is ``0 9``).
    """
    return tuple(_english()(text).split())


@cache
def _english() -> Any:
    return require("whisper.normalizers", "whisper", "WER").EnglishTextNormalizer()


def english_settings() -> dict[str, Option]:
    """What pins `english`: its name, the digest of its code and its table, and what it builds on."""
    return {
        "normaliser": "whisper.normalizers.EnglishTextNormalizer",
        "normaliser_sha256": digest([bundled_digest("whisper", *file) for file in _FILES]),
        **versions("openai-whisper", "regex", extra="whisper"),
    }


def any_word(words: Sequence[str]) -> bool:
    """Whether one of them has a letter or a figure: Whisper's normaliser leaves a full stop of ``...`` as a word."""
    return any(character.isalnum() for word in words for character in word)


def styledubber(text: str) -> tuple[str, ...]:
    """Words after the normaliser of StyleDubber's script (``Dub_Metric/WER_Whisper/Setting_test.py``).

    Everything but letters, digits, underscores and white space is removed, not replaced: ``covalent-bond`` is one word.
    Then each figure becomes a word of its own, numbers or not (``25``: ``two five``; ``F2``: ``f two``); lower case.
    """
    bare = re.sub(r"[^\w\s]", "", text)
    return tuple(re.sub("[0-9]", lambda figure: f" {_DIGITS[int(figure[0])]}", bare).lower().split())


def styledubber_settings() -> dict[str, Option]:
    """What pins `styledubber`."""
    return {"normaliser": "[^\\w\\s] removed; each of 0-9 to ' zero' … ' nine'; lower case"}
