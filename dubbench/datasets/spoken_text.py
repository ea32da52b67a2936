"""From written text to the words that are spoken: numbers, abbreviations, symbols, spelled letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container

from dubbench.datasets.grid_grammar import SLOTS
from dubbench.datasets.numbers import cardinal, digits, number, ordinal, plural
from dubbench.errors import DubbenchError

PAUSE = ","
"""The token of a pause; every other token is a lower-case word, or a letter's name as in ``b.``"""

_FOLD = str.maketrans(
    {"‘": "'", "’": "'", "ʼ": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "−": "-"}
    | {"–": " - ", "—": " - ", "‐": "-", "‑": "-", "⁄": "/", "×": "x", "·": " ", "•": " ", "\u00ad": "", "\u200b": ""}
    | {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d"}
    | {"Đ": "D", "þ": "th", "Þ": "Th", "ð": "th", "Ð": "Th", "ı": "i", "¿": "", "¡": "", "\ufeff": "", "\u200d": ""}
)
_KNOWN = re.compile(r"[\sA-Za-z0-9'\"$£€.,;:!?&%+=@#°/*()\[\]{}<>_~^|\\-]")

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "prof": "professor", "jr": "junior",
    "sr": "senior", "vs": "versus", "etc": "et cetera", "approx": "approximately", "dept": "department",
    "inc": "incorporated", "ltd": "limited", "fig": "figure", "figs": "figures", "vol": "volume", "gov": "governor",
    "gen": "general", "capt": "captain", "lt": "lieutenant", "col": "colonel", "sgt": "sergeant", "rev": "reverend",
    "hon": "honorable", "ave": "avenue", "blvd": "boulevard", "jan": "january", "feb": "february", "aug": "august",
    "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
_UNITS = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "nm": "nanometer", "kg": "kilogram", "mg": "milligram",
    "ml": "milliliter", "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "kb": "kilobyte", "mb": "megabyte",
    "gb": "gigabyte", "mph": "miles per hour", "lb": "pound", "lbs": "pounds", "oz": "ounce", "ft": "foot",
    "ms": "millisecond", "kj": "kilojoule", "m": "meter", "g": "gram", "l": "liter", "s": "second",
}  # fmt: skip
_UNCOUNTED = {"hertz", "kilohertz", "megahertz", "miles per hour", "pounds"}
_SYMBOLS = {"&": "and", "%": "percent", "+": "plus", "=": "equals", "@": "at", "#": "number", "*": "times"}
_MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}
_FRACTIONS = {
    (1, 2): "one half",
    (1, 3): "one third",
    (2, 3): "two thirds",
    (1, 4): "one quarter",
    (3, 4): "three quarters",
}
_GRID = re.compile(
    " ".join("a" if slot == "letter" else f"({'|'.join(words.values())})" for slot, words in SLOTS.items())
)

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_TOKEN = re.compile(
    rf"""
    (?P<money>[$£€]\s?{_NUMBER}(?:\s(?:thousand|million|billion|trillion)\b)?)
  | (?P<time>\b\d{{1,2}}:[0-5]\d\b)
  | (?P<fraction>\b\d{{1,2}}/\d{{1,2}}\b)
  | (?P<ordinal>\b(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:st|nd|rd|th)\b)
  | (?P<decade>\b\d+'?s\b)
  | (?P<unit>(?<![\w.]){_NUMBER}\s?(?:{"|".join(sorted(_UNITS, key=len, reverse=True))})\b(?!'))
  | (?P<degrees>(?<![\w.]){_NUMBER}\s?°\s?[CF]?\b)
  | (?P<range>(?<![\w.-])\d+-\d+(?![\w-]))
  | (?P<minus>(?<![\w)])-(?=\d))
  | (?P<number>{_NUMBER})
  | (?P<dotted>\b(?:[A-Za-z]\.){{2,}})
  | (?P<numbered>\bNo\.\s?(?=\d))
  | (?P<saint>\bSt\.(?=\s+[A-Z]))
  | (?P<word>'?[A-Za-z]+(?:['-][A-Za-z]+)*'?)
  | (?P<symbol>[&%+=@\#*/°])
  | (?P<pause>[,;:.!?]+|\s-+\s)
    """,
    re.VERBOSE | re.IGNORECASE,
)


def clean(text: str) -> str:
    """Plain ASCII letters, digits and marks; accents dropped.

    Raises:
        DubbenchError: signs that cannot be spoken (other scripts, emoji), or nothing to speak.
    """
    plain = unicodedata.normalize("NFKD", text.translate(_FOLD)).translate(_FOLD)
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c != "\ufe0f")
    odd = list(dict.fromkeys(c for c in plain if not _KNOWN.match(c)))
    if odd:
        shown = " ".join(odd[:8]) if all(c.isprintable() for c in odd[:8]) else " ".join(map(repr, odd[:8]))
        raise DubbenchError(f"cannot speak {shown} in {text[:60]!r}; write the text in English letters")
    if not any(c.isalnum() or c in _SYMBOLS for c in plain):
        raise DubbenchError(f"there is nothing to speak in the text {text[:60]!r}")
    return plain


def _counted(text: str, unit: str) -> list[str]:
    """ "3 kilometers", "1 foot", "2 feet"."""
    words = number(text)
    if words == ["one"] or unit in _UNCOUNTED:
        return [*words, *unit.split()]
    return [*words, "feet" if unit == "foot" else unit + "s"]


