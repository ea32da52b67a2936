"""Answers as one line: a listener can paste it where a crowd platform asks for a completion code.

``DB1.EXPORT.BLOCK.LISTENER.DIGITS.CHECK``: a digit is the place of the chosen answer among the choices (base 36), or
``-`` for none, page after page, question after question. The check catches typing errors and invention by hand; it is
no signature, since the page that makes it is public.
"""

from __future__ import annotations

from collections.abc import Sequence

from dubbench.errors import DubbenchError

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def check(text: str) -> str:
    """FNV-1a, 32 bits, of ASCII text in base 36."""
    value = 0x811C9DC5
    for byte in text.encode("ascii", "replace"):
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    out = ""
    while value:
        value, digit = divmod(value, 36)
        out = DIGITS[digit] + out
    return out or "0"


def encode(export: str, block: int, listener: str, picks: Sequence[int | None]) -> str:
    """The line for the picks (place among the choices, None for no answer)."""
    digits = "".join("-" if pick is None else DIGITS[pick] for pick in picks)
    text = f"DB1.{export}.{block}.{listener}.{digits}"
    return f"{text}.{check(text)}"


def decode(line: str) -> tuple[str, int, str, list[int | None]]:
    """(export, block, listener, picks) of a line.

    Raises:
        DubbenchError: it is none, or was changed on the way.
    """
    text, _, found = line.strip().rpartition(".")
    parts = text.split(".")
    if len(parts) != 5 or parts[0] != "DB1" or not parts[2].isdecimal():
        raise DubbenchError("no answer code of a dubbench listening test")
    if check(text) != found:
        raise DubbenchError("its check does not fit: mistyped or cut; ask the listener for it again")
    picks = [None if digit == "-" else DIGITS.find(digit) for digit in parts[4]]
    return parts[1], int(parts[2]), parts[3], picks


def completion(line: str) -> str:
    """The short completion code: its block and its check, as ``07-1K9F3A``."""
    parts = line.split(".")
    return f"{int(parts[2]):02d}-{parts[-1].upper()}"
