"""Two systems against each other: a verdict for each column, corrected over the columns that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards.randomisation import ALPHA, holm
from dubbench.leaderboards.sampler import Comparison, Sampler
from dubbench.leaderboards.sheet import Measure, sheets
from dubbench.leaderboards.statistics import Estimate
from dubbench.pipeline.store import Run, read_run


@dataclass(frozen=True, slots=True)
class Line:
    """One column.

    Attributes:
        measure: the column. a, b: the systems' own values. comparison: a minus b, with its test.
        corrected: p by Holm over the columns; None where nothing could be tested.
    """

    measure: Measure
    a: Estimate
    b: Estimate
    comparison: Comparison
    corrected: float | None

    @property
    def winner(self) -> str:
        """``a``, ``b``, or empty where the corrected test does not tell them apart or the column has no direction."""
        value, direction = self.comparison.difference.value, self.measure.column.direction
        if self.corrected is None or self.corrected > ALPHA or not value or direction == "none":
            return ""
        return "a" if (value > 0) == (direction == "up") else "b"


def compare(a: str, b: str, runs: Sequence[Path]) -> tuple[tuple[str, str], list[Line]]:
    """Hold two systems against each other in every column that both have.

    Args:
        a: a system's label in ``runs``, ``RUN:LABEL``, or a run folder with one system that ranks.
        b: likewise.
        runs: where labels are looked for.

    Returns:
        The two labels, and a line a column.

    Raises:
        DubbenchError: no such run or system, or the two stand in classes that cannot be compared.
    """
    (run_a, label_a), (run_b, label_b) = _place(a, runs), _place(b, runs)
    folders = list(dict.fromkeys(path.resolve() for path in (run_a, run_b)))
    wanted = {(label_a, run_a.resolve()), (label_b, run_b.resolve())}
    together = [
        s
        for s in sheets([read_run(path) for path in folders])
        if wanted <= {(label, e.run.path.resolve()) for label, e in s.entrants.items()}
    ]
    if label_a == label_b:
        raise DubbenchError(f"{a} and {b} are both called {label_a!r}; give one another label when it is run")
    if not together:
        raise DubbenchError(
            f"{label_a} and {label_b} stand in different classes and cannot be compared; dubbench board "
            f"{' '.join(map(str, folders))} names what differs"
        )
    sampler = Sampler(together[0])
    found: list[tuple[Measure, Comparison]] = []
    for measure in sampler.sheet.measures:
        pair = sampler.compare_two(label_a, label_b, measure)
        if pair is not None:
            found.append((measure, pair))
    tested = [i for i, (_, c) in enumerate(found) if c.p is not None]
    corrected = dict(zip(tested, holm([found[i][1].p or 0.0 for i in tested]), strict=True))
    lines = [
        Line(m, sampler.estimate(label_a, m), sampler.estimate(label_b, m), c, corrected.get(i))
        for i, (m, c) in enumerate(found)
    ]
    return (label_a, label_b), lines


def _place(text: str, runs: Sequence[Path]) -> tuple[Path, str]:
    """The run folder and the label that ``text`` names."""
    path = Path(text)
    if (path / "run.json").is_file():
        run = read_run(path)
        ranking = sheets([run])[0].ranking
        if len(ranking) != 1:
            raise DubbenchError(f"{path} has the systems {', '.join(ranking) or 'none'}; write {path}:LABEL")
        return path, ranking[0]
    folder, mark, label = text.rpartition(":")
    if mark and (Path(folder) / "run.json").is_file():
        return Path(folder), _known(label, read_run(Path(folder)))
    there: list[str] = []
    for path in runs:
        run = read_run(path)
        there += run.manifest.systems
        if text in run.manifest.systems:
            return path, text
    if not runs:
        raise DubbenchError(f"{text}: no run folder; name the run that has this system with --run RUN")
    raise DubbenchError(f"no system {text!r} in {', '.join(map(str, runs))}; there are {', '.join(there)}")


def _known(label: str, run: Run) -> str:
    if label not in run.manifest.systems:
        raise DubbenchError(f"{run.path}: no system {label!r}; there are {', '.join(run.manifest.systems)}")
    return label
