"""A run on disk: manifest, ledger of dubs, journal and parquet of scores.

    run.json         `Manifest`: what was run, on what, with what
    dubs.jsonl       ledger: a `DubRow` for every dub or failure, appended as it is made
    scores.jsonl     journal: a `ScoreRow` for every (system, clip, metric), appended as it is made
    scores.parquet   the same in one table, long form, sorted, written when scoring ends
    dubs/SYSTEM/     the wavs
    work/            silent videos and decoded references; may be deleted
    lock             who works here; the lock itself is the operating system's
    dubs.since, scores.since    when the present work on the ledger or journal began, for `dubbench status`
    X.I-of-N.Y       file X.Y of one shard, until `dubbench merge` (`dubbench.pipeline.shards`)
    board/           index.html, table.csv, table.md, timings.csv, paired.csv, matrix.csv, sometimes media/

Appended files survive a kill at any moment: a torn last line is dropped on reading and cut before the next append.
Everything else is written beside its place and renamed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dubbench.core.metric import Column, MetricInfo
from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.scores import Scores, each, read_scores
from dubbench.runtime.containment import contained, no_follow
from dubbench.runtime.files import Journal, durable, write_text
from dubbench.version import __version__

SCHEMA = 1
"""Raised whenever an older dubbench could not read a run, or would read it wrongly."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


R = TypeVar("R", bound=BaseModel)


