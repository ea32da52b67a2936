"""Weights that are not shipped: their descriptions (``catalogue.toml``), their places on disk and their digests.

This module only reads. `dubbench.weights.store` fetches, imports and verifies; `dubbench.weights.convert` turns pickles
into safetensors in a process of its own. Each weight has a folder of its name under `assets_dir`, with the published
file, what was converted from it, and ``lock.json``: the digests that were seen. The whole folder may be copied to a
machine without network.

A metric that loads weights names them on its class (``assets = ("syncnet-v2",)``), so that ``dubbench doctor`` and
``dubbench assets fetch --profile`` know them without creating it, and asks for `asset_digest` in its constructor.
"""

from __future__ import annotations

import json
import os
import tomllib
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.spelling import did_you_mean

LOCK = "lock.json"


class Part(BaseModel):
    """One file over HTTP.

    Attributes:
        file: its name in the weight's folder.
        address: never a moving branch, unless ``sha256`` pins the content; a hub's ``resolve/main`` becomes the commit
            that it is at on the first fetch.
        sha256: as published; None where nobody publishes one: then the user's lock pins it on the first fetch.
        size: in bytes; 0 where it is not known beforehand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    address: str
    sha256: str | None = None
    size: int = 0


class Asset(Part):
    """A weight: one file, or a folder of several (``parts``).

    Attributes:
        name: as in ``dubbench assets list``.
        summary: what it is, in a few words.
        licence: as its publisher states it.
        commercial: whether that licence allows commercial use.
        citation: paper or project behind it.
        convert: a function of `dubbench.weights.convert` (``state_dict``) or ``module:function``; None if the published
            file holds no executable format.
        options: for the converter.
        parts: further files; what `asset_path` gives is then the folder that holds all of them.
    """

    name: str
    summary: str = ""
    licence: str
    commercial: bool
    citation: str = ""
    convert: str | None = None
    options: dict[str, str | int | bool] = {}
    parts: tuple[Part, ...] = ()

    @property
    def files(self) -> tuple[Part, ...]:
        """All of its files."""
        first = Part(file=self.file, address=self.address, sha256=self.sha256, size=self.size)
        return (first, *self.parts)

    @property
    def total(self) -> int:
        """Size of all files together; 0 if one is unknown."""
        sizes = [part.size for part in self.files]
        return sum(sizes) if all(sizes) else 0


class Seen(BaseModel):
    """A file as it was last checked. ``modified`` saves reading gigabytes again: nanoseconds, as in ``stat``."""

    sha256: str
    size: int
    modified: int


class Lock(BaseModel):
    """What ``lock.json`` beside a weight says.

    Attributes:
        files: file name -> what was seen there; for a published file also after it was deleted.
        addresses: file name -> where it was fetched from, with the commit that a branch was at.
        converted_from: sha256 of the published file that the converted one was made from.
    """

    files: dict[str, Seen] = {}
    addresses: dict[str, str] = {}
    converted_from: str = ""


@cache
def assets() -> dict[str, Asset]:
    """All known weights by name, as ``catalogue.toml`` lists them."""
    table = tomllib.loads((files("dubbench.weights") / "catalogue.toml").read_text("utf-8"))
    return {name: Asset(name=name, **row) for name, row in table.items()}


def asset(name: str) -> Asset:
    """A weight by name.

    Raises:
        DubbenchError: there is none; with what was probably meant.
    """
    known = assets()
    if name in known:
        return known[name]
    raise DubbenchError(f"no weight named {name!r}{did_you_mean(name, known)} (dubbench assets list shows them)")


def assets_dir() -> Path:
    """Where the weights lie: ``$DUBBENCH_ASSETS``, else ``assets`` in the cache folder (not created here)."""
    override = os.environ.get("DUBBENCH_ASSETS")
    return Path(override).expanduser() if override else cache_dir() / "assets"


def folder_of(item: Asset) -> Path:
    """The folder of a weight (not created here)."""
    return assets_dir() / item.name


def target_of(item: Asset) -> Path:
    """Where its usable file, or its folder, is when it is here."""
    if item.parts:
        return folder_of(item)
    path = folder_of(item) / item.file
    return path.with_name(f"{path.name}.safetensors") if item.convert else path


def read_lock(item: Asset) -> Lock:
    """The lock beside a weight; an empty one if there is none.

    Raises:
        DubbenchError: unreadable.
    """
    path = folder_of(item) / LOCK
    try:
        return Lock.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Lock()
    except (OSError, ValueError) as error:
        raise DubbenchError(
            f"{path}: not readable as a lock; dubbench assets fetch {item.name}{' --convert' if item.convert else ''} "
            "writes it anew"
        ) from error


def write_lock(item: Asset, lock: Lock) -> None:
    """Write it whole or not at all."""
    path = folder_of(item) / LOCK
    temporary = path.with_name(f"{LOCK}.{os.getpid()}")
    temporary.write_text(json.dumps(lock.model_dump(), indent=1, sort_keys=True) + "\n", "utf-8")
    temporary.replace(path)


def have(name: str) -> bool:
    """Whether a weight is here and ready for use."""
    try:
        asset_path(name)
    except DubbenchError:
        return False
    return True


def asset_path(name: str) -> Path:
    """The usable file of a weight (converted where `Asset.convert` says so), or its folder if it has `Asset.parts`.

    Raises:
        DubbenchError: unknown, not here, not converted, or not the published bytes; with the command that mends it.
    """
    item = asset(name)
    _checked(item)
    return target_of(item)


def asset_digest(name: str) -> str:
    """sha256 (hex) of the published file, for `dubbench.core.metric.MetricInfo.weights`; over (file, sha256) of
    several.

    It is the published file's even where that was converted: so everybody can hold it against the publisher's, and it
    does not hang on the version of the converter's libraries. The converted file's own digest is in the lock, and it
    is only used while it is the one made from that published file.

    Raises:
        DubbenchError: as `asset_path`.
    """
    item = asset(name)
    seen = _checked(item)
    if not item.parts:
        return seen[item.file].sha256
    return digest([[part.file, seen[part.file].sha256] for part in item.files])


def _checked(item: Asset) -> dict[str, Seen]:
    """What is known of each published file, after a look at the files themselves.

    A file is read again only if its size or time changed since it was last checked; after a copy, therefore, once.
    """
    folder, lock = folder_of(item), read_lock(item)
    target = target_of(item)
    if item.convert and not target.is_file() and (folder / item.file).is_file():
        raise DubbenchError(
            f"{item.name} is fetched but not converted yet; dubbench assets fetch {item.name} --convert does it"
        )
    wanted = [target.name] if item.convert else [part.file for part in item.files]
    renewed = False
    for file in wanted:
        path = folder / file
        seen = lock.files.get(file)
        if seen is None or not path.is_file():
            raise DubbenchError(missing(item))
        stat = path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (seen.size, seen.modified):
            if stat.st_size != seen.size or file_digest(path) != seen.sha256:
                raise DubbenchError(
                    f"{path}: not the file that was fetched (its digest changed); dubbench assets fetch {item.name} "
                    "brings it again"
                )
            lock.files[file] = seen.model_copy(update={"modified": stat.st_mtime_ns})
            renewed = True
    for part in item.files:
        seen = lock.files.get(part.file)
        if seen is None:
            raise DubbenchError(missing(item))
        if part.sha256 and seen.sha256 != part.sha256:
            raise DubbenchError(
                f"{folder}: not the published {item.name} (sha256 {seen.sha256[:12]}… for {part.sha256[:12]}…); "
                f"dubbench assets fetch {item.name} brings it"
            )
    if item.convert and lock.converted_from != lock.files[item.file].sha256:
        raise DubbenchError(
            f"{target}: converted from another file; dubbench assets fetch {item.name} --convert makes it anew"
        )
    if renewed:
        with suppress(OSError):  # a shared folder that others may only read
            write_lock(item, lock)
    return lock.files


def missing(item: Asset) -> str:
    """The line for a weight that is not here."""
    size = f"{item.total / 1e6:,.0f} MB" if item.total else "size unknown"
    flag = " --convert" if item.convert else ""
    return (
        f"{item.name} is not here; dubbench assets fetch {item.name}{flag} brings it "
        f"({size}, {item.licence}{'' if item.commercial else ', not for commercial use'})"
    )
