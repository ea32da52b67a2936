"""A bundle as a run again: in a folder of its own, and only if its tables say what its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards.submissions.archive import Contents, read_archive
from dubbench.pipeline.store import Manifest, Run, read_run


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
