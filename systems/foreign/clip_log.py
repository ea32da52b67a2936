"""The output of a foreign process, kept a clip at a time and limited to its head and its tail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

KEEP = 1 << 16
"""Bytes kept of the beginning of a clip's output, and as many of its end."""


class ClipLog:
    """Reads a stream to its end in a thread of its own, so that a process that prints a gigabyte is not held up.

    Args:
        stream: the process's output.
        token: a line of it ends one clip's log.
        folder: where logs are written.
    """

    def __init__(self, stream: IO[bytes], token: str, folder: Path) -> None:
        self.folder, self.token = folder, f"\n{token}\n".encode()
        self._stream = stream
        with suppress(ImportError, AttributeError, OSError):  # fewer switches between the two processes, on Linux
            import fcntl

            fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, 1 << 20)
        self._head, self._tail, self._cut = bytearray(), bytearray(), 0
        self._marks = self._named = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        read: Callable[[int], bytes] = self._stream.read1  # type: ignore[attr-defined]
        pending = b""
        while chunk := read(1 << 20):
            pending += chunk
            with self._changed:
                while (at := pending.find(self.token)) >= 0:
                    self._keep(pending[:at])
                    pending = pending[at + len(self.token) :]
                    self._write()
                hold = len(self.token) - 1  # a token may be cut by the end of the chunk
                self._keep(pending[: max(0, len(pending) - hold)])
                pending = pending[max(0, len(pending) - hold) :]
        with self._changed:
            self._keep(pending)
            self._closed = True
            self._write()

    def _keep(self, data: bytes) -> None:
        room = KEEP - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail += rest
            if len(self._tail) > KEEP:
                self._cut += len(self._tail) - KEEP
                del self._tail[:-KEEP]

    def _write(self) -> None:
        self._marks += 1
        left_out = f"\n… {self._cut:,} bytes left out …\n".encode() if self._cut else b""
        body = bytes(self._head) + left_out + bytes(self._tail)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{self._marks:06d}.log").write_bytes(body)
        self._head, self._tail, self._cut = bytearray(), bytearray(), 0
        self._changed.notify_all()

    def rename(self, name: str, seconds: float = 2.0) -> Path:
        """Wait for the next log to be whole, and give it a name.

        Call it once for each token that the process wrote, in order, and once when it ended.
        """
        self._named += 1
        number = self._named
        target = self.folder / f"{number:06d}-{name}.log"
        with self._changed:
            self._changed.wait_for(lambda: self._marks >= number or self._closed, seconds)
        plain = self.folder / f"{number:06d}.log"
        if plain.is_file():
            plain.replace(target)
        return target
