"""Resemblyzer's speaker encoder (GE2E, Wan et al. 2018), whose weights come in its wheel; loaded once a process."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

from dubbench.errors import require


@cache
def resemblyzer(extra: str = "metrics", used_by: str = "SECS") -> Any:
    """The package, imported now and without the warnings of its old imports.

    Raises:
        DubbenchError: it is not installed; the message names the ``extra`` that brings it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        require("webrtcvad", extra, used_by)
        return require("resemblyzer", extra, used_by)


@cache
def voice_encoder() -> Any:
    """Its ``VoiceEncoder`` on the CPU; `resemblyzer` must have been called."""
    return resemblyzer().VoiceEncoder("cpu", verbose=False)
