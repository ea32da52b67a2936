"""A scored run as a bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards.submissions.archive import Contents, write_archive
from dubbench.leaderboards.submissions.private import Private, without_paths
from dubbench.pipeline.scores import each
from dubbench.pipeline.store import DubRow, Run, ScoreRow, ledger, read_run, slug, write_manifest, write_scores
from dubbench.runtime.digests import file_digest


def bundle(run: Path, out: Path, controls: bool = True) -> Contents:
    """Pack a run into one file.

    Args:
        run: a scored run folder.
        out: the file.
        controls: keep the controls; some of their dubs are the data set's own sound.

    Raises:
        DubbenchError: not scored, still being written, a dub that is gone or not the one that was scored, or a text
            that still names a folder of this machine.
    """
    loaded = read_run(run)
    if not controls:
        loaded = _without_controls(loaded)
    lacking = [(s, c.id) for s in loaded.manifest.systems for c in loaded.manifest.clips]
    done = {(row.system, row.clip) for row in loaded.dubs}
    if missing := next((pair for pair in lacking if pair not in done), None):
        raise DubbenchError(
            f"{run}: {missing[0]} has neither a dub nor a failure for {missing[1]}; finish the run first"
        )
    shared = without_paths(loaded)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_manifest(place, shared.manifest)
        dubs = [row.model_copy(update={"path": _place(row)}) for row in shared.dubs]
        ledger(place).append(dubs)
        write_scores(place, shared.manifest, _rows(shared))
        _no_path_left(place, Private(run, loaded.manifest.root))
        files = {name: place / name for name in ("run.json", "dubs.jsonl", "scores.parquet")}
        return write_archive(out, {**files, **dict(_wavs(loaded, dubs))})


def _without_controls(run: Run) -> Run:
    kept = {label: entry for label, entry in run.manifest.systems.items() if not entry.info.privileged}
    if not kept:
        raise DubbenchError(f"{run.path}: holds controls alone; nothing is left to pack")
    return run.model_copy(
        update={
            "manifest": run.manifest.model_copy(update={"systems": kept}),
            "dubs": tuple(row for row in run.dubs if row.system in kept),
            "columns": {key: found for key, found in run.columns.items() if key[0] in kept},
        }
    )


def _rows(run: Run) -> Iterator[ScoreRow]:
    for system, metric, i, stats, reason in each(run.columns):
        clip = run.manifest.clips[i].id
        yield ScoreRow(system=system, clip=clip, metric=metric, key="", stats=stats, reason=reason)


def _place(row: DubRow) -> str:
    """Where a dub lies in the bundle: in a folder that is named after its label there."""
    return f"dubs/{slug(row.system)}/{Path(row.path).name}" if row.path else ""


def _wavs(run: Run, dubs: Sequence[DubRow]) -> Iterator[tuple[str, Path]]:
    """(name in the bundle, file) of every dub; the rows of the run and of the bundle are in one order."""
    for row, told in zip(run.dubs, dubs, strict=True):
        if not row.path:
            continue
        file = run.path / row.path
        if not file.is_file():
            raise DubbenchError(f"{file}: the dub is gone; give the command that made this run again")
        if file_digest(file) != row.digest:
            raise DubbenchError(f"{file}: not the dub that was scored (its digest differs); make it and score it again")
        yield told.path, file


def _no_path_left(folder: Path, private: Private) -> None:
    """Raise if a table still names a private folder."""
    for name in ("run.json", "dubs.jsonl"):
        text = (folder / name).read_text(encoding="utf-8")
        for path in private.known:
            if f"{path}/" in text:
                at = text.index(f"{path}/")
                raise DubbenchError(
                    f"{name} would name a folder of this machine: …{text[max(0, at - 60) : at + 60]!a}…; "
                    "take it out of the options of the metric or the clip's text"
                )
