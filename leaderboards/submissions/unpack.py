"""A bundle as a run again: in a folder of its own, and only if its tables say what its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dubbench.errors import DubbenchError, one_line
from dubbench.leaderboards.submissions.archive import MOST_TABLE, Contents, read_archive
from dubbench.pipeline.store import Manifest, Run, read_manifest, read_run

MOST_CELLS, MOST_STATISTICS = 50_000_000, 100
"""Scores of a bundle, and statistics of each; a bundle with more is refused."""


@dataclass(frozen=True)
class Opened:
    """A bundle in a folder, with what it says of itself."""

    bundle: Path
    contents: Contents
    run: Run


def unpack(bundle: Path, folder: Path) -> Opened:
    """Unpack a bundle into ``folder`` (empty) and read it.

    Raises:
        DubbenchError: refused (`dubbench.leaderboards.submissions.archive`), a ledger and dubs that are not each
            other's, or names that could do something elsewhere (a formula in a spreadsheet, a line break in a table).
    """
    contents = read_archive(bundle, folder)
    try:
        _reasonable(folder)
        run = read_run(folder)
    except DubbenchError as error:
        raise DubbenchError(f"{bundle}: {str(error).replace(str(folder), bundle.name)}") from error
    _plain_names(bundle, run.manifest)
    claimed = {row.path: row.digest for row in run.dubs if row.path}
    for path, digest in claimed.items():
        part = contents.parts.get(path)
        if part is None or part.sha256 != digest:
            raise DubbenchError(f"{bundle}: {path!a} is not the dub that was scored (its digest differs); refused")
    if extra := sorted(name for name in contents.parts if name.endswith(".wav") and name not in claimed):
        raise DubbenchError(f"{bundle}: {extra[0]!a} belongs to no system; refused")
    done = {(row.system, row.clip) for row in run.dubs}
    for label in run.manifest.systems:
        for clip in run.manifest.clips:
            if (label, clip.id) not in done:
                raise DubbenchError(f"{bundle}: {label!a} has neither a dub nor a failure for {clip.id!a}; refused")
    return Opened(bundle, contents, run)


def _reasonable(folder: Path) -> None:
    """Raise if the statistics would grow beyond measure when they are read: a small table can declare a huge one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    told = read_manifest(folder)
    cells = len(told.systems) * len(told.clips) * len(told.metrics)
    file = folder / "scores.parquet"
    try:
        with pq.ParquetFile(file) as table:
            rows = table.metadata.num_rows
            size = sum(table.metadata.row_group(i).total_byte_size for i in range(table.metadata.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise DubbenchError(f"{file}: not a table of scores ({one_line(error)})") from error
    if cells > MOST_CELLS or rows > MOST_STATISTICS * max(1, cells) or size > MOST_TABLE:
        raise DubbenchError(f"{file}: {rows} rows of {size >> 20} MiB for {cells} scores; refused")


def _plain_names(bundle: Path, manifest: Manifest) -> None:
    names = [("system", label) for label in manifest.systems]
    names += [("metric", name) for name in manifest.metrics]
    names += [("column", column.name) for entry in manifest.metrics.values() for column in entry.columns]
    names += [("clip", clip.id) for clip in manifest.clips]
    names += [("speaker", clip.speaker) for clip in manifest.clips if clip.speaker]
    names += [("data set", manifest.dataset), ("split", manifest.split), ("setting", manifest.setting)]
    for kind, name in names:
        if not name.strip() or not name.isprintable() or name[0] in "=+-@" or len(name) > 300:
            raise DubbenchError(f"{bundle}: {name[:80]!a} cannot be the name of a {kind}; refused")
