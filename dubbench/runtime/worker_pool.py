"""Tasks in processes of this machine: a task may raise, hang or crash without harm to the others."""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from dubbench.errors import one_line

T = TypeVar("T")
R = TypeVar("R")

GIVE_UP = 3
"""Tasks in a row on which a process hangs or dies, after which a caller gives up their common part: a system, a metric,
or all metrics of a clip in one process."""


@dataclass(frozen=True, slots=True)
class Crash:
    """The reason why a task gave no result (one line); whether its process ``died`` of itself or was killed."""

    reason: str
    died: bool = field(default=False, compare=False)


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
    replaced and the others go on. A process holds one task at a time, so that its end concerns that task alone;
    an endless iterable is fine and leaving the loop early wastes little. Leaving it by an
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
    """A process with one task, in a process group of its own, so that what a task starts ends with it."""

    task: T
    result: R | Crash
    """Set once `ended`."""
    deadline: float
    """Seconds of the monotonic clock."""
    process: Any
    pipe: Connection
    sender: threading.Thread

    def __init__(self, function: Callable[[T], R], task: T, timeout: float | Callable[[T], float]) -> None:
        self.function, self.timeout = function, timeout
        pickle.dumps((function, task))  # what cannot be sent is told before there is a process
        self._start()
        self.give(task)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # No daemon: it may have processes of its own. `_kill_all` sees to it that none is waited for at exit.
        self.process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=False)
        with _without_main():
            self.process.start()
        theirs.close()
        _alive.add(self)

    def give(self, task: T) -> None:
        self.task = task
        if self.process.exitcode is not None:
            self.kill()
            self._start()
        self.deadline = time.monotonic() + START + self._limit
        payload = pickle.dumps((self.function, task))
        # In a thread, since a process that does not read would keep us from ever seeing that.
        self.sender = threading.Thread(target=_send, args=(self.pipe, payload), daemon=True)
        self.sender.start()

    def ended(self) -> bool:
        """Whether the task came to an end; `result` is what it gave."""
        code = self.process.exitcode  # before the pipe: what it sent before it died is there by now
        try:
            while self.pipe.poll():
                message = self.pipe.recv_bytes()
                if message != STARTED:
                    self.result = _read(message)
                    return True
                self.deadline = time.monotonic() + self._limit
        except (EOFError, OSError):
            code = self._exit(1.0)
            return self._without(
                "its process left its task" if code is None else f"its process died (exit code {code})", True
            )
        if code is not None:
            return self._without(f"its process died (exit code {code})", True)
        if time.monotonic() > self.deadline:
            return self._without(f"no answer within {self._limit:g} s")
        if resident(self.process.pid) > memory_limit():
            return self._without(f"its process took more than {memory_limit() / 1e9:.3g} GB of memory")
        return False

    def _without(self, reason: str, died: bool = False) -> bool:
        """The task ends without a result, and its process with it."""
        self.kill()
        self.result = Crash(reason, died)
        return True

    @property
    def _limit(self) -> float:
        return self.timeout(self.task) if callable(self.timeout) else self.timeout

    def end(self) -> None:
        """Let the process end by itself, for it may have files to close; then what it left behind."""
        self.pipe.close()
        self._exit(5.0)
        self.kill()

    def _exit(self, seconds: float) -> int | None:
        """Its exit code, waited for so long (`Process.join` waits for ever for one that closed its files)."""
        end = time.monotonic() + seconds
        while self.process.exitcode is None and time.monotonic() < end:
            time.sleep(0.01)
        return self.process.exitcode  # type: ignore[no-any-return]

    def kill(self) -> None:
        """End the process and what it started."""
        self.process.terminate()
        self._exit(1.0)
        self.process.kill()
        with suppress(OSError, AttributeError):  # there is no such group, or the system has none
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.sender.join(1.0)
        if not self.sender.is_alive():  # else somebody holds the other end: it is not to write into another file
            self.pipe.close()
        _alive.discard(self)


def memory_limit() -> float:
    """Bytes that a process may hold: ``$DUBBENCH_WORKER_MEMORY`` in GB, else nine tenths of the machine's, so that a
    leak costs its own task and not what the system would choose to end."""
    given = os.environ.get("DUBBENCH_WORKER_MEMORY")
    if given:
        return float(given) * 1e9
    try:
        return 0.9 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf


def resident(pid: int | None) -> int:
    """Bytes of memory that a process holds now; 0 where that cannot be known (not Linux, or it is gone)."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


ORPHANED: list[Callable[[], object]] = []
"""What a process does before it ends because the one that started it is gone."""

START = 120.0
"""Seconds that a process may take to start and to take a task, beside the task's own limit."""
STARTED = b"started"

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Where numerical libraries look for the number of their threads."""

Pool = Callable[..., Iterator[tuple[Any, Any]]]
"""`each`, or what stands in for it on another engine."""

_alive: set[_Worker[Any, Any]] = set()


@atexit.register
def _kill_all() -> None:
    """Whatever is left where a generator was never closed: exit would wait for it."""
    for worker in list(_alive):
        worker.kill()


def _send(pipe: Connection, payload: bytes) -> None:
    with suppress(OSError):  # it died before it could take the task: `ended` finds that
        pipe.send_bytes(payload)


def _read(message: bytes) -> Any:
    try:
        return pickle.loads(message)
    except Exception as error:
        return Crash(f"its result cannot be read: {one_line(error)}")


def _serve(pipe: Connection, parent: int) -> None:
    """In the new process: tasks from the pipe until it is closed."""
    _start(parent)
    own = os.getpid()
    with suppress(EOFError, OSError):
        while True:
            payload = pipe.recv_bytes()
            pipe.send_bytes(STARTED)
            try:
                function, task = pickle.loads(payload)
                answer = pickle.dumps(function(task))
            except BaseException as error:  # a task that calls sys.exit, too, only ends itself
                answer = pickle.dumps(Crash(one_line(error)))
            if os.getpid() != own:  # the task forked, and this is not the process that was asked
                os._exit(0)
            pipe.send_bytes(answer)


@contextmanager
def _thread_count(threads: int) -> Iterator[None]:
    """Numerical libraries read their thread counts when they are imported: set for the processes about to start."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a process start without importing the program's own script again, which would run it a second time where it
    lacks the usual ``if __name__ == "__main__"``. Tasks are functions of modules, so nothing is missed."""
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    try:
        main.__spec__ = None
        if "__file__" in kept:
            del main.__file__
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _start(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end, with all that was started here, when the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        for clean in ORPHANED:
            with suppress(Exception):
                clean()
        if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
