"""A folder that may come from a stranger: no path in it leads out of it, and its texts cannot control a terminal."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dubbench.errors import DubbenchError


def contained(folder: Path) -> None:
    """Look, before anything is opened or written, whether all parts of a folder are files and folders in it.

    Raises:
        DubbenchError: a link that leads out of the folder, a pipe, a device, or a folder that cannot be looked into.
    """
    root = folder.resolve()
    todo = [str(root)]
    while todo:
        where = todo.pop()
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        target = Path(entry.path).resolve()
                        if not target.is_relative_to(root):
                            raise DubbenchError(_refused(folder, entry.path, root, f"is a link to {target}"))
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False):
                        raise DubbenchError(_refused(folder, entry.path, root, "is neither a file nor a folder"))
        except OSError as error:
            if where == str(root) and not root.is_dir():
                return
            raise DubbenchError(f"{where}: cannot be looked into ({error.strerror}); check its permissions") from error


def _refused(folder: Path, path: str, root: Path, why: str) -> str:
    name = Path(path).relative_to(root)
    return (
        f"{folder}: {name} {why}, which lies outside; a run may come from a stranger, so nothing in it was opened: "
        "remove it or copy the files into its place"
    )


def no_follow(path: str, flags: int) -> int:
    """An opener for `open`: a path that is a link, or no regular file, is refused; a pipe is not waited for."""
    handle = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise DubbenchError(f"{path}: no regular file; remove it")
    return handle


def printable(text: str) -> str:
    """``text`` for a terminal: control characters but tabs and line ends are shown by their codes."""
    return "".join(c if c in "\n\t" or not _control(c) else f"\\x{ord(c):02x}" for c in text)


def _control(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or char in "\u202a\u202b\u202c\u202d\u202e"
