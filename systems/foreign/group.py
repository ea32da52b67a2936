"""A process with all its child processes: their memory, and their certain end (Linux; elsewhere the process group alone
is ended and memory is not watched).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = "DUBBENCH_FOREIGN"
"""The environment variable that children inherit, so that one that left the process group is found too."""


def members(group: int, mark: str) -> list[int]:
    """Processes of the group, and those elsewhere whose environment carries ``mark``."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for pid, stat in _processes():
        if int(stat.rpartition(")")[2].split()[2]) == group:
            found.append(pid)
            continue
        with suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _processes() -> Iterator[tuple[int, str]]:
    with suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError, UnicodeDecodeError):
                    yield int(entry.name), (entry / "stat").read_text()


def memory(group: int) -> int:
    """Resident bytes of the process group."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = 0
    for _, stat in _processes():
        fields = stat.rpartition(")")[2].split()
        if int(fields[2]) == group:
            total += int(fields[21]) * page
    return total


def end(group: int, mark: str) -> None:
    """Kill the group and what left it, until nothing is there."""
    for _ in range(20):
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        left = [pid for pid in members(group, mark) if not _zombie(pid)]
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not left:
            return
        time.sleep(0.01)


def _zombie(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def physical_memory() -> int:
    """Bytes of this machine; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
