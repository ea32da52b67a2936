"""Numbers as English words."""

from __future__ import annotations

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", "thousand", "million", "billion", "trillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}

DIGITS = _ONES[:10]
LARGEST = 10 ** (3 * len(_SCALES)) - 1


def _below_thousand(n: int) -> list[str]:
    words = [_ONES[n // 100], "hundred"] if n >= 100 else []
    n %= 100
    if n >= 20:
        words.append(_TENS[n // 10])
        n %= 10
        return [*words, _ONES[n]] if n else words
    return [*words, _ONES[n]] if n or not words else words


def cardinal(n: int) -> list[str]:
    """0 to `LARGEST`: 1205 is "one thousand two hundred five"."""
    if n == 0:
        return ["zero"]
    words: list[str] = []
    for power in range(len(_SCALES) - 1, -1, -1):
        group = n // 1000**power % 1000
        if group:
            words += [*_below_thousand(group), *([_SCALES[power]] if power else [])]
    return words


def ordinal(n: int) -> list[str]:
    """21 is "twenty first"."""
    *head, last = cardinal(n)
    if last in _ORDINALS:
        return [*head, _ORDINALS[last]]
    return [*head, last[:-1] + "ieth" if last.endswith("y") else last + "th"]


def digits(text: str) -> list[str]:
    """Digit by digit: "007" is "zero zero seven"."""
    return [DIGITS[int(c)] for c in text]


def year(n: int) -> list[str]:
    """1984 is "nineteen eighty four", 1905 "nineteen oh five", 1900 "nineteen hundred"."""
    head, tail = divmod(n, 100)
    if not tail:
        return [*cardinal(head), "hundred"]
    return [*cardinal(head), *(["oh"] if tail < 10 else []), *cardinal(tail)]


def number(text: str) -> list[str]:
    """A plain number as it is printed: "1,250", "3.14", "1984", "007".

    Four digits without a comma from 1100 to 1999 and from 2010 to 2099 are read as years. Leading zeros and what is
    above `LARGEST` are read digit by digit.
    """
    whole, _, fraction = text.partition(".")
    plain = whole.replace(",", "")
    n = int(plain or "0")
    if (len(plain) > 1 and plain[0] == "0") or n > LARGEST:
        words = digits(plain)
    elif len(whole) == 4 and not fraction and (1100 <= n < 2000 or 2010 <= n < 2100):
        words = year(n)
    else:
        words = cardinal(n)
    return [*words, "point", *digits(fraction)] if fraction else words


def plural(word: str) -> str:
    """The plural of a number word: "eighties", "sixes", "fives"."""
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")