class ClipRow(_Row):
    """One clip of the run.

    Attributes:
        id, speaker, text: as in `dubbench.core.clip.Clip`.
        video: path of the original video, for players. phones: path of exact phone timings, if any.
        digest: sha256 over text, video and audio bytes; empty if the clip could not be read.
        duration: of the video in seconds. fps: of the video, 25 where it has no constant rate.
        reference: id of the reference clip, or the name of a reference file (Setting 3.0); empty if there is none.
        reference_digest: digest of the reference clip or file. other_digest: of the clip that controls may use.
        problem: why the clip cannot be dubbed or scored at all (one line); empty if it can.
        truth_problem: why there is no ground-truth speech to compare with (one line); empty if there is.
        notes: what is odd in its video or sound, though it can be used; a line each.
        reference_problem: why there is no reference voice (one line); empty if there is. Only systems that need one,
            and metrics that compare with it, do without the clip then.
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
    notes: tuple[str, ...] = ()
    reference_problem: str = ""


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
    """What a run is.

    Attributes:
        split: the split's name (a list of ids is ``list:NAME@DIGEST``), with ``[N]`` where it was limited to N clips.
        clips: sorted by id. rejected: what could not become a clip: (its id or place, why).
        systems: in the order asked for.
        metrics: of the run; chosen: those that were asked for by name, empty for the profile's.
        files: names (without folder) of the files given as ``split``, ``pairing`` and ``voices``.
    """

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
    rejected: tuple[tuple[str, str], ...] = ()
    chosen: tuple[str, ...] = ()
    files: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    code: dict[str, str] = {}
    packages: dict[str, str] = {}
    hardware: dict[str, str] = {}

    @property
    def machine(self) -> str:
        """The hardware class of timings, in one line. How many processes score makes no difference to it."""
        return "; ".join(f"{name} {self.hardware[name]}" for name in sorted(self.hardware) if name != "workers")

    @property
    def comparability(self) -> str:
        """The class that rows must share to be ranked together (the column's signature comes on top)."""
        return f"{self.dataset}/{self.split}/{self.setting}@{self.pairing_digest}+{self.data_digest}"


class DubRow(_Row):
    """One dub or failure.

    Attributes:
        path: of the wav, relative to the run; empty for a failure. reason: why there is none; empty for a dub.
        digest: sha256 of the wav's bytes. rate: in Hz. seconds: its length.
        timings: seconds spent; ``total`` is the harness's own measure, the others are the system's.
        machine: the hardware that the timings belong to, in one line.
    """

    system: str
    clip: str
    key: str
    path: str = ""
    reason: str = ""
    digest: str = ""
    rate: int = 0
    seconds: float = 0.0
    timings: dict[str, float] = Field(default_factory=dict)
    machine: str = ""
    extras: dict[str, Any] = Field(default_factory=dict)

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if path and (parts[0] != "dubs" or ".." in parts or "\\" in path or "\0" in path):
            raise ValueError("the path of a dub lies in dubs/")
        return path

    @model_validator(mode="after")
    def _one_of_two(self) -> DubRow:
        if bool(self.path) == bool(self.reason):
            raise ValueError("a dub has a path, a failure a reason, and no row both or neither")
        return self


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
    """A whole run as a board sees it.

    Attributes:
        dubs: one row a (system, clip) that was dubbed or failed.
        columns: (system, metric) -> its scores over the manifest's clips.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    path: Path
    manifest: Manifest
    dubs: tuple[DubRow, ...]
    columns: dict[tuple[str, str], Scores]

    @property
    def scores(self) -> tuple[ScoreRow, ...]:
        """The same as rows, one a (system, clip, metric), sorted: made anew each time, so only for small runs."""
        clips = self.manifest.clips
        return tuple(
            ScoreRow(system=system, clip=clips[i].id, metric=metric, key="", stats=stats, reason=reason)
            for system, metric, i, stats, reason in each(self.columns)
        )


_SHARED = ("system", "clip", "machine")


def slug(label: str) -> str:
    """``label`` as a folder name: what is not a letter, digit, ``-``, ``_`` or ``.`` becomes ``_``."""
    return re.sub(r"[^\w.-]+", "_", label).strip("._") or "system"


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
        with open(path, encoding="utf-8", opener=no_follow) as file:
            told = json.load(file)
        schema = told["schema_version"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise DubbenchError(f"{path}: not a manifest of dubbench ({one_line(error)}); run again") from error
    if schema != SCHEMA:
        by = told.get("code", {}).get("dubbench", "?")
        raise DubbenchError(
            f"{path}: schema {schema}, made by dubbench {by}; this dubbench {__version__} reads schema "
            f"{SCHEMA}: use the one that made it, or run again into a new folder"
        )
    try:
        return Manifest.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DubbenchError(
            f"{path}: not readable by this version of dubbench ({where}: {first['msg']}); run again into a new folder"
        ) from error


def ledger(run: Path, shard: str = "") -> Journal[DubRow]:
    """The ledger of dubs, of the run or of one shard (``2-of-8``), which goes on from the run's."""
    return _journal(run, "dubs", DubRow, shard)


def journal(run: Path, shard: str = "") -> Journal[ScoreRow]:
    """The journal of scores, of the run or of one shard (``2-of-8``), which goes on from the run's."""
    return _journal(run, "scores", ScoreRow, shard)


def _journal(run: Path, name: str, kind: type[R], shard: str) -> Journal[R]:
    whole = run / f"{name}.jsonl"
    return Journal(run / f"{name}.{shard}.jsonl", kind, earlier=whole) if shard else Journal(whole, kind)


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
    with durable(run / "scores.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(table, schema=schema), temporary)


def read_run(path: Path) -> Run:
    """Read a run for a board: the rows that belong to its manifest, from ``scores.parquet`` and the ledger.

    Raises:
        DubbenchError: not a run, or one that has not been scored yet.
    """
    contained(path)
    manifest = read_manifest(path)
    file = path / "scores.parquet"
    if not file.is_file():
        raise DubbenchError(f"{path}: not scored yet; run: dubbench score {path}")
    clips = [clip.id for clip in manifest.clips]
    known = set(clips)
    dubs: dict[tuple[str, str], DubRow] = {}
    fields, texts = set(DubRow.model_fields), {clip: clip for clip in clips}  # one for all rows: they are many
    for dub in ledger(path).read():
        if dub.system in manifest.systems and dub.clip in known:
            values = {name: texts.setdefault(x, x) if name in _SHARED else x for name, x in dub}
            dubs[values["system"], values["clip"]] = DubRow.model_construct(fields, **values)
    return Run(
        path=path,
        manifest=manifest,
        dubs=tuple(dubs[key] for key in sorted(dubs)),
        columns=read_scores(file, tuple(manifest.systems), tuple(manifest.metrics), clips),
    )
