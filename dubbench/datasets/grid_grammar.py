"""GRID's grammar (Cooke, Barker, Cunningham, Shao 2006): six words, each coded by one letter of the clip's name."""

from __future__ import annotations

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

SLOTS: dict[str, dict[str, str]] = {
    "command": {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    "colour": {"b": "blue", "g": "green", "r": "red", "w": "white"},
    "preposition": {"a": "at", "b": "by", "i": "in", "w": "with"},
    "letter": {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    "digit": dict(zip("z123456789", _NUMBERS, strict=True)),
    "adverb": {"a": "again", "n": "now", "p": "please", "s": "soon"},
}
"""What a word is -> (letter of the clip's name -> word), in the order of the sentence. There is no w among the
letters."""

GRAMMAR = tuple(SLOTS.values())
"""One table for each word of a sentence: letter of the clip's name -> word."""
