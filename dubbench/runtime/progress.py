"""Progress with time left: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Call it when one more is done; ``failed`` counts it as a failure too."""

    def __call__(self, failed: bool = False) -> None: ...


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Show how many of ``total`` are done, how many failed, and the time left. On standard error."""
    with _bar(what, total) if _terminal() else _lines(what, total) as advance:
        yield advance


def _terminal() -> bool:
    """Whether a bar can be drawn: standard error is a terminal that can move its cursor, and rich is there."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        return False
    return importlib.util.find_spec("rich") is not None


@contextmanager
def _bar(what: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", style="red"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    failures = 0
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, note="")

        def advance(failed: bool = False) -> None:
            nonlocal failures
            failures += failed
            bar.update(task, advance=1, note=f"{failures} failed" if failures else "")

        yield advance


@contextmanager
def _lines(what: str, total: int) -> Iterator[Advance]:
    start = last = time.monotonic()
    count = failures = 0

    def say() -> None:
        spent = time.monotonic() - start
        left = spent / count * (total - count) if count else 0.0
        note = f", {failures} failed" if failures else ""
        print(f"{what}: {count}/{total}{note}, {spent:.0f} s, {left:.0f} s left", file=sys.stderr, flush=True)

    def advance(failed: bool = False) -> None:
        nonlocal count, failures, last
        count += 1
        failures += failed
        if time.monotonic() - last >= 10 or count == total:
            last = time.monotonic()
            say()

    yield advance


@contextmanager
def transfer() -> Iterator[Callable[[str, int, int], None]]:
    """Show bytes arriving: call with (name, bytes so far, bytes in all)."""
    last = 0.0
    tty = sys.stderr.isatty()

    def told(name: str, have: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < (0.2 if tty else 10) and have < size:
            return
        last = now
        text = f"{name}: {have / 1e6:.1f} of {size / 1e6:.1f} MB"
        print(f"\r{text}\x1b[K" if tty else text, end="" if tty and have < size else "\n", file=sys.stderr, flush=True)

    yield told
