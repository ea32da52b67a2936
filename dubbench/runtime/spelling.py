"""A known name for one that is probably misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The known name that is most like ``name`` (by `difflib`, at least ``cutoff`` of 1); empty if none is.

    >>> nearest("pich", ["wer", "pitch"])
    'pitch'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return close[0] if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'pitch'?`` to put behind an error about ``name``; empty if no known name is like it."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""
