"""Fetch weights into the cache, pin them, convert them, and check them.

What is there is never lost: a fetch goes on where it broke off, and a file that is not the published one is refused
before it takes the place of anything.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlsplit

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import file_digest
from dubbench.runtime.download import Bytes, Remote, fetch, offline, read_url
from dubbench.weights.catalogue import (
    LOCK,
    Asset,
    Lock,
    Part,
    Seen,
    asset,
    asset_path,
    assets,
    assets_dir,
    folder_of,
    read_lock,
    target_of,
    write_lock,
)
from dubbench.weights.convert import WrongFileError, convert

Say = Callable[[str], object]
HUB = "huggingface.co"


def bring(item: Asset, convert_too: bool = False, say: Say = print, progress: Bytes | None = None) -> None:
    """Fetch what of a weight is not here, pin it in its lock, and convert it if it must be and may be.

    Args:
        item: the weight.
        convert_too: whether a pickle may be read, in a process of its own (`dubbench.weights.convert`).
        say: told what was done, a line each.
        progress: told of the bytes.

    Raises:
        DubbenchError: no network, refused, wrong digest, no room, not convertible, or not allowed to convert.
    """
    with alone(item):
        lock, lacking = _salvage(item)
        if lacking and offline():
            raise DubbenchError(
                f"{item.name} is not here and DUBBENCH_OFFLINE is set; where there is a network, dubbench assets fetch "
                f"{item.name}, then bring its folder here with: dubbench assets import FOLDER"
            )
        for part in lacking:
            address = _settled(part.address, lock.addresses.get(part.file, ""))
            lock.addresses[part.file] = address  # before it comes: the rest of a half file is fetched from there too
            write_lock(item, lock)
            pinned = part.sha256 or pinned_digest(lock, part)
            remote = Remote(
                part.file,
                _mirrored(address),
                part.size,
                digest=f"sha256:{pinned}" if pinned else "",
                pinned_in="" if part.sha256 else str(folder_of(item) / LOCK),
            )
            fetch(remote, folder_of(item) / part.file, progress)
            note(item, lock, part.file)
            known = "as published" if part.sha256 else "as before" if pinned else "pinned now: nobody publishes it"
            say(f"{item.name}: {part.file}, sha256 {lock.files[part.file].sha256[:16]}… ({known})")
        if not item.convert or converted(item, lock):
            return
        if not convert_too:
            raise DubbenchError(
                f"{item.name} is here but not converted: it comes as a pickle; give --convert "
                f"(dubbench assets fetch {item.name} --convert)"
            )
        make_converted(item, lock, say)


def _salvage(item: Asset) -> tuple[Lock, list[Part]]:
    """The lock, brought up to date with the files that are here, and the published files that are still needed.

    Nothing is needed where the converted file is the right one, even if the published file was deleted since.
    """
    try:
        lock = read_lock(item)
    except DubbenchError:
        lock = Lock()
    folder, lacking = folder_of(item), []
    for part in item.files:
        path, pinned = folder / part.file, part.sha256 or pinned_digest(lock, part)
        if path.is_file() and (not part.size or path.stat().st_size == part.size):
            digest = file_digest(path)
            if pinned in ("", digest):
                note(item, lock, part.file, digest)
                continue
        if not (item.convert and pinned and converted(item, lock)):
            lacking.append(part)
    return lock, lacking


def pinned_digest(lock: Lock, part: Part) -> str:
    """The digest that the lock has for a file; "" if none."""
    return lock.files[part.file].sha256 if part.file in lock.files else ""


def converted(item: Asset, lock: Lock) -> bool:
    """Whether the converted file is here, whole, and made from the pinned published file."""
    target, source = target_of(item), item.sha256 or pinned_digest(lock, item)
    seen = lock.files.get(target.name)
    return bool(
        seen and lock.converted_from == source and target.is_file() and file_digest(target) == seen.sha256 and source
    )


def note(item: Asset, lock: Lock, file: str, digest: str = "") -> None:
    """Write into the lock what ``file`` is now (``digest``, where that was just read)."""
    path = folder_of(item) / file
    stat = path.stat()
    lock.files[file] = Seen(sha256=digest or file_digest(path), size=stat.st_size, modified=stat.st_mtime_ns)
    write_lock(item, lock)


def make_converted(item: Asset, lock: Lock, say: Say) -> None:
    """Convert the published file, whose digest is in the lock.

    Raises:
        DubbenchError: it cannot be. If nobody publishes its digest and it never could, then something else came on the
            first fetch (a page to log in, say): it and its pin are dropped, so that the next fetch asks again.
    """
    target, source = target_of(item), folder_of(item) / item.file
    assert item.convert is not None
    try:
        convert(item.convert, source, target, item.options)
    except WrongFileError as error:
        if item.sha256 or lock.converted_from == pinned_digest(lock, item):
            raise
        source.unlink()
        for of in (lock.files, lock.addresses):
            of.pop(item.file, None)
        write_lock(item, lock)
        raise DubbenchError(
            f"{error}; as nobody publishes its digest, it was dropped, and its pin in {folder_of(item) / LOCK}; if "
            "that was not the weight (a page to log in?), fetch or import it again"
        ) from error
    lock.converted_from = lock.files[item.file].sha256
    note(item, lock, target.name)
    say(f"{item.name}: converted to {target.name}")


@contextmanager
def alone(item: Asset) -> Iterator[None]:
    """Make the weight's folder, and be the only process that writes there."""
    folder = folder_of(item)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        guard = (folder / ".busy").open("w")
    except OSError as error:
        raise DubbenchError(
            f"{error.filename}: {error.strerror}; set DUBBENCH_ASSETS to a folder to write in"
        ) from error
    with guard:
        try:
            import fcntl

            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # not on Windows
            pass
        except OSError as error:
            raise DubbenchError(f"{item.name}: another dubbench is fetching it; wait for that one") from error
        try:
            yield
        except OSError as error:
            raise _disk(error) from error


