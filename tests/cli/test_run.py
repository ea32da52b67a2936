"""The main job from the command line, on a plugin's data set, with systems and metrics that misbehave."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import Command

from dubbench.pipeline.store import DubRow, ledger, read_run

CELL = ("--dataset", "example-tones", "--root", "tones", "--setting", "2.0", "-m", "example-level", "--out", "run")


def ledger_of(run: Path) -> dict[tuple[str, str], DubRow]:
    return {(r.system, r.clip): r for r in ledger(run).read()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_listing_verbs_find_the_plugin(dubbench: Command) -> None:
    for verb, name in (("systems", "example-hum"), ("metrics", "example-level")):
        rows = json.loads(dubbench(verb, "--json").stdout)
        assert name in [row["name"] for row in rows]
        assert json.loads(dubbench(verb, name, "--json").stdout)["origin"].startswith("dubbench-example")
    assert "example-tones" in dubbench("data", "list").stdout
    bad = [r for r in json.loads(dubbench("systems", "--json").stdout) if r["name"] == "example-bad-import"]
    assert "this plugin raises on import" in bad[0]["summary"]


def test_a_whole_run(dubbench: Command, tmp_path: Path) -> None:
    done = dubbench("run", *CELL, "-s", "example-hum", "-s", "low=example-hum(hz=60)")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "run" / "board" / "index.html") in done.stdout
    rows = table(tmp_path / "run" / "board" / "table.csv")
    assert {r["system"] for r in rows} == {"ground_truth", "example-hum", "low"}
    assert {(r["metric"], r["n_scored"], r["n_total"], r["dataset"], r["setting"]) for r in rows} == {
        ("level", "4", "4", "example-tones", "2.0")
    }
    before = (tmp_path / "run" / "board" / "table.csv").read_bytes()
    again = dubbench("run", *CELL, "-s", "example-hum", "-s", "low=example-hum(hz=60)")
    assert again.returncode == 0
    assert "dubbing" not in again.stderr
    assert "scoring" not in again.stderr
    assert (tmp_path / "run" / "board" / "table.csv").read_bytes() == before
    other = dubbench("run", *CELL, "-s", "example-hum", "--seed", 1)
    assert other.returncode == 2
    assert "run holds another run (seed 0, now 1); give another --out" in other.stderr


def test_steps_alone_equal_run(dubbench: Command, tmp_path: Path) -> None:
    cell = [*CELL[:-1], "steps"]
    assert dubbench("synth", *cell, "-s", "example-hum").returncode == 0
    assert dubbench("board", "steps").returncode == 2
    assert dubbench("score", "steps", "-m", "example-level").returncode == 0
    assert dubbench("run", *CELL, "-s", "example-hum").returncode == 0
    assert (tmp_path / "steps/board/table.csv").read_bytes() == (tmp_path / "run/board/table.csv").read_bytes()


def test_bad_systems_harm_no_other(dubbench: Command, tmp_path: Path) -> None:
    names = (
        *("example-bad-load(closed=after-failure)", "example-bad-clip", "example-hangs", "example-dies"),
        *("many=example-dies(batch=5)", "example-strange", "example-nosy", "example-hum(closed=after-use)"),
    )
    systems = [part for name in names for part in ("-s", name)]
    done = dubbench("run", *CELL, "--split", "all", "--timeout", 40, *systems)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    rows = ledger_of(tmp_path / "run")
    reasons = {key: row.reason for key, row in rows.items() if row.reason}
    ids = ("a-0", "a-1", "a-2", "b-3", "b-4")
    assert all("cannot be loaded" in reasons.pop(("example-bad-load(closed=after-failure)", i)) for i in ids)
    assert reasons.pop(("example-bad-clip", "a-2")) == "ValueError: cannot do this clip"
    assert reasons.pop(("example-hangs", "a-2")) == "no answer within 40 s"
    assert reasons.pop(("example-dies", "a-2")) == "its process died (exit code 13)"
    assert reasons.pop(("many", "a-2")) == "its process died (exit code 13)"
    assert "NaN or Inf" in reasons.pop(("example-strange", "a-0"))
    assert "no samples" in reasons.pop(("example-strange", "a-1"))
    assert not reasons  # the nosy one found nothing, or it would have said so
    assert rows["example-strange", "a-2"].rate == 8000
    assert rows["example-strange", "b-3"].seconds == pytest.approx(3.0)
    assert rows["example-nosy", "a-0"].machine == read_run(tmp_path / "run").manifest.machine != ""
    assert (tmp_path / "after-failure").exists()
    assert (tmp_path / "after-use").exists()
    found = {(r["system"], r["n_scored"]) for r in table(tmp_path / "run/board/table.csv") if r["metric"] == "level"}
    assert {("example-nosy", "5"), ("many", "4"), ("example-hangs", "4"), ("example-strange", "3")} <= found


def test_a_system_that_hangs_before_it_dubs(dubbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = dubbench("run", *CELL, "--timeout", 20, "-s", "example-hangs-on-load", "-s", "example-hum")
    assert done.returncode == 3, done.stderr
    rows = ledger_of(tmp_path / "run")
    reasons = {row.reason for (label, _), row in rows.items() if label == "example-hangs-on-load"}
    assert reasons == {"the system cannot be loaded: no answer within 20 s"}
    assert all(row.path for (label, _), row in rows.items() if label != "example-hangs-on-load")
    monkeypatch.setenv("DUBBENCH_PATIENCE", "3")
    done = dubbench("run", *CELL, "-s", "example-hangs-when-made", timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "cannot be created: no answer within 3 s" in line
    shown = dubbench("systems", "example-hangs-when-made", timeout=60)
    assert "summary: Never comes back from its constructor." in shown.stdout
    assert "state: not ready: system 'example-hangs-when-made' cannot be created: no answer within 3 s" in shown.stdout


def test_bad_metrics_harm_no_other(dubbench: Command, tmp_path: Path) -> None:
    done = dubbench("run", *CELL, "-m", "example-bad-metric", "-s", "example-hum")
    assert done.returncode == 3
    scores = {(s.metric, s.clip): s for s in read_run(tmp_path / "run").scores if s.system == "example-hum"}
    assert scores["example-bad-metric", "a-1"].reason == "ZeroDivisionError: one over zero"
    assert "NaN" in scores["example-bad-metric", "a-2"].reason
    assert scores["example-bad-metric", "b-3"].stats == {"x": 1.0}
    assert all(scores["example-level", clip].stats for clip in ("a-1", "a-2", "b-3", "b-4"))


def test_one_large_model_is_in_memory_at_a_time(dubbench: Command, tmp_path: Path) -> None:
    models = ("-m", "example-other-model", "-m", "example-model")
    done = dubbench("run", *CELL, *models, "-s", "example-hum")
    assert done.returncode == 0, done.stderr
    steps = [line.partition(":")[0] for line in done.stderr.splitlines() if line.startswith("scoring")]
    assert list(dict.fromkeys(steps)) == [
        "scoring clips",
        "scoring clips with example-other-model",
        "scoring clips with example-model",
    ]
    processes: dict[str, set[float]] = {}
    for row in read_run(tmp_path / "run").scores:
        processes.setdefault(row.metric, set()).add(row.stats.get("pid", 0))
    assert len(processes["example-model"]) == len(processes["example-other-model"]) == 1
    assert processes["example-model"] != processes["example-other-model"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-s", "example-bad-import"), "this plugin raises on import"),
        (("-s", "example-humm"), "did you mean 'example-hum'"),
        (("-s", "example-hum(volts=3)"), "has no option 'volts'"),
        (("-s", "example-hum", "-s", "example-hum"), "two systems are called"),
        (("-s", "example-hum", "--setting", "9"), "no setting '9'"),
        (("-s", "example-hum", "--setting", "3.0"), "--voices"),
        (("-s", "example-hum", "--split", "absent.txt"), "absent.txt"),
        (("-s", "example-hum", "--profile", "gold"), "no metric belongs to profile"),
        (("-s", "example-hum", "--dataset", "grid", "--root", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_get_one_line(dubbench: Command, arguments: tuple[str, ...], message: str) -> None:
    cell = CELL if "--profile" not in arguments else [*CELL[:6], "--out", "run"]
    done = dubbench("run", *cell, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_setting_1_and_a_folder_of_wavs(dubbench: Command, tmp_path: Path) -> None:
    assert dubbench("run", *CELL, "-s", "example-hum").returncode == 0
    cell = [*CELL[:-1], "theirs"]
    done = dubbench("score", "--dubs", "run/dubs/example-hum", *cell, "--label", "theirs")
    assert done.returncode == 0, done.stderr
    ours = {r["system"]: r["value"] for r in table(tmp_path / "run/board/table.csv")}
    theirs = {r["system"]: r["value"] for r in table(tmp_path / "theirs/board/table.csv")}
    assert theirs["theirs"] == ours["example-hum"]
    (tmp_path / "run/dubs/example-hum/b-3.wav").unlink()
    cell[-1] = "partial"
    done = dubbench("score", "--dubs", "run/dubs/example-hum", *cell)
    assert done.returncode == 3
    assert {r["system"]: r["n_scored"] for r in table(tmp_path / "partial/board/table.csv")} == {
        "ground_truth": "4",
        "example-hum": "3",
    }


def kill_and_resume(command: list[str], folder: Path, env: dict[str, str], moments: list[float]) -> int:
    """Start ``command``, SIGKILL it after each of ``moments`` seconds, then let it finish; returns the kills."""
    kills = 0
    for moment in moments:
        started = subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            started.wait(moment)
        except subprocess.TimeoutExpired:
            os.kill(started.pid, signal.SIGKILL)
            started.wait()
            kills += 1
    subprocess.run(command, cwd=folder, env=env, capture_output=True, check=True)
    return kills


def test_killed_and_resumed_gives_the_same_bytes(dubbench: Command, plugins: Path, tmp_path: Path) -> None:
    systems = ("-s", "example-hum", "-s", "delay", "-s", "shuffled", "-s", "noise")
    start = time.monotonic()
    done = dubbench("run", *CELL, *systems)
    spent = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    env = {**os.environ, "PYTHONPATH": str(plugins)}
    command = [sys.executable, "-m", "dubbench", "run", *CELL[:-1], "killed", *systems]
    draw = random.Random(0)
    kills = kill_and_resume(command, tmp_path, env, [draw.uniform(0.1, 0.9) * spent for _ in range(3)])
    assert kills
    for name in ("table.csv", "table.md"):
        assert (tmp_path / "killed/board" / name).read_bytes() == (tmp_path / "run/board" / name).read_bytes()
