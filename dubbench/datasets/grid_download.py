"""Fetch GRID from Zenodo."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from dubbench.datasets.base import DatasetInfo
from dubbench.datasets.grid_splits import SPEAKER
from dubbench.datasets.walk import VIDEO_SUFFIXES
from dubbench.errors import DubbenchError
from dubbench.runtime.download import Bytes, Remote, fetch, read_url
from dubbench.runtime.files import atomic

Say = Callable[[str], object]

GRID_RECORD = "https://zenodo.org/api/records/3625687"
GRID_KNOWN = {"s1.zip": "md5:cbd6556668f061b5c3681bc722659b39"}
"""Digests known from elsewhere: the record must agree."""
WANTED = VIDEO_SUFFIXES | {".align"}


def grid_record(address: str = GRID_RECORD) -> dict[str, Remote]:
    """The files of GRID's Zenodo record, by name, with sizes and digests.

    Raises:
        DubbenchError: unreachable, or not the record that is known.
    """
    try:
        files = [
            Remote(str(f["key"]), str(f["links"]["self"]), int(f["size"]), str(f["checksum"]))
            for f in json.loads(read_url(address))["files"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DubbenchError(f"{address}: the answer is not a Zenodo record ({error!r}); try again later") from error
    record = {file.name: file for file in files}
    for name, digest in GRID_KNOWN.items():
        if name not in record or record[name].digest != digest:
            raise DubbenchError(f"{address}: {name} is not the published one ({digest}); tell us, the record changed")
    return record


def download_grid(
    root: Path,
    info: DatasetInfo,
    speakers: Sequence[str] | None = None,
    say: Say = print,
    progress: Bytes | None = None,
    address: str = GRID_RECORD,
) -> None:
    """Fetch and unpack GRID's videos and alignments into ``root``; what is there already is not fetched again.

    Args:
        root: becomes a `dubbench.datasets.grid.GridDataset` folder.
        info: whose licence and citation are said.
        speakers: ``s1`` … ``s34`` without ``s21``; None for all (about 16 GB).
        say: told the licence and the sizes before anything is fetched, then each finished archive.
        progress: told of the bytes.
        address: of the record.

    Raises:
        DubbenchError: unknown speaker, unreachable, wrong digest, unsafe archive, or no room.
    """
    say(f"GRID: licence {info.licence}; {info.citation}; {info.address}")
    record = grid_record(address)
    available = {name.removesuffix(".zip"): name for name in record if SPEAKER.fullmatch(name.removesuffix(".zip"))}
    unknown = sorted(set(speakers or ()) - set(available))
    if unknown:
        raise DubbenchError(f"GRID has no videos of {', '.join(unknown)}; there are s1 … s34 without s21")
    wanted = [record[available[s]] for s in sorted(speakers or available, key=lambda s: int(s[1:]))]
    if "alignments.zip" in record:
        wanted.insert(0, record["alignments.zip"])
    todo = [file for file in wanted if _done(root, file) != file.digest]
    size = sum(file.size for file in todo) / 1e9
    say(f"{len(todo)} of {len(wanted)} archives to fetch, {size:.1f} GB, into {root}")
    for file in todo:
        archive = root / "archives" / file.name
        fetch(file, archive, progress)
        count = unpack(archive, root, file.name.removesuffix(".zip"))
        with atomic(_marker(root, file)) as temporary:
            temporary.write_text(file.digest, "utf-8")
        archive.unlink()
        say(f"{file.name}: {count:,} files")
    if todo and not any((root / "archives").iterdir()):
        (root / "archives").rmdir()


def _marker(root: Path, file: Remote) -> Path:
    return root / ".fetched" / file.name


def _done(root: Path, file: Remote) -> str:
    marker = _marker(root, file)
    return marker.read_text("utf-8") if marker.is_file() else ""


def unpack(archive: Path, root: Path, folder: str) -> int:
    """Unpack the videos and alignments of a zip into ``root/folder``, whether or not the zip has that folder itself.

    Files that are there with the right size stay. Hidden files and ``__MACOSX`` are left out.

    Returns:
        How many files the archive holds.

    Raises:
        DubbenchError: damaged, or with a path that leads elsewhere (nothing is unpacked then).
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [(info, _inside(archive, info, folder)) for info in zipped.infolist() if not info.is_dir()]
            kept = [(info, path) for info, path in members if path is not None]
            for info, path in kept:
                target = root / path
                if target.is_file() and target.stat().st_size == info.file_size:
                    continue
                with atomic(target) as temporary, zipped.open(info) as source, temporary.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise DubbenchError(f"{archive}: not a whole zip ({error}); delete it and fetch it again") from error
    return len(kept)


def _inside(archive: Path, info: zipfile.ZipInfo, folder: str) -> PurePosixPath | None:
    """Where a member goes below the root; None if it is not wanted."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    unsafe = path.is_absolute() or ".." in path.parts or PureWindowsPath(info.filename).drive
    if unsafe or stat.S_ISLNK(info.external_attr >> 16):
        raise DubbenchError(f"{archive}: unsafe path {info.filename!a} in the archive; nothing was unpacked")
    if "__MACOSX" in path.parts or any(part.startswith(".") for part in path.parts):
        return None
    if path.suffix.lower() not in WANTED:
        return None
    return path if path.parts[0] == folder else PurePosixPath(folder) / path
