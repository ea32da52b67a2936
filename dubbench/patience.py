"""Somebody else's code that may never come back, in this process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dubbench.errors import DubbenchError

PATIENCE = float(os.environ.get("DUBBENCH_PATIENCE", "120"))
"""Seconds that a plugin may take to be imported and created."""


class _TooLong(BaseException):
    """Not an Exception, so that a plugin that swallows those does not swallow this."""


@contextmanager
def within(what: str, seconds: float | None = None) -> Iterator[None]:
    """Break the block off after ``seconds`` (default `PATIENCE`). Code that never returns to Python is not reached.

    Without effect outside of the main thread, where there are no timers, and inside another such block.

    Raises:
        DubbenchError: ``what`` gave no answer.
    """
    limit = PATIENCE if seconds is None else seconds
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
