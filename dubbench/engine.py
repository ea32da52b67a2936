"""This machine as an engine: tasks in processes that may raise, hang or die without harm to the rest."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

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
    replaced and the others go on. No task waits in a process for another to end, so that what became of a process
    became of its one task; an endless iterable is fine and leaving the loop early wastes little. Leaving it by an
    exception (Ctrl-C too) ends the processes.

    Args:
        function: importable by name; keeps what it loads in its module, for the life of the process.
        tasks: picklable.
        workers: processes, at least 1.
        timeout: seconds for one task, loading included; or a function that tells them for a task.
        threads: numerical threads a process.
    """
    source = iter(tasks)
    busy: list[_Worker[T, R]] = []
    with _thread_count(threads):
        try:
            for task in source:
                busy.append(_Worker(function, task, timeout))
                if len(busy) == max(1, workers):
                    break
            while busy:
                handles = [handle for worker in busy for handle in (worker.pipe, worker.process.sentinel)]
                wait(handles, timeout=1.0)  # seconds between two looks at the clock
                for worker in list(busy):
                    if not worker.ended():
                        continue
                    task, result = worker.task, worker.result
                    try:
                        worker.give(next(source))
                    except StopIteration:
                        busy.remove(worker)
                        worker.end()
                    yield task, result
        finally:
            for worker in busy:
                worker.kill()


class _Worker(Generic[T, R]):
    """A process with one task."""

    task: T
    result: R | Crash
    """Set once `ended`."""
    deadline: float | None
    """Seconds of the monotonic clock; none until the process has the task."""
    process: Any
    pipe: Connection

    def __init__(self, function: Callable[[T], R], task: T, timeout: float | Callable[[T], float]) -> None:
        self.function, self.timeout = function, timeout
        self._start()
        self.give(task)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, task: T) -> None:
        self.task, self.deadline = task, None
        if self.process.exitcode is not None:
            self._start()
        payload = pickle.dumps((self.function, task))
        with suppress(OSError):  # it died before it could take the task: `ended` finds that
            self.pipe.send_bytes(payload)

    def ended(self) -> bool:
        """Whether the task came to an end; `result` is what it gave."""
        code = self.process.exitcode  # before the pipe: what it sent before it died is there by now
        try:
            while self.pipe.poll():
                kind, value = pickle.loads(self.pipe.recv_bytes())
                if kind == "result":
                    self.result = value
                    return True
                self.deadline = time.monotonic() + self._limit
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
        except Exception as error:
            self.result = Crash(f"its result cannot be read: {one_line(error)}")
            return True
        if code is not None:
            self.result = Crash(f"its process died (exit code {code})")
            return True
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.kill()
            self.result = Crash(f"no answer within {self._limit:g} s")
            return True
        return False

    @property
    def _limit(self) -> float:
        return self.timeout(self.task) if callable(self.timeout) else self.timeout

    def end(self) -> None:
        """Let the process end by itself: it may have files to close."""
        self.pipe.close()
        self.process.join(5.0)
        self.kill()

    def kill(self) -> None:
        self.process.terminate()
        self.process.join(1.0)
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _serve(pipe: Connection, parent: int) -> None:
    """In the new process: tasks from the pipe until it is closed."""
    _start(parent)
    while True:
        try:
            payload = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        pipe.send_bytes(pickle.dumps(("started", None)))
        try:
            function, task = pickle.loads(payload)
            answer = pickle.dumps(("result", function(task)))
        except BaseException as error:  # a task that calls sys.exit, too, only ends itself
            answer = pickle.dumps(("result", Crash(one_line(error))))
        pipe.send_bytes(answer)


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
    """Leave Ctrl-C to the parent, and end when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
