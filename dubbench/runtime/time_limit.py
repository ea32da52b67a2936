"""A time limit for other people's code in this process, in case it never returns or tries to exit."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from dubbench.errors import DubbenchError

PATIENCE = float(os.environ.get("DUBBENCH_PATIENCE", "120"))
"""Seconds that a plugin may take to be imported and created."""


class _TooLong(BaseException):
    """Not an Exception, so that a plugin that swallows those does not swallow this."""


@contextmanager
def within(what: str, seconds: float | None = None) -> Iterator[None]:
    """Break the block off after ``seconds`` (default `PATIENCE`). Code that never returns to Python is not reached.

    Not outside of the main thread, where there are no timers, nor inside another such block. In any case the working
    folder is afterwards what it was, so that relative paths stay good where a plugin calls ``os.chdir``.

    Raises:
        DubbenchError: ``what`` gave no answer.
    """
    with _same_folder(), _alarm(what, PATIENCE if seconds is None else seconds):
        yield


@contextmanager
def _same_folder() -> Iterator[None]:
    here: Path | None = None
    with suppress(OSError):  # the folder we are in may be gone
        here = Path.cwd()
    try:
        yield
    finally:
        if here:
            with suppress(OSError):
                os.chdir(here)


@contextmanager
def _alarm(what: str, limit: float) -> Iterator[None]:
    alone = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if not alone or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, limit, 1.0)
        yield
    except _TooLong:
        raise DubbenchError(f"{what}: no answer within {limit:g} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
