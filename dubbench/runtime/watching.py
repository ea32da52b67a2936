"""The files of some folders that any process opened or changed while a block ran (Linux's inotify)."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_OPENED = 0x20
_CHANGED = {0x2: "changed", 0x40: "moved away", 0x80: "made", 0x100: "made", 0x200: "removed"}
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK if hasattr(os, "O_NONBLOCK") else 0, getattr(os, "O_CLOEXEC", 0)
_OVERFLOW, _FOLDER = 0x4000, 0x40000000


@dataclass
class Seen:
    """What was seen: files ``opened``, and files ``changed`` with the way of it (``made``, ``removed`` …)."""

    opened: set[Path] = field(default_factory=set)
    changed: dict[Path, str] = field(default_factory=dict)
    lost: bool = False
    """Whether there was more than the system keeps."""


class Watch:
    """Watches folders (not what lies below them) for opened and for changed files.

    Args:
        opened: folders whose files are not to be opened.
        changed: folders in which nothing is to be made, changed, moved or removed.

    Attributes:
        works: whether this system can watch at all; where it cannot, nothing is ever seen.
    """

    def __init__(self, opened: Iterable[Path] = (), changed: Iterable[Path] = ()) -> None:
        self._handle = -1
        self._folders: dict[int, Path] = {}
        masks: dict[Path, int] = dict.fromkeys(opened, _OPENED)
        for folder in changed:
            masks[folder] = masks.get(folder, 0) | sum(_CHANGED)
        self.works = sys.platform == "linux" and self._start(masks)

    def _start(self, masks: dict[Path, int]) -> bool:
        libc = ctypes.CDLL(None, use_errno=True)
        self._handle = libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        if self._handle < 0:
            return False
        for folder, mask in masks.items():
            number = libc.inotify_add_watch(self._handle, os.fsencode(folder), ctypes.c_uint32(mask))
            if number < 0:
                return False
            self._folders[number] = folder
        return True

    def seen(self) -> Seen:
        """What happened since the last call, or since the start."""
        found = Seen()
        while self.works:
            try:
                data = os.read(self._handle, 1 << 16)
            except BlockingIOError:
                break
            at = 0
            while at < len(data):
                number, mask, _, size = struct.unpack_from("iIII", data, at)
                name = data[at + 16 : at + 16 + size].rstrip(b"\0")
                at += 16 + size
                found.lost |= bool(mask & _OVERFLOW)
                if number not in self._folders or not name:
                    continue
                path = self._folders[number] / os.fsdecode(name)
                if mask & _OPENED and not mask & _FOLDER:
                    found.opened.add(path)
                for bit, way in _CHANGED.items():
                    if mask & bit:
                        found.changed.setdefault(path, way)
        return found

    def close(self) -> None:
        """Watch no longer."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle, self.works = -1, False
