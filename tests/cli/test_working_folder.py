"""Relative paths stay good where a system or metric changes the working folder."""

import csv
from pathlib import Path

from commands import Command

SYSTEMS = ("made=example-wanders", "load=example-wanders(load)", "example-hum")
CELL = ("--dataset", "example-tones", "--root", "tones", "--split", "ids.txt", "--out", "run")


def test_plugins_that_change_the_working_folder(dubbench: Command, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("a-0\na-1\n")
    systems = [part for name in SYSTEMS for part in ("-s", name)]
    metrics = ("-m", "example-wandering-metric", "-m", "example-level")
    done = dubbench("run", *CELL, *systems, *metrics, "--workers", 1)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "run/board/table.csv").open(newline="") as file:
        found = {(row["system"], row["metric"], row["n_scored"]) for row in csv.DictReader(file)}
    labels = ("ground_truth", "made", "load", "example-hum")
    assert found == {(label, column, "2") for label in labels for column in ("level", "wanders")}
    assert str(tmp_path) not in (tmp_path / "run/run.json").read_text()
    before = (tmp_path / "run/board/table.csv").read_bytes()
    (tmp_path / "run/scores.jsonl").unlink()
    assert dubbench("score", "run", "--workers", 1).returncode == 0
    assert (tmp_path / "run/board/table.csv").read_bytes() == before
