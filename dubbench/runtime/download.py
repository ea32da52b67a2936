"""Files over HTTP: resumed after an interruption, verified by digest, put in place only when complete.

With ``DUBBENCH_OFFLINE=1`` in the environment nothing is asked of the network.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dubbench.errors import DubbenchError

Bytes = Callable[[str, int, int], object]
"""Called with (name, bytes there, bytes in all; 0 if unknown) while a file comes in."""

TRIES = 5
CHUNK = 1 << 18
TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to fetch: its name, address, size in bytes (0 if unknown) and digest (``md5:…``, ``sha256:…`` or "").

    ``pinned_in``: the file that has the digest from an earlier fetch, where it is not a published one.
    """

    name: str
    url: str
    size: int = 0
    digest: str = ""
    pinned_in: str = ""


def offline() -> bool:
    """Whether the environment forbids the network: ``DUBBENCH_OFFLINE`` is set to anything but 0."""
    return os.environ.get("DUBBENCH_OFFLINE", "0") not in ("", "0")


def read_url(url: str, limit: int = 1 << 24) -> bytes:
    """A small file as bytes.

    Raises:
        DubbenchError: unreachable, refused, or larger than ``limit``.
    """
    try:
        with _open(url) as answer:
            body: bytes = answer.read(limit + 1)
    except (OSError, http.client.HTTPException) as error:
        raise unreachable(url, error) from error
    if len(body) > limit:
        raise DubbenchError(f"{url}: answer of more than {limit:,} bytes; is the address right?")
    return body


def fetch(remote: Remote, target: Path, progress: Bytes | None = None, wait: float = 1.0) -> None:
    """Bring ``remote`` to ``target``; nothing is done if it is there with the right digest.

    What has come so far lies in ``target`` + ``.part`` and is continued, in this call (up to 5 attempts in a row
    without a byte, with pauses) and in later ones. Without a digest that is done only while the server says that it
    is still the same file, by the ETag or date kept in ``target`` + ``.part.tag``; else it begins anew.

    Args:
        remote: what to fetch.
        target: where to; appears only when whole.
        progress: told of the bytes.
        wait: seconds before the second attempt; doubled for each further one.

    Raises:
        DubbenchError: unreachable, refused, broken off too often, wrong size or digest, the disk is full, or nothing
            would tell a file that was cut off: no digest, no size, no length and no chunks in the answer.
    """
    if target.is_file() and _right(remote, target):
        return
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    continued = part.is_file()
    _transfer(remote, part, progress, wait)
    if not _right(remote, part):
        _drop(part)
        if not continued:
            raise _another(remote)
        _transfer(remote, part, progress, wait)  # the old part may have been of another file
        if not _right(remote, part):
            _drop(part)
            raise _another(remote)
    part.replace(target)
    _tag_of(part).unlink(missing_ok=True)


def _tag_of(part: Path) -> Path:
    """Where the server's name for the version lies that ``part`` is of."""
    return part.with_name(f"{part.name}.tag")


def _kept_tag(remote: Remote, part: Path) -> str:
    """The version that ``part`` is of; "" if unknown, or if it is from another address."""
    kept = _tag_of(part).read_text("utf-8") if _tag_of(part).is_file() else ""
    url, _, tag = kept.partition("\n")
    return tag if url == remote.url else ""


def _drop(part: Path) -> None:
    for path in (part, _tag_of(part)):
        path.unlink(missing_ok=True)


def _another(remote: Remote) -> DubbenchError:
    if remote.pinned_in:
        return DubbenchError(
            f"{remote.url}: what came is not what came before ({remote.digest}, pinned in {remote.pinned_in}); try "
            "again later, or delete that file if the new one is right"
        )
    return DubbenchError(f"{remote.url}: what came is not what was published ({remote.digest}); try again later")


def _right(remote: Remote, path: Path) -> bool:
    if remote.size and path.stat().st_size != remote.size:
        return False
    if not remote.digest:
        return True
    kind, _, value = remote.digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest() == value


