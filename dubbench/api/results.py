"""A scored run, for notebooks: its scores, dubs and times as data frames."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.leaderboards.statistics import values
from dubbench.pipeline.store import Manifest, Run, read_run

if TYPE_CHECKING:
    import pandas as pd


def load(run: str | PathLike[str]) -> Results:
    """Any scored run folder.

    Raises:
        DubbenchError: not a run, not scored yet, or one of another version.
    """
    return Results(read_run(Path(run).expanduser()))


class Results:
    """A scored run.

    Attributes:
        path: the run folder; ``path / "board" / "index.html"`` is its page.
        manifest: clips, systems and metrics with their whole recipes (`dubbench.pipeline.store.Manifest`).
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.path: Path = run.path
        self.manifest: Manifest = run.manifest

    def __repr__(self) -> str:
        told = self.manifest
        systems, metrics = ", ".join(told.systems), ", ".join(told.metrics)
        return f"<Results {self.path}: {len(told.clips)} clips of {told.dataset} {told.setting}; {systems}; {metrics}>"

    @cached_property
    def _sheet(self) -> Sheet:
        return sheets([self._run])[0]

    def to_pandas(self) -> pd.DataFrame:
        """One row a (system, clip, column), in the run's order.

        Columns: ``system``, ``clip``, ``speaker``, ``metric``, ``column``, ``value`` (on the printed scale, as in
        ``table.csv``: percent, ms …; NaN where unscored), ``unit``, ``scored`` (bool), ``reason`` (text; empty where
        scored). A column's mean over clips is not always its table value: WER and FFE are pooled over words and frames.
        """
        import pandas as pd

        sheet = self._sheet
        reasons = {(row.system, row.clip, row.metric): row.reason for row in self._run.scores if row.reason}
        rows: list[dict[str, Any]] = []
        for label in sheet.entrants:
            for measure in sheet.measures:
                column = measure.column
                own = values(column, sheet.stats(label, measure), sheet.count)
                for clip, value in zip(sheet.clips, own, strict=True):
                    scored = bool(value == value)
                    rows.append(
                        {
                            "system": label,
                            "clip": clip.id,
                            "speaker": clip.speaker,
                            "metric": measure.metric,
                            "column": column.name,
                            "value": float(value),
                            "unit": column.unit,
                            "scored": scored,
                            "reason": "" if scored else reasons.get((label, clip.id, measure.metric), "not scored"),
                        }
                    )
        return pd.DataFrame(rows)

    def table(self) -> pd.DataFrame:
        """``table.csv`` of the run's board: a row a (system, column) with value, interval, n of N and rank."""
        import pandas as pd

        return pd.read_csv(self.path / "board" / "table.csv")

    @cached_property
    def dubs(self) -> pd.DataFrame:
        """One row a (system, clip): ``path`` of the wav (None for a failure), ``rate``, ``seconds``, ``reason``."""
        import pandas as pd

        rows = [
            {
                "system": dub.system,
                "clip": dub.clip,
                "path": self.path / dub.path if dub.path else None,
                "rate": dub.rate,
                "seconds": dub.seconds,
                "reason": dub.reason,
            }
            for dub in self._run.dubs
        ]
        return pd.DataFrame(rows, columns=["system", "clip", "path", "rate", "seconds", "reason"])

    @cached_property
    def timings(self) -> pd.DataFrame:
        """One row a (system, clip): seconds spent by part (``total`` is the harness's own measure), and the machine."""
        import pandas as pd

        rows = [
            {"system": d.system, "clip": d.clip, "seconds": d.seconds, **d.timings, "machine": d.machine}
            for d in self._run.dubs
            if d.path
        ]
        return pd.DataFrame(rows)
