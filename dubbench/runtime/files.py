"""Files of a run that survive a kill at any moment, a full disk and a second run beside them."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dubbench.errors import DubbenchError
from dubbench.runtime.containment import contained, no_follow, printable

if TYPE_CHECKING:  # training machines have no pydantic
    from pydantic import BaseModel

R = TypeVar("R", bound="BaseModel")


class Journal(Generic[R]):
    """An append-only JSONL file of one kind of rows.

    Args:
        path: the file; it need not exist.
        kind: the class of its rows.
        earlier: another such file, whose rows are read before its own; nothing is added to it.
    """

    def __init__(self, path: Path, kind: type[R], earlier: Path | None = None) -> None:
        self.path = path
        self.kind = kind
        self.earlier = earlier

    def read(self) -> Iterator[R]:
        """Every whole row; a torn last line is left out. A damaged line is named on standard error and left out too:
        what it held is made again."""
        for path in (self.earlier, self.path):
            if path is not None:
                yield from self._read(path)

    def _read(self, path: Path) -> Iterator[R]:
        from pydantic import ValidationError

        if not path.exists():
            return
        with open(path, "rb", opener=no_follow) as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield self.kind.model_validate_json(line)
                except ValidationError as error:
                    first = error.errors()[0]
                    what = printable(" ".join([*(f"{part}:" for part in first["loc"]), first["msg"]]))
                    print(
                        f"dubbench: {path}: line {number} is damaged ({what}); it is left out, delete it",
                        file=sys.stderr,
                    )

    def append(self, rows: Iterable[R]) -> None:
        """Append rows and wait until they are on the disk; a torn last line is cut first."""
        data = "".join(row.model_dump_json() + "\n" for row in rows).encode()
        if not data:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+b", opener=no_follow) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                keep = _whole(file, size)
                if keep != size:
                    file.truncate(keep)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def begin(self) -> None:
        """Note when work on it begins, and how many rows it has: `pace` tells the rate."""
        write_text(self.path.with_suffix(".since"), json.dumps({"since": time.time(), "rows": self._count()}) + "\n")

    def pace(self) -> tuple[int, float] | None:
        """Rows since the last `begin`, and the seconds from it to the last row; None where that is not known."""
        try:
            with open(self.path.with_suffix(".since"), encoding="utf-8", opener=no_follow) as file:
                told = json.load(file)
            rows = self._count() - int(told["rows"])
            seconds = self.path.stat().st_mtime - float(told["since"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None
        return (rows, seconds) if rows > 0 and 0 < seconds < math.inf else None

    def _count(self) -> int:
        if not self.path.exists():
            return 0
        with open(self.path, "rb", opener=no_follow) as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _whole(file: Any, size: int) -> int:
    """Size of the file without a torn last line."""
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return int(file.read().rfind(b"\n")) + 1


@contextmanager
def durable(path: Path) -> Iterator[Path]:
    """Like `dubbench.runtime.files.atomic`, and after the block the file is on the disk under its name."""
    with atomic(path) as temporary:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    with contextlib.suppress(OSError):  # some systems cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically and durably."""
    with durable(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


class InUseError(DubbenchError):
    """Another process works on the folder."""


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold a run folder for this process: two runs in one folder would undo each other's work.

    The lock is the operating system's, on ``RUN/lock``, so that it ends with the process, however that ends. What a
    killed run left half written is removed.

    Raises:
        InUseError: another process holds the folder.
        DubbenchError: it is a file, it cannot be made or written, or something in
            it leads out of it (`dubbench.runtime.containment.contained`).
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        contained(run)
        lock = open(run / "lock", "a+", encoding="utf-8", opener=no_follow)  # noqa: SIM115
    except (FileExistsError, NotADirectoryError) as error:
        raise DubbenchError(f"{run} cannot be a run folder: a file has that name; give another --out") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DubbenchError(f"{run} cannot be written ({error.strerror}); give another --out") from error
    with lock as file:
        if not _lock(file):
            file.seek(0)
            parts = {
                path.name.removeprefix("lock."): in_use(run, path.name.removeprefix("lock."))
                for path in sorted(run.glob("lock.*"))
            }
            by = ", ".join(f"{who} ({part})" for part, who in parts.items() if who) or _holder(file.read())
            raise InUseError(f"{run} is in use by {by}; wait for it, or give another --out")
        _sign(file)
        sweep(run)
        try:
            yield
        finally:
            file.truncate(0)
            if [entry.name for entry in run.iterdir()] == ["lock"]:  # a mistake was found before anything was written
                with contextlib.suppress(OSError):
                    (run / "lock").unlink()
                    run.rmdir()


@contextmanager
def held_in_part(run: Path, part: str) -> Iterator[None]:
    """Hold one part of a run folder that exists, beside processes that hold other parts; nobody holds the whole then.

    Raises:
        InUseError: another process holds the part or the whole.
        DubbenchError: something leads out of the folder.
    """
    contained(run)
    names = ("lock", f"lock.{part}")
    with contextlib.ExitStack() as stack:
        for name in names:
            file = stack.enter_context(open(run / name, "a+", encoding="utf-8", opener=no_follow))
            end = time.monotonic() + 10.0  # another shard may still look at the plan
            while not _lock(file, shared=name == "lock"):
                if time.monotonic() > end:
                    file.seek(0)
                    raise InUseError(f"{run}, {part}: in use by {_holder(file.read())}; wait for it")
                time.sleep(0.2)
        _sign(file)
        try:
            yield
        finally:
            file.truncate(0)


def _sign(file: Any) -> None:
    file.truncate(0)
    json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}, file)
    file.flush()


def in_use(run: Path, part: str = "") -> str:
    """The process that holds a run folder, or one part of it, at this moment; empty if none does. Writes nothing."""
    path = run / (f"lock.{part}" if part else "lock")
    if not path.is_file():
        return ""
    with open(path, encoding="utf-8", errors="replace", opener=no_follow) as file:
        return "" if _lock(file) else _holder(file.read())


def _lock(file: Any, shared: bool = False) -> bool:
    try:
        import fcntl
    except ImportError:  # not on Windows: there a second run is not noticed
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _holder(text: str) -> str:
    try:
        told = json.loads(text)
        return f"process {told['pid']} on {told['host']} since {told['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


_LEFTOVER = re.compile(r"\..+\.[a-z0-9_]{8}(\.\w+)?")
"""The names of `dubbench.runtime.files.atomic`'s temporary files; no file of a run starts with a dot."""


def sweep(run: Path) -> None:
    """Remove temporary files that a killed process left in a run folder. Only for the one who holds it."""
    places = [run.glob(".*"), *((run / part).rglob(".*") for part in ("dubs", "work", "board"))]
    for path in (path for place in places for path in place):
        if _LEFTOVER.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that becomes ``path`` if the block ends well, and is removed if not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