def _transfer(remote: Remote, part: Path, progress: Bytes | None, wait: float) -> None:
    """Append to ``part`` until the server has no more."""
    failures, came = 0, False
    while True:
        have = part.stat().st_size if part.is_file() else 0
        tag = _kept_tag(remote, part)
        if (remote.size and have > remote.size) or not (tag or remote.digest):
            _drop(part)  # too long, or nothing would tell whether the rest is of the same file
            have = 0
        if remote.size and have == remote.size:
            return
        free, needed = shutil.disk_usage(part.parent).free, remote.size - have
        if needed > free:
            raise DubbenchError(f"{part.parent}: {free / 1e6:,.0f} MB free of {needed / 1e6:,.0f} MB needed; make room")
        try:
            total = _append(remote, part, have, tag, progress)
            if part.stat().st_size >= total:
                return
            reason: Exception = ConnectionError(f"broken off at {part.stat().st_size:,} of {total:,} bytes")
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise DubbenchError(f"{part}: the disk is full; make room and run the same command again") from error
            if isinstance(error, OSError) and not isinstance(error, urllib.error.URLError) and error.filename:
                raise DubbenchError(f"{error.filename}: {error.strerror}; choose another folder") from error
            if _hopeless(error, came):
                raise unreachable(remote.url, error) from error
            if isinstance(error, urllib.error.HTTPError) and error.code == 416:
                _drop(part)
            reason = error
        grown = (part.stat().st_size if part.is_file() else 0) > have
        came |= grown
        failures = 1 if grown else failures + 1
        if failures >= TRIES:
            raise unreachable(remote.url, reason) from reason
        time.sleep(wait * 2 ** (failures - 1))


def _append(remote: Remote, part: Path, have: int, tag: str, progress: Bytes | None) -> int:
    """One request; returns how long ``part`` should be then.

    Raises:
        ConnectionError: what is there cannot be continued, and was dropped.
    """
    with _open(remote.url, have, tag) as answer:
        total = answer.length or 0  # as far as http.client understands it
        if answer.status == 206:
            began = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            now = answer.headers.get("ETag" if tag.startswith('"') else "Last-Modified")
            if not began or int(began[1]) != have or (tag and now and now != tag):
                _drop(part)
                raise ConnectionError("another part than the one asked for, or of another file")
            total = int(began[2]) if began[2] != "*" else have + total if total else 0
        else:
            have = 0  # the server sends the whole file
        if not (total or answer.chunked or remote.size or remote.digest):
            raise DubbenchError(
                f"{remote.url}: {urlsplit(remote.url).netloc} does not say how long {remote.name} is and nobody "
                "publishes its digest, so that a file cut off would be taken for whole; download it by other means, "
                "then: dubbench assets import FILE"
            )
        if not have:
            _drop(part)
            if not remote.digest:  # a digest tells better
                _tag_of(part).write_text(f"{remote.url}\n{_version(answer.headers)}", "utf-8")
        with part.open("ab" if have else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                if progress is not None:
                    progress(remote.name, have, remote.size or total)
    return remote.size or total or have  # without a length, the last chunk or the digest tells


def _version(headers: Mapping[str, str]) -> str:
    """What ``If-Range`` takes: the ETag unless it is a weak one, or the date; "" if the server gives neither."""
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _open(url: str, start: int = 0, tag: str = "") -> Any:
    if urlsplit(url).scheme not in ("http", "https"):
        raise DubbenchError(f"{url}: not an http address")
    if offline():
        raise DubbenchError(f"{url}: not asked for, because DUBBENCH_OFFLINE is set")
    request = urllib.request.Request(url, headers={"User-Agent": "dubbench"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        if tag:
            request.add_header("If-Range", tag)
    return urllib.request.urlopen(request, timeout=TIMEOUT)


def _hopeless(error: Exception, came: bool) -> bool:
    """Whether another attempt cannot help: no such file, not allowed, no network (nothing ``came`` so far)."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code < 500 and error.code not in (408, 416, 429)
    return isinstance(error, urllib.error.URLError) and not isinstance(error.reason, TimeoutError) and not came


def unreachable(url: str, error: Exception) -> DubbenchError:
    """The one line for a server that does not answer, or says no."""
    host = urlsplit(url).netloc
    if isinstance(error, urllib.error.HTTPError):
        said = " ".join(str(error.reason).split())  # of a redirect loop, several lines
        return DubbenchError(f"{url}: {host} answered {error.code} {said}; try again later")
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return DubbenchError(f"{url}: {host} cannot be reached ({why}); check the network, then run the same command again")