def _money(text: str) -> list[str]:
    one, cent = _MONEY[text[0]]
    amount, *scale = text[1:].split()
    if scale:
        return [*number(amount), *scale, one + "s"]
    whole, _, rest = amount.partition(".")
    n = int(whole.replace(",", ""))
    words = [*cardinal(n), one + ("" if n == 1 else "s")]
    if len(rest) == 2:
        few = int(rest)
        cents = "pence" if cent == "penny" and few != 1 else cent + ("" if few == 1 else "s")
        part = [*cardinal(few), cents]
        if few:
            return part if n == 0 else [*words, "and", *part]
        return words
    return [*number(amount), one + "s"] if rest else words


def _time(text: str) -> list[str]:
    hour, minute = (int(part) for part in text.split(":"))
    if not minute:
        return [*cardinal(hour), "o'clock"] if 0 < hour <= 12 else [*cardinal(hour), "hundred"]
    return [*cardinal(hour), *(["oh"] if minute < 10 else []), *cardinal(minute)]


def _fraction(text: str) -> list[str]:
    above, below = (int(part) for part in text.split("/"))
    return _FRACTIONS.get((above, below), f"{' '.join(cardinal(above))} over {' '.join(cardinal(below))}").split()


def _decade(text: str) -> list[str]:
    *head, last = number(text.rstrip("sS'"))
    return [*head, plural(last)]


def _unit(text: str) -> list[str]:
    amount, unit = re.fullmatch(r"([\d.,]+)\s?(\w+)", text).groups()  # type: ignore[union-attr]
    return _counted(amount, _UNITS[unit.lower()])


def _degrees(text: str) -> list[str]:
    amount, scale = re.fullmatch(r"([\d.,]+)\s?°\s?(\w?)", text).groups()  # type: ignore[union-attr]
    words = _counted(amount, "degree")
    return words + {"c": ["celsius"], "f": ["fahrenheit"]}.get(scale.lower(), [])


def _range(text: str) -> list[str]:
    low, high = text.split("-")
    if low[0] == "0" or len(low) > 4 or (len(low), len(high)) == (3, 4):  # a telephone number
        return [*digits(low), *digits(high)]
    return [*number(low), "to", *number(high)]


def letters(text: str) -> list[str]:
    """The names of letters: "ab" to "a.", "b."."""
    return [f"{c}." for c in text.lower() if c.isalpha()]


_READERS: dict[str, Callable[[str], list[str]]] = {
    "money": _money,
    "time": _time,
    "fraction": _fraction,
    "ordinal": lambda text: ordinal(int(re.sub(r"\D", "", text))),
    "decade": _decade,
    "unit": _unit,
    "degrees": _degrees,
    "range": _range,
    "minus": lambda text: ["minus"],
    "number": number,
    "dotted": letters,
    "numbered": lambda text: ["number"],
    "saint": lambda text: ["saint"],
    "symbol": lambda text: [{"/": "slash", "°": "degrees"}.get(text) or _SYMBOLS[text]],
    "pause": lambda text: [PAUSE],
}


def _word(text: str, known: Container[str], follows_dot: bool, beside_digit: bool, shouting: bool) -> list[str]:
    """One written word: abbreviation, dictionary word, its hyphenated parts, or letters to spell."""
    low = text.lower()
    if follows_dot and low in _ABBREVIATIONS:
        return _ABBREVIATIONS[low].split()
    if low in ("mr", "mrs", "dr", "vs", "etc"):
        return _ABBREVIATIONS[low].split()
    if beside_digit and (len(text) == 1 or text.isupper()):  # H2O
        return letters(text)
    if "-" in low and low not in known:
        return [word for part in text.split("-") for word in _word(part, known, False, False, shouting)]
    if low not in known:
        low = low.strip("'")
    if low not in known:
        silent = not re.search("[aeiouy]", low)
        if silent or (text.isupper() and 1 < len(low) <= 5 and not shouting):
            return letters(low)
    if text in ("I", "i", "a", "A") or len(text) > 1:
        return [low]
    return letters(text)


def spoken(text: str, known: Container[str]) -> list[str]:
    """The spoken words of ``text``, in order, with `PAUSE` where punctuation asks for one (never two, never at an end).

    Args:
        text: English, in any case.
        known: words that the dictionary has; acronyms that are not in it are spelled.

    Raises:
        DubbenchError: as `clean`.
    """
    plain = clean(text)
    shouting = plain.upper() == plain and " " in plain.strip()
    tokens: list[str] = []
    for match in _TOKEN.finditer(plain):
        kind, piece = str(match.lastgroup), match.group()
        if kind == "word":
            before, after = plain[match.start() - 1 : match.start()], plain[match.end() : match.end() + 1]
            tokens += _word(piece, known, after == ".", before.isdigit() or after.isdigit(), shouting)
        elif kind != "pause" or not _ends_abbreviation(plain, match.start(), match.end()):
            tokens += _READERS[kind](piece)
    kept: list[str] = []
    for token in tokens:
        if token != PAUSE or (kept and kept[-1] != PAUSE):
            kept.append(token)
    if kept and kept[-1] == PAUSE:
        kept.pop()
    if not kept:
        raise DubbenchError(f"there is nothing to speak in the text {text[:60]!r}")
    if _GRID.fullmatch(" ".join(kept)):  # in GRID's grammar the fourth word is a letter
        kept[3] = "a."
    return kept


def _ends_abbreviation(text: str, start: int, end: int) -> bool:
    """Whether the mark at ``start`` is the dot of an abbreviation or an initial, and the sentence goes on."""
    word = re.search(r"[A-Za-z]+$", text[:start])
    if not word or text[start:end] != "." or not text[end:].strip():
        return False
    initial = len(word.group()) == 1 and word.group().isupper() and word.group() != "I"
    return initial or word.group().lower() in _ABBREVIATIONS
