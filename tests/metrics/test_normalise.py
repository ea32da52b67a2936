"""The normalisers of WER's recipes."""

import re

import pytest

from dubbench.metrics.parts import normalise
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.package_files import bundled


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Place Blue at F9, now!", "place blue at f nine now"),
        ("25 covalent-bonds; it's F2", "two five covalentbonds its f two"),
        ("  ", ""),
        ("...", ""),
        ("naïve_1", "naïve_ one"),
    ],
)
def test_styledubber(text: str, words: str) -> None:
    assert normalise.styledubber(text) == tuple(words.split())


def test_styledubber_is_what_its_script_does() -> None:
    """Word by word as described there: punctuation removed, then each figure in turn replaced, then lower case."""
    text = "A1b2 – 30, 45! 6.7 (8) '9' Ünï-Code  x_0\tEND"
    line = re.sub(r"[^\w\s]", "", text)
    for figure, name in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]):
        line = line.replace(str(figure), f" {name}")
    assert normalise.styledubber(text) == tuple(line.lower().split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Place blue at F9 now.", "place blue at f 9 now"),
        ("place blue at f nine now", "place blue at f 9 now"),
        ("set blue with o five now", "set blue with 05 now"),  # its number rule takes the letter for a nought,
        ("Set blue with O5 now.", "set blue with 0 5 now"),  # and joins words, not figures: see docs/wer.md
        ("Um, it's the COLOUR [laughs] of twenty-five", "it is the color of 25"),
        ("?!", ""),
    ],
)
def test_english(text: str, words: str) -> None:
    pytest.importorskip("whisper", reason="openai-whisper is not installed")
    assert normalise.english(text) == tuple(words.split())


def test_the_recipe_names_the_very_files() -> None:
    pytest.importorskip("whisper", reason="openai-whisper is not installed")
    settings = normalise.english_settings()
    files = [bundled("whisper", "normalizers", name) for name in ("basic.py", "english.py", "english.json")]
    assert settings["normaliser_sha256"] == digest([file_digest(file) for file in files])
    assert settings["openai-whisper"]
