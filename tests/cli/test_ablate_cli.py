"""``dubbench ablate`` and ``sweep`` from the command line, on the embedded corpus."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def call(folder: Path, *arguments: object, status: int = 0) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dubbench", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == status, done.stdout + done.stderr
    return done


VARY = ("ablate", "--vary", "delay(ms=0)", "--limit", 6, "-m", "align", "-m", "duration", "--out", "out")


def test_options_of_a_system_are_varied(tmp_path: Path) -> None:
    told = call(tmp_path, *VARY, "--page", "page.md")
    assert "▲" in told.stdout and "page: " in told.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "table" / "ablation.csv").open(encoding="utf-8")))
    found = next(row for row in rows if (row["row"], row["column"]) == ("ms=0", "align-ms"))
    assert found["verdict"] == "better" and float(found["change"]) == pytest.approx(-100, abs=15) and found["n"] == "6"
    page = (tmp_path / "page.md").read_text("utf-8")
    assert "(page/ablation.svg)" in page and str(tmp_path) not in page
    other = call(tmp_path, *VARY, "--setting", "2.0", status=2)
    assert "holds another ablation (cell " in other.stderr and other.stderr.count("\n") == 1


@pytest.mark.slow
def test_seeds_are_added_and_options_swept(tmp_path: Path) -> None:
    assert "dub and score 12 clips, seed 0" in call(tmp_path, *VARY, "--dry-run").stdout
    assert not (tmp_path / "out").exists()
    call(tmp_path, *VARY)
    before = (tmp_path / "out" / "run-seed-0" / "dubs.jsonl").read_bytes()
    record = json.loads(call(tmp_path, *VARY, "--seeds", 2, "--json").stdout)
    assert record["seeds"] == [0, 1] and len(record["effects"][0]["seed_changes"]) == 2
    assert (tmp_path / "out" / "run-seed-0" / "dubs.jsonl").read_bytes() == before  # nothing was done twice
    sweep = ("sweep", "-s", "delay", "--over", "ms=0,40,80", "--limit", 5, "-m", "align", "--out", "swept")
    assert "| ms 40" in call(tmp_path, *sweep).stdout
    record = json.loads((tmp_path / "swept" / "table" / "sweep.json").read_text("utf-8"))
    assert record["values"][0]["quality"]["align-ms"]["value"] == 0 and record["values"][0]["value"] == 0


@pytest.mark.timeout(1800)
@pytest.mark.slow
def test_rows_are_trained_and_compared(tmp_path: Path) -> None:
    few = (
        "--limit",
        5,
        "--train-limit",
        4,
        "--steps",
        2,
        "--option",
        "stage-1-steps=2",
        "-m",
        "duration",
        "-m",
        "pitch",
    )
    ablate = ("ablate", *few, "--row", "no-ctc", "--row", "no-pretraining", "--out", "out")
    told = call(tmp_path, *ablate)
    assert "w/o L\\_CTC" in told.stdout and "Beside the paper's signs" in told.stdout
    runs = sorted(p.name for p in (tmp_path / "out" / "training").iterdir() if p.is_dir())
    assert runs == ["full-seed-0", "no-ctc-seed-0", "no-pretraining-seed-0", "stage-1"]
    plan = json.loads(call(tmp_path, *ablate, "--dry-run", "--json").stdout)
    assert all(step["done"] for step in plan["steps"]) and plan["rows"] == ["full", "no-pretraining", "no-ctc"]
    given = [f"{row}=out/training/{row}-seed-0" for row in ("full", "no-ctc")]
    marks = [word for text in given for word in ("--checkpoint", text)]
    again = call(tmp_path, "ablate", *marks, "--limit", 5, "-m", "duration", "--out", "given")
    assert "w/o L\\_CTC" in again.stdout and not (tmp_path / "given" / "training").exists()


def test_what_cannot_be_meant_is_one_line(tmp_path: Path) -> None:
    for words, message in (
        (("ablate", "-s", "silence"), "declares no ablation; change its options with --vary"),
        (("ablate", "--vary", "delay(ms=1)", "--row", "x"), "--vary trains nothing: leave --row out"),
        (("ablate", "--checkpoint", "full"), "--checkpoint full: write it as NAME=VALUE"),
        (("sweep",), "give --nfe 1,2,4,8, or --over"),
        (("sweep", "--nfe", "4"), "two or more different values of nfe"),
    ):
        told = call(tmp_path, *words, status=2)
        assert message in told.stderr and told.stderr.count("\n") == 1
