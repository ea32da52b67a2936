"""Errors that a user can act on: one line with the fault, its place and the remedy."""

from __future__ import annotations

import importlib
from types import ModuleType


class DubbenchError(Exception):
    """A problem with input or set-up. The command line prints the message alone, without a traceback."""


class MediaError(DubbenchError):
    """A file that cannot be used as audio or video."""


def require(module: str, extra: str, feature: str) -> ModuleType:
    """Import an optional ``module``; raise `DubbenchError` naming the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DubbenchError(
            f"{feature} needs the package {module!r} ({error}); install it with: pip install 'dubbench[{extra}]'"
        ) from error


def one_line(error: BaseException) -> str:
    """``error`` as one line for a table cell: its type (unless it is ours) and its first lines of text."""
    try:
        text = " ".join(str(error).split())[:400]
    except Exception:  # somebody else's __str__
        text = ""
    if isinstance(error, DubbenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
