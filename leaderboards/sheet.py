"""`Sheet`: the rows of one or several runs that may stand in one table.

Runs share a sheet only if their comparability class and the signatures of all metrics that they have in common are
equal; otherwise sheets are kept apart, and `differences` names the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dubbench.core.metric import Column, MetricInfo
from dubbench.leaderboards.statistics import Arrays, Bits, scored
from dubbench.pipeline.scores import Scores
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, Run, SystemEntry


@dataclass(frozen=True, slots=True)
class Entrant:
    """A system in a sheet: how it is called here, and where its rows come from."""

    label: str
    entry: SystemEntry
    run: Run
    name: str
    """Its label in ``run``."""

    @property
    def ranks(self) -> bool:
        """Controls are handed the ground truth and never rank."""
        return not self.entry.info.privileged


@dataclass(frozen=True, slots=True)
class Measure:
    """A column in a sheet with the recipe behind it."""

    metric: str
    column: Column
    info: MetricInfo
    signature: str
    profile: str


@dataclass(eq=False)
class Sheet:
    """One table's worth of runs. Build it with `sheets`."""

    runs: list[Run]
    entrants: dict[str, Entrant] = field(default_factory=dict)
    by_name: dict[tuple[str, str], Measure] = field(default_factory=dict)
    """(metric, column name) -> measure; two recipes may fill columns of one name."""
    scores: dict[tuple[str, str], Scores] = field(default_factory=dict)
    """(label, metric) -> its scores over the clips."""
    dubs: dict[tuple[str, str], DubRow] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _bits: dict[tuple[str, ...], Bits] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The first run's: every field of the comparability class is the same in all."""
        return self.runs[0].manifest

    @property
    def clips(self) -> tuple[ClipRow, ...]:
        """All clips asked for, sorted by id."""
        return self.manifest.clips

    @property
    def title(self) -> str:
        """Data set, split and setting in words."""
        m = self.manifest
        return f"{m.dataset} · {m.split} · Setting {m.setting}"

    @property
    def measures(self) -> list[Measure]:
        """All columns, in the order of the metrics."""
        return list(self.by_name.values())

    @property
    def count(self) -> int:
        """Number of clips asked for (N of n/N)."""
        return len(self.clips)

    @cached_property
    def ranking(self) -> list[str]:
        """Labels of the systems that may rank, in the order asked for."""
        return [label for label, entrant in self.entrants.items() if entrant.ranks]

    @cached_property
    def controls(self) -> list[str]:
        """Labels of the controls, in the order asked for."""
        return [label for label, entrant in self.entrants.items() if not entrant.ranks]

    def stats(self, label: str, measure: Measure) -> Arrays:
        """The statistics of a system under a measure's metric; empty if it was never scored by it."""
        found = self.scores.get((label, measure.metric))
        return found.stats if found else {}

    def asked(self, label: str, measure: Measure) -> bool:
        """Whether the system was to be scored in this column; in joined runs not all are in all."""
        return (label, measure.metric) in self.scores or measure.metric in self.entrants[label].run.manifest.metrics

    def scored(self, label: str, measure: Measure) -> Bits:
        """(N,) the clips that are scored in this column."""
        return self._once(
            ("scored", label, measure.metric, measure.column.name),
            lambda: scored(measure.column, self.stats(label, measure), self.count),
        )

    def dubbed(self, label: str) -> Bits:
        """(N,) the clips that the system made a dub of."""

        def found() -> Bits:
            rows = (self.dubs.get((label, clip.id)) for clip in self.clips)
            return np.fromiter((row is not None and not row.reason for row in rows), bool, self.count)

        return self._once(("dubbed", label), found)

    def full(self, measure: Measure) -> Bits:
        """(N,) the clips that any ranking system is scored on: what a system must cover to rank in this column."""
        keep = np.zeros(self.count, bool)
        for label in self.ranking:
            keep |= self.scored(label, measure)
        return keep

    def common(self, measure: Measure) -> Bits:
        """(N,) the clips that every ranking system dubbed and is scored on.

        A system that has none in this column (one that could not be loaded) says nothing about the others' clips.
        """

        def found() -> Bits:
            asked = [label for label in self.ranking if self.asked(label, measure)]
            done = [self.scored(label, measure) & self.dubbed(label) for label in asked]
            some = [bits for bits in done if bits.any()]
            keep = np.full(self.count, bool(some))
            for bits in some:
                keep &= bits
            return keep

        return self._once(("common", measure.metric, measure.column.name), found)

    def _once(self, key: tuple[str, ...], find: Callable[[], Bits]) -> Bits:
        """What ``find`` gives, found once and then kept: sheets do not change after `sheets` has made them."""
        if key not in self._bits:
            found = find()
            found.flags.writeable = False
            self._bits[key] = found
        return self._bits[key]

    def alike(self, measures: Sequence[Measure]) -> bool:
        """Whether all ranking systems are scored on the same clips, so that a table of common clips adds nothing."""
        return all(
            np.array_equal(self.scored(label, m), self.common(m))
            for m in measures
            for label in self.ranking
            if self.asked(label, m)
        )

    def dirty(self, label: str) -> bool:
        """Whether a system's run was made with changed files where another run of the sheet was not."""
        return dirty(self.entrants[label].run.manifest.code) and not all(dirty(r.manifest.code) for r in self.runs)

    def conditioned(self, label: str, measure: Measure) -> bool:
        """Whether the system was conditioned on the very speaker encoder that this column measures with."""
        encoder = measure.info.speaker_encoder
        return bool(encoder) and encoder in self.entrants[label].entry.info.conditioned_on


