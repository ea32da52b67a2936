"""A run on disk: manifest, ledger of dubs, journal and parquet of scores.

    run.json         `Manifest`: what was run, on what, with what
    dubs.jsonl       ledger: a `DubRow` for every dub or failure, appended as it is made
    scores.jsonl     journal: a `ScoreRow` for every (system, clip, metric), appended as it is made
    scores.parquet   the same in one table, long form, sorted, written when scoring ends
    dubs/SYSTEM/     the wavs
    work/            silent videos and decoded references; may be deleted
    board/           index.html, table.csv, table.md, timings.csv, paired.csv, matrix.csv, sometimes media/

Appended files survive a kill at any moment: a torn last line is dropped on reading and cut before the next append.
Everything else is written beside its place and renamed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from dubbench.errors import DubbenchError
from dubbench.media import atomic
from dubbench.metric import Column, MetricInfo
from dubbench.system import SystemInfo

SCHEMA = 1


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClipRow(_Row):
    """One clip of the run.

    Attributes:
        id, speaker, text: as in `dubbench.clip.Clip`.
        video: path of the original video, for players. phones: path of exact phone timings, if any.
        digest: sha256 over text, video and audio bytes; empty if the clip could not be read.
        duration: of the video in seconds. fps: of the video.
        reference: id of the reference clip, or the name of a reference file (Setting 3.0); empty if there is none.
        reference_digest: digest of the reference clip or file. other_digest: of the clip that controls may use.
        problem: why the clip cannot be dubbed or scored at all (one line); empty if it can.
        truth_problem: why there is no ground-truth speech to compare with (one line); empty if there is.
    """

    id: str
    speaker: str
    text: str
    video: str
    phones: str = ""
    digest: str = ""
    duration: float = 0.0
    fps: float = 0.0
    reference: str = ""
    reference_digest: str = ""
    other_digest: str = ""
    problem: str = ""
    truth_problem: str = ""


class SystemEntry(_Row):
    """A system of the run: the spec that made it, and what it said about itself."""

    spec: str
    info: SystemInfo
    digest: str


class MetricEntry(_Row):
    """A metric of the run with its columns, so that a board needs no metric code."""

    info: MetricInfo
    columns: tuple[Column, ...]
    signature: str


class Manifest(_Row):
    """What a run is. ``systems`` is in the order asked for; ``clips`` is sorted by id."""

    schema_version: int = SCHEMA
    dataset: str
    root: str
    split: str
    setting: str
    pairing_digest: str
    data_digest: str
    seed: int
    profile: str
    clips: tuple[ClipRow, ...]
    systems: dict[str, SystemEntry]
    metrics: dict[str, MetricEntry]
    notes: tuple[str, ...] = ()
    code: dict[str, str] = {}
    packages: dict[str, str] = {}
    hardware: dict[str, str] = {}

    @property
    def comparability(self) -> str:
        """The class that rows must share to be ranked together (the column's signature comes on top)."""
        return f"{self.dataset}/{self.split}/{self.setting}@{self.pairing_digest}+{self.data_digest}"


class DubRow(_Row):
    """One dub or failure. ``path`` is relative to the run; ``reason`` is empty where there is a dub."""

    system: str
    clip: str
    key: str
    path: str = ""
    reason: str = ""
    digest: str = ""
    rate: int = 0
    seconds: float = 0.0
    timings: dict[str, float] = {}
    extras: dict[str, Any] = {}


class ScoreRow(_Row):
    """Statistics of one (system, clip, metric), or the reason why there are none.

    ``error`` marks a metric that broke (raised, hung or died) instead of declining the clip.
    """

    system: str
    clip: str
    metric: str
    key: str
    stats: dict[str, float] = {}
    reason: str = ""
    error: bool = False


class Run(BaseModel):
    """A whole run as a board sees it: one score row a (system, clip, metric), one dub row a (system, clip)."""

    path: Path
    manifest: Manifest
    dubs: tuple[DubRow, ...]
    scores: tuple[ScoreRow, ...]


def slug(label: str) -> str:
    """``label`` as a folder name: what is not a letter, digit, ``-``, ``_`` or ``.`` becomes ``_``."""
    return re.sub(r"[^\w.-]+", "_", label).strip("._") or "system"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_manifest(run: Path, manifest: Manifest) -> None:
    """Write ``run.json`` atomically."""
    write_text(run / "run.json", manifest.model_dump_json(indent=1) + "\n")


def read_manifest(run: Path) -> Manifest:
    """Read ``run.json``.

    Raises:
        DubbenchError: no run there, or one that this version cannot read.
    """
    path = run / "run.json"
    if not path.is_file():
        raise DubbenchError(f"{run}: not a run folder (no run.json); give the --out folder of a dubbench run")
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DubbenchError(
            f"{path}: not readable by this version of dubbench ({where}: {first['msg']}); run again into a new folder"
        ) from error


class Journal:
    """An append-only JSONL file that survives a kill at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Iterator[dict[str, Any]]:
        """Every whole line; a torn last line is left out.

        Raises:
            DubbenchError: a line before the last is damaged.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise DubbenchError(
                        f"{self.path}: line {number} is damaged ({error}); delete the line and run again"
                    ) from error

    def append(self, rows: Iterable[BaseModel]) -> None:
        """Append rows and flush them to the disk; a torn last line is cut first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(row.model_dump_json() + "\n" for row in rows).encode()
        with self.path.open("a+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                keep = _whole(file, size)
                if keep != size:
                    file.truncate(keep)
            file.write(data)
            file.flush()


def _whole(file: Any, size: int) -> int:
    """Size of the file without a torn last line."""
    file.seek(size - 1)
    if file.read(1) == b"\n":
        return size
    file.seek(0)
    return int(file.read().rfind(b"\n")) + 1


def ledger(run: Path) -> Journal:
    """The ledger of dubs."""
    return Journal(run / "dubs.jsonl")


def journal(run: Path) -> Journal:
    """The journal of scores."""
    return Journal(run / "scores.jsonl")


def write_scores(run: Path, manifest: Manifest, rows: Iterable[ScoreRow]) -> None:
    """Write ``scores.parquet``: system, clip, speaker, metric, signature, stat, value, reason; sorted.

    One row a statistic; an unscored clip is one row with ``stat`` and ``value`` null and the reason.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    speakers = {clip.id: clip.speaker for clip in manifest.clips}
    marks = {name: entry.signature for name, entry in manifest.metrics.items()}
    table: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda r: (r.system, r.clip, r.metric)):
        base = {
            "system": row.system,
            "clip": row.clip,
            "speaker": speakers[row.clip],
            "metric": row.metric,
            "signature": marks[row.metric],
        }
        for stat, value in sorted(row.stats.items()):
            table.append({**base, "stat": stat, "value": value, "reason": None})
        if row.reason:
            table.append({**base, "stat": None, "value": None, "reason": row.reason})
    text = ("system", "clip", "speaker", "metric", "signature", "stat")
    schema = pa.schema([*((name, pa.string()) for name in text), ("value", pa.float64()), ("reason", pa.string())])
    with atomic(run / "scores.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(table, schema=schema), temporary)


def read_run(path: Path) -> Run:
    """Read a run for a board: the rows that belong to its manifest, from ``scores.parquet`` and the ledger.

    Raises:
        DubbenchError: not a run, or one that has not been scored yet.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(path)
    file = path / "scores.parquet"
    if not file.is_file():
        raise DubbenchError(f"{path}: not scored yet; run: dubbench score {path}")
    stats: dict[tuple[str, str, str], dict[str, float]] = {}
    reasons: dict[tuple[str, str, str], str] = {}
    for row in pq.read_table(file).to_pylist():
        where = (row["system"], row["clip"], row["metric"])
        found = stats.setdefault(where, {})
        if row["stat"] is not None:
            found[row["stat"]] = row["value"]
        if row["reason"]:
            reasons[where] = row["reason"]
    clips = {clip.id for clip in manifest.clips}
    dubs: dict[tuple[str, str], DubRow] = {}
    for line in ledger(path).read():
        dub = DubRow.model_validate(line)
        if dub.system in manifest.systems and dub.clip in clips:
            dubs[dub.system, dub.clip] = dub
    return Run(
        path=path,
        manifest=manifest,
        dubs=tuple(dubs[key] for key in sorted(dubs)),
        scores=tuple(
            ScoreRow(system=key[0], clip=key[1], metric=key[2], key="", stats=stats[key], reason=reasons.get(key, ""))
            for key in sorted(stats)
        ),
    )
