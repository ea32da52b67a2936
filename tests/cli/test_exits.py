"""A plugin that calls ``sys.exit`` ends neither dubbench nor anything beside it."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from commands import Command

from dubbench.cli import doctor
from dubbench.core import plugins as registry
from dubbench.core.clip import Clip
from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats
from dubbench.errors import DubbenchError
from dubbench.pipeline import components, score_worker
from dubbench.pipeline.score_worker import ClipTask, DubToScore
from dubbench.pipeline.store import ledger

CELL = ("--dataset", "example-tones", "--root", "tones", "-m", "example-level", "--out", "run")


def test_systems_that_exit(dubbench: Command, tmp_path: Path) -> None:
    listed = dubbench("systems", "--json")
    assert listed.returncode == 0, listed.stderr
    said = {row["name"]: row["summary"] for row in json.loads(listed.stdout)}
    assert "cannot be imported: SystemExit: 0" in said["example-exits-on-import"]
    for name in ("example-exits-on-import", "example-exits"):
        done = dubbench("run", *CELL, "-s", name)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "SystemExit: 0" in done.stderr
    whens = [part for when in ("load", "clip", "close") for part in ("-s", f"{when}=example-exits({when})")]
    done = dubbench("run", *CELL, *whens)
    assert done.returncode == 3, done.stderr
    assert "close did not close: SystemExit: 0" in done.stderr
    rows = {(r.system, r.clip): r.reason for r in ledger(tmp_path / "run").read() if r.reason}
    assert rows.pop(("clip", "a-2")) == "SystemExit: 0"
    assert set(rows.values()) == {"the system cannot be loaded: SystemExit: 0"}
    assert {label for label, _ in rows} == {"load"} and len(rows) == 4


class ExitsWhenMade(MetricBase):
    def __init__(self) -> None:
        sys.exit(0)


class ExitsOnLoad(MetricBase):
    profiles = frozenset({"exits"})
    info = MetricInfo(name="load", recipe="load")
    columns = (Column(name="load", direction="none", aggregate=Mean(value="x")),)

    def load(self, device: str) -> None:
        sys.exit("no GPU here")

    def score(self, item: Item) -> Stats:
        return {"x": 1.0}


class ExitsOnScore(ExitsOnLoad):
    def load(self, device: str) -> None:
        """Nothing to load."""

    def failed(self, clip: Clip) -> Stats | None:
        sys.exit(7)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch, plugins: Path) -> None:
    monkeypatch.syspath_prepend(plugins)
    places = {"import": "dubbench_example.exits_on_import:X", "made": f"{__name__}:ExitsWhenMade"}
    places |= {"load": f"{__name__}:ExitsOnLoad", "score": f"{__name__}:ExitsOnScore"}
    entries = {name: EntryPoint(name, value, "dubbench.metrics") for name, value in places.items()}
    monkeypatch.setattr(registry, "_entries", lambda group: entries)
    monkeypatch.setattr(score_worker, "_metrics", {})


@pytest.mark.usefixtures("metrics")
def test_metrics_that_exit() -> None:
    found, broken = components.metrics_of("exits")
    assert list(found) == ["load", "score"]
    assert len(broken) == 1 and "cannot be imported: SystemExit: 0" in broken[0]
    with pytest.raises(DubbenchError, match="metric 'made' cannot be created: SystemExit: 0"):
        components.make_metric("made")
    assert doctor._metric("load")["state"] == "SystemExit: no GPU here"
    job = DubToScore("one", None, "no dub", (("load", "a"), ("score", "b")))
    rows = score_worker._score(
        ClipTask(Clip("c", "d", "s", "t", Path("v.mkv")), 1.0, 25.0, None, "", None, (job,), "cpu")
    )
    assert [(row.reason, row.error) for row in rows] == [
        ("the metric cannot be loaded: SystemExit: no GPU here", True),
        ("SystemExit: 7", True),
    ]


def test_a_pipe_that_cannot_show_all_letters_is_no_error() -> None:
    say = "import dubbench.cli.main as m; m.app = lambda **_: print('WER \\u2193 \\u4e2d'); m.main()"
    for encoding in ("cp1252", "ascii"):
        there = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", say], env=there, capture_output=True, check=False)
        assert done.returncode == 0 and done.stdout.split() == [b"WER", b"?", b"?"], done