def _disk(error: OSError) -> DubbenchError:
    if error.errno == errno.ENOSPC:
        return DubbenchError(f"{assets_dir()}: the disk is full; make room and run the same command again")
    return DubbenchError(f"{error.filename or assets_dir()}: {error.strerror or error}")


def _settled(address: str, before: str) -> str:
    """``address`` without a moving branch: a hub address on ``main`` becomes one on the commit that it is at now, or
    was at on the first fetch (``before``, which counts for nothing else)."""
    base, moving, file = address.partition("/resolve/main/")
    if not moving:
        return address
    if re.fullmatch(f"{re.escape(base)}/resolve/[0-9a-f]+/{re.escape(file)}", before):
        return before
    parts = urlsplit(base)
    answer = read_url(_mirrored(f"{parts.scheme}://{parts.netloc}/api/models{quote(parts.path)}/revision/main"))
    try:
        commit = str(json.loads(answer)["sha"])
    except (ValueError, KeyError, TypeError) as error:
        raise DubbenchError(
            f"{base}: the hub does not say which commit its main branch is at; try again later"
        ) from error
    return f"{base}/resolve/{commit}/{file}"


def _mirrored(address: str) -> str:
    """With ``$HF_ENDPOINT`` set, hub addresses go to that mirror; digests are checked all the same."""
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return address.replace(f"https://{HUB}", mirror, 1) if mirror and urlsplit(address).netloc == HUB else address


def verify(names: list[str] | None = None) -> list[dict[str, Any]]:
    """Read every file of the weights that are here; a row each with ``ok``, or what is wrong and what mends it.

    Raises:
        DubbenchError: a name is unknown.
    """
    rows = []
    for item in [asset(name) for name in names] if names else list(assets().values()):
        if not names and not _anything(item):
            continue
        rows.append({"name": item.name, "state": _verified(item)})
    return rows


def _anything(item: Asset) -> bool:
    folder = folder_of(item)
    return folder.is_dir() and any(not file.name.startswith(".") for file in folder.iterdir())


def _verified(item: Asset) -> str:
    folder = folder_of(item)
    try:
        lock = read_lock(item)
        for part in item.files:
            path, pinned = folder / part.file, part.sha256 or pinned_digest(lock, part)
            if path.is_file() and pinned and file_digest(path) != pinned:
                return f"{part.file} is not the published file; dubbench assets fetch {item.name} brings it again"
        target = target_of(item)
        if item.convert and target.is_file() and not converted(item, lock):
            return f"{target.name} is damaged; dubbench assets fetch {item.name} --convert makes it again"
        with suppress(OSError):  # a copied folder has other times: note them, so that nothing is read twice
            for file in lock.files:
                if (folder / file).is_file():
                    note(item, lock, file, lock.files[file].sha256)
        asset_path(item.name)
    except DubbenchError as error:
        return str(error)
    except OSError as error:
        return str(_disk(error))
    return "ok"
