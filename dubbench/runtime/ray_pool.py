"""A Ray cluster as an engine: `dubbench.runtime.worker_pool.each` with actors in place of processes.

What differs: nothing of a task is known before it ends, so a task has its time limit from when it is handed out; and
what a task starts may outlive its actor. Ray's own retries are off: what became of an actor became of its one task, as
in the local engine. Only where a whole node was lost, its tasks are handed out again.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.worker_pool import THREADS, Crash

T = TypeVar("T")
R = TypeVar("R")

STORE = 128 << 20
"""Bytes of the object store of a Ray that is started here: messages are paths and rows."""
LOSSES = 3
"""So many nodes may be lost under one task."""
PATIENCE = 60.0
"""Seconds after which one line tells that no actor has begun."""
STARTS = 3
"""After so many actors in a row that did not start, nothing is expected of the cluster."""


@dataclass(frozen=True)
class RayPool:
    """Actors of a Ray cluster, each with one task at a time.

    Attributes:
        address: of a cluster (``auto`` or ``HOST:6379``); empty to start a Ray on this machine.
        gpus: that each actor holds, which may be a fraction.
        cpus: of a Ray that is started here.
    """

    address: str = ""
    gpus: float = 0.0
    cpus: int = 1

    def each(
        self,
        function: Callable[[T], R],
        tasks: Iterable[T],
        *,
        workers: int,
        timeout: float | Callable[[T], float],
        threads: int = 1,
    ) -> Iterator[tuple[T, R | Crash]]:
        """As `dubbench.runtime.worker_pool.each`; an actor reserves ``threads`` CPUs.

        Raises:
            DubbenchError: Ray is not installed or not reached, or its actors do not start.
        """
        ray = connect(self.address, self.cpus)
        kind = ray.remote(num_cpus=threads, num_gpus=self.gpus, max_restarts=0, max_task_retries=0)(_Actor)
        source, again = iter(tasks), deque[tuple[T, int]]()
        slots: dict[Any, _Slot] = {}  # by the future that each waits for
        failures, exhausted, told, begun = 0, False, False, time.monotonic()

        def start() -> None:
            actor = kind.remote()
            slots[actor.ready.remote(threads, sys.path)] = _Slot(actor)

        def give(slot: _Slot) -> None:
            nonlocal exhausted
            try:
                slot.task, slot.losses = again.popleft() if again else (next(source), 0)
            except StopIteration:
                exhausted = True
                ray.kill(slot.actor)
                return
            slot.busy = True
            slot.limit = timeout(slot.task) if callable(timeout) else timeout
            slot.deadline = time.monotonic() + slot.limit
            slots[slot.actor.call.remote(pickle.dumps((function, slot.task)))] = slot

        try:
            for _ in range(max(1, workers)):
                start()
            while not exhausted or again or any(slot.busy for slot in slots.values()):
                done, _ = ray.wait(list(slots), num_returns=1, timeout=1.0)
                now = time.monotonic()
                late = [f for f, slot in slots.items() if slot.busy and f not in done and now > slot.deadline]
                if not told and now - begun > PATIENCE and not any(slot.node for slot in slots.values()):
                    told = True
                    print("dubbench: Ray has no room for an actor yet; waiting for it", file=sys.stderr)
                for future in (*done, *late):
                    slot = slots.pop(future)
                    if future in late:
                        result, dead = Crash(f"no answer within {slot.limit:g} s"), True
                    else:
                        result, dead = _answer(ray, future)
                    if dead:
                        ray.kill(slot.actor)
                    if not slot.busy:
                        failures = failures + 1 if dead else 0
                        if failures >= STARTS:
                            raise DubbenchError(f"Ray's actors do not start: {result.reason}")
                        if dead:
                            start()
                        else:
                            slot.node = str(result)
                            give(slot)
                        continue
                    task = slot.task
                    if not dead:
                        give(slot)
                    else:
                        lost = future in done and slot.losses < LOSSES and _lost(ray, slot.node)
                        start()
                        if lost:
                            again.append((task, slot.losses + 1))
                            continue
                    yield task, result
        finally:
            for slot in slots.values():
                ray.kill(slot.actor)


@dataclass
class _Slot:
    """An actor; ``node`` once it is ready, and what it does."""

    actor: Any
    node: str = ""
    busy: bool = False
    task: Any = None
    losses: int = 0
    limit: float = 0.0
    deadline: float = 0.0


class _Actor:
    """In its own process: tasks one after another."""

    def ready(self, threads: int, path: list[str]) -> str:
        """Set the numerical threads, which Ray does for OpenMP alone, and look for modules where the driver does;
        returns the node."""
        sys.path += [place for place in path if place not in sys.path]
        ray: Any = import_module("ray")
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        return str(ray.get_runtime_context().get_node_id())

    def call(self, payload: bytes) -> bytes:
        """Do a task, as a process of the local engine does."""
        try:
            function, task = pickle.loads(payload)
            return pickle.dumps(function(task))
        except BaseException as error:
            return pickle.dumps(Crash(one_line(error)))


def _answer(ray: Any, future: Any) -> tuple[Any, bool]:
    """What an actor gave, and whether it is of no more use."""
    try:
        value = ray.get(future)
    except ray.exceptions.RayActorError:
        return Crash("its process died", True), True
    except Exception as error:
        return Crash(one_line(error)), True
    if not isinstance(value, bytes):
        return value, False
    try:
        return pickle.loads(value), False
    except Exception as error:
        return Crash(f"its result cannot be read: {one_line(error)}"), False


def _lost(ray: Any, node: str) -> bool:
    """Whether a node is gone: declared so, which takes Ray some 15 s, or nobody answers at its port."""
    for told in ray.nodes():
        if told["NodeID"] == node and told["Alive"]:
            try:
                socket.create_connection((told["NodeManagerAddress"], told["NodeManagerPort"]), timeout=3.0).close()
            except OSError:
                return True
            return False
    return True


def connect(address: str, cpus: int) -> Any:
    """The module ``ray``, connected: to a cluster, or to a Ray started on this machine with so many CPUs.

    The one started here listens on 127.0.0.1 alone, has no dashboard, and reports no usage.

    Raises:
        DubbenchError: Ray is not installed or not reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # else Ray takes the machine's outer address
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise DubbenchError("--engine ray needs Ray; pip install 'dubbench[cluster]'") from error
    if ray.is_initialized():
        return ray
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",  # a new one, also where another runs on this machine
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=STORE,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
    except Exception as error:
        where = f"the Ray at {address}" if address else "a Ray on this machine"
        raise DubbenchError(f"{where} cannot be had: {one_line(error)}") from error
    return ray
