"""The file of a bundle: a zip with a list of its parts, and what is refused before any part of it is written.

    bundle.json      `Contents`: every other part with its sha256 and size
    run.json         the manifest, without private paths
    dubs.jsonl       the ledger of dubs
    scores.parquet   the statistics of every (system, clip, metric)
    dubs/SYSTEM/     the wavs

Equal runs give equal bytes: parts are sorted and have no time.
"""

from __future__ import annotations

import hashlib
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.containment import no_follow
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.files import atomic
from dubbench.version import __version__

SCHEMA = 1

LIST = "bundle.json"

TABLES = ("run.json", "dubs.jsonl", "scores.parquet")
"""The parts that every bundle has."""

MOST_PARTS, MOST_BYTES, MOST_TABLE, MOST_WAV = 200_000, 32 << 30, 1 << 30, 256 << 20
"""Parts, bytes of all parts together, of one table, of one wav; a bundle with more is refused."""

RATIO = 200
"""A part that grows more than this when it is unpacked is refused if it has over a megabyte: no sound and no table of
scores does."""

_WAV = re.compile(r"dubs/[^/]+/[^/]+\.wav")


class Part(BaseModel):
    """sha256 (hex) and bytes of a part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int


class Contents(BaseModel):
    """What a bundle holds: name -> `Part`; ``dubbench`` is the version that packed it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA
    dubbench: str = __version__
    parts: dict[str, Part]

    @property
    def digest(self) -> str:
        """What the bundle is known by: 16 hex digits over all parts."""
        return digest({name: part.sha256 for name, part in self.parts.items()})[:16]


def write_archive(out: Path, files: Mapping[str, Path]) -> Contents:
    """Write a bundle of these files (name in the bundle -> where it lies)."""
    parts = {name: Part(sha256=file_digest(files[name]), size=files[name].stat().st_size) for name in sorted(files)}
    contents = Contents(parts=parts)
    with atomic(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr(plain_entry(LIST), contents.model_dump_json(indent=1) + "\n", zipfile.ZIP_DEFLATED, 6)
        for name in sorted(files):
            entry = plain_entry(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with files[name].open("rb") as source, archive.open(entry, "w", force_zip64=True) as target:
                while block := source.read(1 << 20):
                    target.write(block)
    return contents


def plain_entry(name: str) -> zipfile.ZipInfo:
    """A file of a zip, without time or owner."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    entry.create_system = 3
    return entry


def read_archive(bundle: Path, folder: Path) -> Contents:
    """Unpack a bundle into an empty folder; every part is held against its digest.

    Nothing is written before all names, sizes and kinds are found to be in order, and never more than was declared.

    Raises:
        DubbenchError: no bundle, a damaged one, or one with anything in it that a bundle has not.
    """
    with _opened(bundle) as archive:
        entries = _checked(bundle, archive)
        contents = _contents(bundle, archive, entries)
        for name, part in contents.parts.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            found, size = hashlib.sha256(), 0
            with archive.open(entries[name]) as source, target.open("xb") as file:
                while block := source.read(1 << 20):
                    size += len(block)
                    if size > part.size:
                        raise DubbenchError(f"{bundle}: {name!a} is longer than declared; refused")
                    found.update(block)
                    file.write(block)
            if (size, found.hexdigest()) != (part.size, part.sha256):
                raise DubbenchError(f"{bundle}: {name!a} is not what {LIST} declares (its digest differs); refused")
    return contents


@contextmanager
def _opened(bundle: Path) -> Iterator[zipfile.ZipFile]:
    if not bundle.is_file():
        raise DubbenchError(f"{bundle}: no such file; give a bundle, made by: dubbench bundle RUN")
    try:
        with open(bundle, "rb", opener=no_follow) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None and error.filename != str(bundle):
            raise  # of the place that is written to
        raise DubbenchError(
            f"{bundle}: not a bundle, or a damaged one ({one_line(error)}); ask for it again"
        ) from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "struct"):
            raise DubbenchError(f"{bundle}: damaged ({one_line(error)}); ask for it again") from error
        raise


def _checked(bundle: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Name -> entry, each of them a plain file with a name that a bundle has."""
    listed = archive.infolist()
    if len(listed) > MOST_PARTS:
        raise DubbenchError(f"{bundle}: {len(listed)} parts, more than {MOST_PARTS}; refused")
    total = sum(entry.file_size for entry in listed)
    if total > MOST_BYTES:
        raise DubbenchError(f"{bundle}: unpacks to {total >> 20} MiB, more than {MOST_BYTES >> 20}; refused")
    entries: dict[str, zipfile.ZipInfo] = {}
    seen: set[str] = set()
    for entry in listed:
        if why := _refused(entry):
            raise DubbenchError(f"{bundle}: {entry.filename[:80]!a} {why}; refused, nothing was unpacked")
        alike = unicodedata.normalize("NFC", entry.filename).casefold()
        if alike in seen:
            raise DubbenchError(f"{bundle}: {entry.filename[:80]!a} is there twice; refused, nothing was unpacked")
        seen.add(alike)
        entries[entry.filename] = entry
    return entries


def _refused(entry: zipfile.ZipInfo) -> str:
    """Why an entry cannot be part of a bundle; empty if it can."""
    name, mode = entry.orig_filename, entry.external_attr >> 16
    folders = name.split("/")
    if name.startswith("/") or "\\" in name or ":" in name or ".." in folders or "." in folders:
        return "leads out of the bundle's folder"
    if not name.isprintable() or len(name) > 400:
        return "is no name of a file"
    if entry.is_dir() or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        return "is a link, a folder or no regular file"
    if name not in (LIST, *TABLES) and not _WAV.fullmatch(name):
        return "is no part of a bundle"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in an unusual way"
    if entry.file_size > (MOST_WAV if name.endswith(".wav") else MOST_TABLE):
        return f"unpacks to {entry.file_size >> 20} MiB"
    if entry.file_size > 1 << 20 and entry.file_size > RATIO * max(1, entry.compress_size):
        return f"grows {entry.file_size // max(1, entry.compress_size)} times when it is unpacked"
    return ""


def _contents(bundle: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> Contents:
    if LIST not in entries:
        raise DubbenchError(f"{bundle}: no {LIST} in it, so it is no bundle; make one with: dubbench bundle RUN")
    try:
        contents = Contents.model_validate_json(archive.read(entries[LIST]))
    except (ValidationError, ValueError) as error:
        raise DubbenchError(
            f"{bundle}: {LIST} cannot be read; it was made by another version, or is damaged"
        ) from error
    if contents.schema_version != SCHEMA:
        raise DubbenchError(f"{bundle}: schema {contents.schema_version}, this dubbench reads {SCHEMA}")
    if missing := sorted({*contents.parts, *TABLES} - {*entries}):
        raise DubbenchError(f"{bundle}: {missing[0]!a} is missing; ask for the bundle again")
    if extra := sorted({*entries} - {*contents.parts, LIST}):
        raise DubbenchError(f"{bundle}: {extra[0]!a} is not in {LIST}; refused")
    return contents
