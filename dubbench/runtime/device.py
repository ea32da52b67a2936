"""The device that models run on: the CPU or a GPU, known to torch alone."""

from __future__ import annotations

import importlib
import sys

from dubbench.errors import DubbenchError


def resolve_device(device: str) -> str:
    """``auto`` becomes ``cuda`` where torch is installed and sees one, else ``cpu``. A named GPU must be there.

    Raises:
        DubbenchError: not ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, or a GPU that torch does not see.
    """
    if device == "cpu":
        return device
    kind, _, number = device.partition(":")
    if device != "auto" and (kind != "cuda" or (number or "0") not in map(str, range(100))):
        raise DubbenchError(f"--device {device}: expected auto, cpu, cuda or cuda:N")
    try:
        torch = importlib.import_module("torch")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    except ImportError:
        count = 0
    if device == "auto":
        return "cuda" if count else "cpu"
    if int(number or 0) >= count:
        raise DubbenchError(f"--device {device}: torch sees {count or 'no'} GPU here; give --device cpu")
    return device


def synchronise() -> None:
    """Wait for the GPU, where somebody has brought torch and uses one: times mean nothing before."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
