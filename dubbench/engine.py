"""This machine as an engine: tasks in processes that may raise, hang or die without harm to the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dubbench.errors import one_line

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Crash:
    """What became of a task that gave no result (one line)."""

    reason: str


def each(
    function: Callable[[T], R],
    tasks: Iterable[T],
    *,
    workers: int,
    timeout: float | Callable[[T], float],
    threads: int = 1,
) -> Iterator[tuple[T, R | Crash]]:
    """``function`` on every task in ``workers`` processes; yields (task, result) as they finish.

    A task that raises, exceeds ``timeout`` seconds or takes its process down yields a `Crash`; the process is
    replaced and the others go on. At most a few tasks are under way, so that an endless iterable is fine and leaving
    the loop early wastes little. Leaving it by an exception (Ctrl-C too) ends the processes.

    Args:
        function: importable by name; keeps what it loads in its module, for the life of the process.
        tasks: picklable.
        workers: processes, at least 1.
        timeout: seconds for one task, loading included; or a function that tells them for a task.
        threads: numerical threads a process.
    """
    from pebble import ProcessExpired, ProcessPool

    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(max_workers=max(1, workers), context=context, initializer=_start, initargs=(os.getpid(),))
    with _thread_count(threads):
        try:
            waiting: dict[Any, T] = {}
            source = iter(tasks)
            done = False
            while True:
                while not done and len(waiting) < 2 * workers:
                    try:
                        task = next(source)
                    except StopIteration:
                        done = True
                        break
                    waiting[pool.schedule(function, args=(task,), timeout=_limit(timeout, task))] = task
                if not waiting:
                    break
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    task = waiting.pop(future)
                    try:
                        result: R | Crash = future.result()
                    except TimeoutError:
                        result = Crash(f"no answer within {_limit(timeout, task):g} s")
                    except ProcessExpired as error:
                        result = Crash(f"its process died (exit code {error.exitcode})")
                    except Exception as error:
                        result = Crash(one_line(error))
                    yield task, result
            pool.close()
            pool.join()
        finally:
            pool.stop()
            pool.join()


def _limit(timeout: float | Callable[[T], float], task: T) -> float:
    return timeout(task) if callable(timeout) else timeout


@contextmanager
def _thread_count(threads: int) -> Iterator[None]:
    """Numerical libraries read their thread counts when they are imported: set for the processes about to start."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start(parent: int) -> None:
    """In a new process: leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
