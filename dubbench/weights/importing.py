"""Weights copied here by hand: from a file, or from all files under a folder (another machine's assets, say)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import file_digest
from dubbench.weights.catalogue import (
    LOCK,
    Asset,
    Lock,
    Part,
    asset,
    assets,
    folder_of,
    read_lock,
    target_of,
    write_lock,
)
from dubbench.weights.store import Say, alone, converted, make_converted, note, pinned_digest

_digest = cache(file_digest)


def take(path: Path, name: str = "", convert_too: bool = False, say: Say = print) -> list[str]:
    """Copy in every weight that is found; nothing is moved, and what is here stays until the copy is whole.

    A published file is known by its digest, whatever it is called. Where no digest is published it is known by the
    lock beside it (``NAME/lock.json``), or by its name. A converted file comes along with such a lock.

    Args:
        path: file or folder.
        name: of the weight, where neither digest nor file name tells.
        convert_too: whether pickles may be read, in a process of its own.
        say: told what was done, a line each.

    Returns:
        The names of the weights that were brought.

    Raises:
        DubbenchError: nothing of use there, a known name with other content, or no room.
    """
    if not path.exists():
        raise DubbenchError(f"{path}: no such file or folder")
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    items = [asset(name)] if name else list(assets().values())
    _digest.cache_clear()
    found = [item for item in items if _bring(item, files, bool(name), path.is_file(), say)]
    if not found:
        listed = ", ".join(sorted({part.file for item in items for part in item.files}))
        raise DubbenchError(f"{path}: nothing that dubbench knows; it knows {listed}")
    for item in found:
        if item.convert and not converted(item, read_lock(item)):
            if convert_too:
                with alone(item):
                    make_converted(item, read_lock(item), say)
            else:
                say(f"{item.name}: not converted yet; dubbench assets fetch {item.name} --convert does it")
    return [item.name for item in found]


def _bring(item: Asset, files: Sequence[Path], named: bool, alone_there: bool, say: Say) -> bool:
    """Copy a weight's published files, and its converted one, if they are among ``files``."""
    mine, theirs = _my_lock(item), _their_lock(item, files)
    chosen: dict[str, Path] = {}
    for part in item.files:
        pinned = part.sha256 or pinned_digest(mine, part) or pinned_digest(theirs, part)
        file = _published(part, pinned, files, named)
        if file is not None:
            chosen[part.file] = file
        elif alone_there and any(f.name == part.file for f in files) and _only_one_has(part.file):
            raise DubbenchError(f"{next(iter(files))}: not the published {item.name}; its digest differs")
    made = _made_elsewhere(item, theirs, files)
    source = item.sha256 or pinned_digest(mine, item) or pinned_digest(theirs, item)
    if made is not None and theirs.converted_from != source:
        made = None
    if len(chosen) < len(item.files) and made is None:
        return False
    with alone(item):
        for name, file in chosen.items():
            _copy(file, folder_of(item) / name)
            note(item, mine, name)
            say(f"{item.name}: {name} from {file}")
        if made is not None:
            mine.files.setdefault(item.file, theirs.files[item.file])
            _copy(made, target_of(item))
            mine.converted_from = theirs.converted_from
            note(item, mine, made.name)
            say(f"{item.name}: {made.name} from {made}")
        mine.addresses |= theirs.addresses
        write_lock(item, mine)
    return True


def _my_lock(item: Asset) -> Lock:
    try:
        return read_lock(item)
    except DubbenchError:  # written anew if something comes for it, and no obstacle to the other weights
        return Lock()


def _their_lock(item: Asset, files: Iterable[Path]) -> Lock:
    for file in files:
        if file.name == LOCK and file.parent.name == item.name:
            try:
                return Lock.model_validate_json(file.read_bytes())
            except (OSError, ValueError):
                return Lock()
    return Lock()


def _published(part: Part, pinned: str, files: Sequence[Path], named: bool) -> Path | None:
    alone_named = named and len(files) == 1  # whatever it is called; among several, the first might be anything
    for file in files:
        if pinned:
            likely = file.stat().st_size == part.size if part.size else named or file.name == part.file
            if likely and _digest(file) == pinned:
                return file
        elif alone_named or (file.name == part.file and (named or _only_one_has(part.file))):
            return file
    return None


def _made_elsewhere(item: Asset, theirs: Lock, files: Iterable[Path]) -> Path | None:
    """The converted file beside the lock that tells its digest."""
    name = target_of(item).name
    if not item.convert or name not in theirs.files or item.file not in theirs.files:
        return None
    for file in files:
        if file.name == name and file.parent.name == item.name and _digest(file) == theirs.files[name].sha256:
            return file
    return None


def _only_one_has(file: str) -> bool:
    """Whether that file name tells the weight (``model.pt`` could be anybody's)."""
    return sum(file == part.file for item in assets().values() for part in item.files) == 1


def _copy(source: Path, target: Path) -> None:
    """Copy whole or not at all."""
    digest = _digest(source)
    if target.is_file() and (source.samefile(target) or file_digest(target) == digest):
        return
    part = target.with_name(f"{target.name}.import")
    try:
        shutil.copyfile(source, part)
        if file_digest(part) != digest:
            raise DubbenchError(f"{source}: reads differently each time; is the disk that it lies on in order?")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
