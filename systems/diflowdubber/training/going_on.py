"""Orderly end and resumption of a training: signals, memory, and the settings that must stay the same."""

from __future__ import annotations

import copy
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from dubbench.errors import DubbenchError


class Interrupts:
    """While entered, SIGINT and SIGTERM are noted in ``name`` instead of ending the process; a second one ends it.

    Python's signals reach the main thread alone; in another one nothing is changed.
    """

    def __init__(self) -> None:
        self.name = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
        os.write(2, f"\n{self.name}: a checkpoint follows after this step; once more ends it at once\n".encode())


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the device, or the CPU, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def continued(run: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What the checkpoints of a run say from now on: ``new``, and where its number of steps was changed.

    Args:
        run: its folder.
        old: meta of its last checkpoint.
        new: what a run of today's settings would say.

    Raises:
        DubbenchError: they differ in more than the number of steps, or more steps than that are done.
    """
    made = plain(new)
    here, there = _fixed(made), _fixed(old)
    differ = [name for name in here if there.get(name) != here[name]]
    if differ:
        detail = ", ".join(f"{name}{_difference(there.get(name), here[name])}" for name in differ)
        raise DubbenchError(f"{run} was begun with another {detail}; give a new folder with --out")
    changes = list(old["training"].get("changes", []))
    before, after, step = old["training"]["total"], made["training"]["total"], old["step"]
    if after < step:
        raise DubbenchError(f"{run} has {step} steps already, more than {after}; give a new folder with --out")
    if before != after:
        changes.append({"step": step, "from": before, "to": after})
        told = f"{run}: {after} steps instead of {before}; the learning rate follows the new number from step {step} on"
        print(told, file=sys.stderr)
    if changes:
        made["training"]["changes"] = changes
    return made


def _fixed(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Without what says how long the run is."""
    kept = copy.deepcopy(dict(meta))
    for name in ("steps", "total", "changes"):
        kept["training"].pop(name, None)
    own = kept["config"][kept["stage"]]
    for name in ("steps", "epochs"):
        own.pop(name, None)
    return kept


def plain(value: Any) -> Any:
    """As JSON would give it back."""
    return json.loads(json.dumps(value))


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            if old.get(key) != new.get(key):
                return f" ({key}: {old.get(key)!r}, now {new.get(key)!r})"
    return f" ({old!r}, now {new!r})"
