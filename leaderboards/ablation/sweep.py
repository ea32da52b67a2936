"""One option over several values: quality and real-time factor at each, and the line through the latter (Table 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dubbench.core.ablation import Published
from dubbench.core.plugins import factory
from dubbench.core.spec import Spec
from dubbench.errors import DubbenchError
from dubbench.leaderboards.ablation.effects import columns
from dubbench.leaderboards.ablation.vary import changed
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Measure, Sheet
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.table import timings
from dubbench.pipeline.components import make_system

TIMES = ("RTF", "RTF-model")


@dataclass(frozen=True)
class Line:
    """RTF = start + slope · value, by least squares over the swept values.

    Attributes:
        r2: share of the variance that the line explains; None for fewer than three points.
        off: largest distance of a point from the line.
    """

    start: float
    slope: float
    r2: float | None
    off: float


@dataclass(frozen=True)
class Sweep:
    """What came of it.

    Attributes:
        option, values: what was swept.
        measures: columns with a better and a worse, of a board's main table.
        quality: (value, column) -> estimate. times: (value, ``RTF`` or ``RTF-model``) -> estimate.
        lines: time -> its line over the values.
        parameters: part -> count, as the system says; empty if it does not.
        published: the paper's table over this option. published_line: through its RTF.
    """

    system: Spec
    option: str
    values: tuple[Any, ...]
    measures: tuple[Measure, ...]
    quality: Mapping[tuple[Any, str], Estimate]
    times: Mapping[tuple[Any, str], Estimate]
    lines: Mapping[str, Line]
    parameters: Mapping[str, int]
    published: Published | None
    published_line: Line | None
    machine: str
    clips: int

    @property
    def counted(self) -> int | None:
        """Parameters without video-related encoders."""
        return sum(n for part, n in self.parameters.items() if part != "visual") or None


def labels(option: str, values: Sequence[Any]) -> dict[Any, str]:
    """Value -> what its system is called in the run."""
    return {value: f"{option} {value}" for value in values}


def specs(system: Spec, option: str, values: Sequence[Any]) -> list[Spec]:
    """The systems of a sweep, labelled. Options that the paper's table was made with are set where none is given.

    Raises:
        DubbenchError: too few or equal values, or an option that the system does not have.
    """
    if len(set(values)) < 2 or len(set(values)) != len(values):
        raise DubbenchError(f"a sweep needs two or more different values of {option}")
    published = published_over(system.name, option)
    for key, value in (published.options if published else {}).items():
        if key not in dict(system.kwargs):
            system = changed(system, key, value)
    made = []
    for value, name in labels(option, values).items():
        spec = changed(system, option, value)
        make_system(spec)  # a wrong option is told before the work begins
        made.append(Spec(spec.name, spec.args, spec.kwargs, name))
    return made


def published_over(name: str, option: str) -> Published | None:
    """The table that a system's class holds for an option."""
    found = getattr(factory("systems", name), "published", None)
    return found(option) if callable(found) else None


def line(xs: Sequence[float], ys: Sequence[float]) -> Line:
    """Least squares through two or more points."""
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    slope, start = np.polyfit(x, y, 1)
    rest = y - (start + slope * x)
    around = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((rest**2).sum()) / around if len(x) > 2 and around > 0 else None
    return Line(float(start), float(slope), r2, float(np.abs(rest).max()))


def collect(sheet: Sheet, system: Spec, option: str, values: Sequence[Any]) -> Sweep:
    """The sweep in a sheet that holds its systems."""
    sampler = Sampler(sheet)
    named = labels(option, values)
    measures = columns(sheet)
    quality = {(v, m.column.name): sampler.estimate(name, m) for v, name in named.items() for m in measures}
    machine = sheet.manifest.machine
    by_label = {(t.label, t.metric): t.pooled for t in timings(sheet) if t.machine == machine}
    times = {
        (value, what): by_label[name, what]
        for value, name in named.items()
        for what in TIMES
        if (name, what) in by_label
    }
    lines = {}
    for what in TIMES:
        points = [(float(v), times[v, what].value) for v in values if (v, what) in times and _number(v)]
        known = [(x, y) for x, y in points if y is not None]
        if len(known) > 1:
            lines[what] = line([x for x, _ in known], [y for _, y in known])
    published = published_over(system.name, option)
    theirs = None
    if published and "RTF" in published.columns:
        theirs = line([float(v) for v in published.rows], [row["RTF"] for row in published.rows.values()])
    counts = getattr(make_system(changed(system, option, values[0])), "parameters", None)
    parameters = counts() if callable(counts) else {}
    return Sweep(
        system,
        option,
        tuple(values),
        tuple(measures),
        quality,
        times,
        lines,
        parameters,
        published,
        theirs,
        machine,
        sheet.count,
    )


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
