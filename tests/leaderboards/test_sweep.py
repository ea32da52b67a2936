"""Sweeps: specs, times, the fitted line and the page."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from fake_run import Fake, build

from dubbench.core.spec import parse_spec
from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.leaderboards.ablation.sweep import line, specs
from dubbench.leaderboards.ablation.write import sweep_content, write


def test_a_line_goes_through_its_points() -> None:
    found = line([1, 2, 4, 8], [0.3, 0.4, 0.6, 1.0])
    assert (found.start, found.slope, found.r2, found.off) == pytest.approx((0.2, 0.1, 1.0, 0.0))
    assert line([1, 2], [1.0, 2.0]).r2 is None


def test_values_become_systems() -> None:
    made = specs(parse_spec("delay"), "ms", [10, 20])
    assert [(spec.label, str(spec)) for spec in made] == [("ms 10", "delay(ms=10)"), ("ms 20", "delay(ms=20)")]
    with pytest.raises(DubbenchError, match="two or more different values of ms"):
        specs(parse_spec("delay"), "ms", [10, 10])
    with pytest.raises(DubbenchError, match="no option 'nfe'"):
        specs(parse_spec("delay"), "nfe", [1, 2])


def test_a_sweep_is_written_with_its_line(tmp_path: Path) -> None:
    values = [1, 2, 4]
    info = {v: SystemInfo(name="diflowdubber", settings={"nfe": v}) for v in values}
    systems = {f"nfe {v}": Fake(info[v], f"diflowdubber(nfe={v})", mos=2.0 + v / 4) for v in values}
    run = build(tmp_path / "run", clips=12, speakers=1, systems=systems, media=False)
    content = sweep_content(parse_spec("diflowdubber"), "nfe", values, run.path, "dubbench sweep --nfe 1,2,4")
    page = write(content, tmp_path / "table")
    text = (tmp_path / "table" / "sweep.md").read_text("utf-8")
    assert re.search(r"RTF = .* · nfe \(least squares", text)
    assert re.search(r"#Params without video-related encoders: \d+\.\d\d M", text)
    assert "As printed: Table 4" in text and "RTF = 0.03009 + 0.002902 · nfe" in text  # through the printed column
    rows = list(csv.DictReader((tmp_path / "table" / "sweep.csv").open(encoding="utf-8")))
    assert {row["column"] for row in rows} >= {"RTF", "RTF-model", "DNSMOS"} and {row["setting"] for row in rows} == {
        "1",
        "2",
        "4",
    }
    record = json.loads((tmp_path / "table" / "sweep.json").read_text("utf-8"))
    assert set(record["lines"]) == {"RTF", "RTF-model"} and record["clips"] == 12
    assert page.read_text("utf-8").count("<svg") == 1