def dirty(code: Mapping[str, str]) -> bool:
    """Whether a run was made with changed files, so that its commit does not say which code it was."""
    return code.get("dirty", "").lower() in ("yes", "true", "1")


def sheets(runs: Sequence[Run]) -> list[Sheet]:
    """Runs joined into as few sheets as their comparability allows, in the order given."""
    out: list[Sheet] = []
    for number, run in enumerate(runs, 1):
        home = next((sheet for sheet in out if not _conflicts(sheet, run.manifest)), None)
        if home is None:
            home = Sheet([])
            out.append(home)
        _join(home, run, number)
    return out


def _conflicts(sheet: Sheet, other: Manifest) -> bool:
    mine = {measure.metric: measure.signature for measure in sheet.measures}
    return (
        sheet.manifest.comparability != other.comparability
        or [clip.id for clip in sheet.clips] != [clip.id for clip in other.clips]
        or any(mine.get(name, entry.signature) != entry.signature for name, entry in other.metrics.items())
    )


def _join(sheet: Sheet, run: Run, number: int) -> None:
    """Add a run's rows. A label that another run has taken with other dubs gets a number; equal dubs are one row."""
    sheet.runs.append(run)
    manifest = run.manifest
    for metric, entry in manifest.metrics.items():
        for column in entry.columns:
            measure = Measure(metric, column, entry.info, entry.signature, manifest.profile)
            sheet.by_name.setdefault((metric, column.name), measure)
    dubs = {(row.system, row.clip): row for row in run.dubs}
    labels: dict[str, str] = {}
    for name, system in manifest.systems.items():
        label = name
        if name in sheet.entrants and not _same(sheet, name, system, dubs):
            label = f"{name} [run {number}]"
            sheet.notes.append(f"{name} of run {number} made other dubs than before; it is shown as “{label}”.")
        labels[name] = label
        sheet.entrants.setdefault(label, Entrant(label, system, run, name))
        for clip in manifest.clips:
            if (name, clip.id) in dubs:
                sheet.dubs.setdefault((label, clip.id), dubs[name, clip.id])
    for (name, metric), found in run.columns.items():
        sheet.scores.setdefault((labels[name], metric), found)


def _same(sheet: Sheet, label: str, system: SystemEntry, dubs: Mapping[tuple[str, str], DubRow]) -> bool:
    """Whether a system of a later run is the one that stands here already: same identity, same dubs."""
    mine = sheet.entrants[label]
    pairs = ((sheet.dubs.get((label, clip.id)), dubs.get((mine.name, clip.id))) for clip in sheet.clips)
    return mine.entry.digest == system.digest and all(
        (a.digest, a.reason) == (b.digest, b.reason) if a and b else a is b for a, b in pairs
    )


def differences(a: Sheet, b: Sheet) -> list[str]:
    """Why rows of two sheets cannot be compared: one line a field that differs."""
    x, y = a.manifest, b.manifest
    fields = {
        "dataset": (x.dataset, y.dataset),
        "split": (x.split, y.split),
        "setting": (x.setting, y.setting),
        "pairing": (x.pairing_digest, y.pairing_digest),
        "data": (x.data_digest, y.data_digest),
    }
    out = [f"{name} differs: {left} / {right}" for name, (left, right) in fields.items() if left != right]
    if not out and [clip.id for clip in a.clips] != [clip.id for clip in b.clips]:
        out.append(f"data differs: {a.count} clips / {b.count} clips")
    theirs = {measure.metric: measure for measure in b.measures}
    for measure in {m.metric: m for m in a.measures}.values():
        other = theirs.get(measure.metric)
        if other and other.signature != measure.signature:
            changed = "; ".join(_recipe_changes(measure.info, other.info)) or "recipe"
            out.append(f"signature of {measure.metric} differs: {measure.signature} / {other.signature} ({changed})")
    return out


def _recipe_changes(a: MetricInfo, b: MetricInfo) -> list[str]:
    """The parts of two recipes that differ, as ``settings.rate 16000 / 22050``."""

    def flat(info: MetricInfo) -> dict[str, str]:
        out: dict[str, str] = {}
        for name, item in info.model_dump(exclude={"summary", "source", "licence", "profiles"}).items():
            if isinstance(item, dict):
                out |= {f"{name}.{key}": str(part) for key, part in item.items()}
            else:
                out[name] = str(sorted(item)) if isinstance(item, (set, frozenset)) else str(item)
        return out

    x, y = flat(a), flat(b)
    return [f"{k} {x.get(k, 'absent')} / {y.get(k, 'absent')}" for k in sorted({*x, *y}) if x.get(k) != y.get(k)]
