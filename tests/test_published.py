"""What dubbing systems really made, scored end to end as finished files."""

import csv
from pathlib import Path

import pytest

from dubbench.api.run_to_board import run_cell
from dubbench.core.spec import Spec, parse_spec
from dubbench.pipeline.cell import Cell, Resources

FFE = {"diflowdubber": 0.133, "emodubber": 0.229}
"""Measured independently: dio + stonemask, 5 ms, both clips pooled."""


def test_published_dubs_score_as_measured_independently(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "published_dubs"
    if not root.is_dir():
        pytest.skip("no published dubs in ../shared/data")
    specs = [parse_spec("ground_truth"), *(Spec("precomputed", (str(root / name),), (), name) for name in FFE)]
    cell = Cell("folder", "all", "1.0", metrics=("pitch",))
    outcome = run_cell(cell, {"folder": root}, specs, tmp_path / "run", Resources(1, "cpu", 300))
    assert outcome.failed == 0, outcome.reasons
    with (tmp_path / "run/board/table.csv").open(newline="") as file:
        rows = {row["system"]: row for row in csv.DictReader(file) if row["metric"] == "FFE"}
    assert {label: row["n_scored"] for label, row in rows.items()} == dict.fromkeys(["ground_truth", *FFE], "2")
    assert float(rows["ground_truth"]["value"]) == 0
    for label, value in FFE.items():
        assert float(rows[label]["value"]) == pytest.approx(value, abs=0.0006), label
