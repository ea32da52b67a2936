from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

import pytest
from fake_run import METRICS, Fake, build, control, fakes

from dubbench.core.metric import Column, Effect, MetricInfo, lies_with_clip
from dubbench.leaderboards.matrix import Cell, broken, equivalent, matrix
from dubbench.leaderboards.sheet import sheets
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.svg import ticks
from dubbench.leaderboards.validity import families, validity_page


def cell(cells: tuple[Cell, ...], column: str, control: str) -> Cell:
    (found,) = (c for c in cells if (c.column, c.control) == (column, control))
    return found


def controls(**changed: Fake) -> dict[str, Fake]:
    return {k: f for k, f in fakes().items() if f.info.kind == "control"} | changed


def test_every_declared_cell_of_a_sound_run_holds(tmp_path: Path) -> None:
    run = build(tmp_path, clips=36, media=False)
    cells = matrix(run)
    assert {c.verdict for c in cells} == {"holds"}
    declared = {(c.name, k) for _, columns in METRICS.values() for c in columns for k in c.expects}
    assert {(c.column, c.control) for c in cells} == declared
    delayed = cell(cells, "FFE", "delay(ms=100)")
    assert delayed.system == "delay(ms=100)"  # its spec has blanks: delay(ms = 100)
    assert delayed.difference.low is not None and delayed.difference.low > 0
    assert cell(cells, "align-ms", "silence").detail == "scored on 0 of 36 clips"


@pytest.mark.parametrize(
    ("column", "name", "changes", "why"),
    [
        ("DNSMOS", "noise", {"mos": 3.1}, "against ground_truth"),  # declared worse; as good as the truth
        ("DNSMOS", "noise", {"mos": 4.5}, "+1"),  # declared worse; apart from zero the wrong way
        ("WER-grammar", "delay(ms=100)", {"errors": 0.4}, "9 allowed"),  # declared invariant
        ("align-ms", "silence", {"ms": 20.0}, "scored on 24 of 24"),  # declared undefined
        ("FFE", "noise", {"unscored": {"f0": range(24)}}, "scored on 0 of 24"),  # declared worse; no value at all
        ("FFE", "ground_truth", {"unscored": {"f0": [7]}}, "23 of 24"),  # declared perfect; one clip short
    ],
)
def test_each_effect_can_fail(tmp_path: Path, column: str, name: str, changes: dict[str, object], why: str) -> None:
    systems = controls()
    for field, value in changes.items():
        setattr(systems[name], field, value)
    cells = matrix(build(tmp_path, systems=systems, media=False))
    found = cell(cells, column, name)
    assert found.verdict == "fails" and why in found.detail
    failing = broken(cells)
    assert any(where[1] == column and name in line for where, line in failing.items())


def test_a_truth_that_is_not_perfect_fails(tmp_path: Path) -> None:
    systems = controls()
    info = systems["ground_truth"].info.model_copy(update={"name": "nearly"})
    systems["ground_truth"].info, systems["ground_truth"].cosine = info, 0.9
    found = cell(matrix(build(tmp_path, systems=systems, media=False)), "SECS", "ground_truth")
    assert found.verdict == "fails" and "from 100" in found.detail


def test_what_cannot_be_told_was_not_run(tmp_path: Path) -> None:
    systems = controls()
    systems["noise"].mos = 3.1  # as good as the truth, but on too few clips to say so
    cells = matrix(build(tmp_path / "few", clips=8, systems=systems, media=False))
    assert cell(cells, "DNSMOS", "noise").verdict == "not run"
    assert "too few clips" in cell(cells, "DNSMOS", "noise").detail
    systems = controls()
    del systems["ground_truth"], systems["silence"]
    cells = matrix(build(tmp_path / "alone", systems=systems, media=False))
    assert cell(cells, "FFE", "noise").detail.startswith("the run has no ground_truth")
    assert cell(cells, "align-ms", "silence").system == ""
    assert {c.verdict for c in cells} == {"not run"}


def test_a_word_too_many_on_a_few_clips_is_no_proof(tmp_path: Path) -> None:
    systems = controls()
    systems["delay(ms=100)"].errors = 0.3
    found = cell(matrix(build(tmp_path / "a", clips=6, systems=systems, media=False)), "WER-grammar", "delay(ms=100)")
    assert found.verdict == "not run" and abs(found.difference.value or 0) > 9
    systems["delay(ms=100)"].errors = 1.0
    found = cell(matrix(build(tmp_path / "b", clips=6, systems=systems, media=False)), "WER-grammar", "delay(ms=100)")
    assert found.verdict == "fails"


@pytest.mark.parametrize(
    ("low", "value", "high", "n", "verdict"),
    [
        (-0.4, 0.1, 0.9, 100, "holds"),
        (0.0, 0.0, 0.0, 6, "holds"),
        (1.1, 1.6, 2.0, 6, "fails"),  # beyond on one side, however few
        (-2.0, -1.6, -1.1, 6, "fails"),
        (-0.2, 0.9, 1.9, 100, "not run"),  # the point is within, the interval is not
        (-0.2, 1.2, 2.6, 19, "not run"),
        (-0.2, 1.2, 2.6, 20, "fails"),
        (None, 0.0, None, 3, "not run"),
    ],
)
def test_invariance_is_judged_by_the_interval(
    low: float | None, value: float, high: float | None, n: int, verdict: str
) -> None:
    assert equivalent(Estimate(value, low, high, n), 1.0) == verdict


def test_a_few_clips_can_still_show_the_wrong_direction(tmp_path: Path) -> None:
    systems = controls()
    systems["noise"].mos = 4.8
    cells = matrix(build(tmp_path, clips=8, systems=systems, media=False))
    assert cell(cells, "DNSMOS", "noise").verdict == "fails"


@pytest.mark.parametrize(("effect", "verdict"), [("better", "holds"), ("worse", "fails")])
def test_better_is_the_other_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effect: Effect, verdict: str
) -> None:
    info, columns = METRICS["dnsmos"]
    own: tuple[MetricInfo, tuple[Column, ...]] = (
        info,
        (columns[0].model_copy(update={"expects": {"noise": effect}}),),
    )
    monkeypatch.setitem(METRICS, "dnsmos", own)
    systems = controls()
    systems["noise"].mos = 4.8
    cells = matrix(build(tmp_path, systems=systems, media=False))
    assert cell(cells, "DNSMOS", "noise").verdict == verdict


def graded() -> dict[str, Fake]:
    out = controls()
    for ms in (40, 80, 160, 300):
        label = f"warp(ms={ms})"
        out[label] = Fake(*control("warp", label, ms=ms, kind="time"), 0.1, 0.97, ms / 600, float(ms), 3.1)
    for db in (-12, -6, 6):
        label = f"gain(db={db})"
        out[label] = Fake(*control("gain", label, db=db), 0.1, 0.95, 0.01, 1.0, 3.0)
    return out


def test_graded_damage_is_found_by_its_settings(tmp_path: Path) -> None:
    (sheet,) = sheets([build(tmp_path, systems=graded(), media=False)])
    found = {(name, option): [grade for grade, _ in grades] for name, option, grades in families(sheet)}
    assert found == {("warp", "ms"): [40, 80, 160, 300], ("gain", "db"): [-12, -6, 6]}


def test_validity_page_says_everything_twice_alike(tmp_path: Path) -> None:
    systems = graded()
    systems["delay(ms=100)"].errors = 0.5
    one = build(tmp_path / "a", systems=systems, media=False)
    two = build(tmp_path / "b", systems=systems, media=False)
    written = validity_page(one, tmp_path / "docs1" / "validity.md")
    again = validity_page(two, tmp_path / "docs2" / "validity.md")
    assert [p.read_bytes() for p in written] == [p.read_bytes() for p in again]
    page, *pictures = written
    text = page.read_text()
    assert "**WER-grammar fails its declaration:**" in text and str(tmp_path) not in text
    assert "✗ invariant" in text and "✓ perfect" in text
    assert "were not run or are on too few clips to tell" in text and "· not run or too few clips to tell;" in text
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
        assert (page.parent / target) in pictures
    assert {p.name for p in pictures} == {"warp-ms.svg", "gain-db.svg"}
    for picture in pictures:
        root = ElementTree.fromstring(picture.read_text())
        circles = root.findall(".//{http://www.w3.org/2000/svg}circle")
        assert len(circles) == len(METRICS_SHOWN) * (4 if "warp" in picture.name else 3)
        assert all(0 <= float(c.get("cy", "-1")) <= 172 for c in circles)


METRICS_SHOWN = [c.name for _, columns in METRICS.values() for c in columns if c.direction != "none"]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.013, 0.42), (-12.0, 55.0), (3.0, 3.0), (0.0, 0.0)])
def test_ticks_cover_the_range_with_round_steps(low: float, high: float) -> None:
    found = ticks(low, high)
    assert found[0] <= low and found[-1] >= high and 2 <= len(found) <= 8
    steps = {round(b - a, 9) for a, b in pairwise(found)}
    assert len(steps) == 1


def test_validity_page_escapes_what_systems_are_called(tmp_path: Path) -> None:
    systems = controls()
    systems["<b>*mine*</b> | [x](y)\n# head"] = systems.pop("noise")
    page, *_ = validity_page(build(tmp_path, systems=systems, media=False), tmp_path / "docs" / "validity.md")
    (row,) = (line for line in page.read_text().splitlines() if "mine" in line)
    assert row.startswith(r"| &lt;b&gt;\*mine\*&lt;/b&gt; \| \[x\](y) # head ")


def test_a_clip_at_fault_is_not_held_against_a_metric(tmp_path: Path) -> None:
    """A whispered ground truth or a text that cannot be aligned: the column stays, with 23 of 23."""
    assert lies_with_clip("no speech in the ground truth") and lies_with_clip("text is outside GRID's grammar")
    assert not lies_with_clip("no speech in the dub")
    systems = controls()
    systems["ground_truth"].unscored = {"f0": [7]}
    run = build(tmp_path, systems=systems, media=False)
    run.columns["ground_truth", "f0"].reasons[7] = "no voiced frame in the ground truth"
    found = cell(matrix(run), "FFE", "ground_truth")
    assert found.verdict == "holds" and "23 of 23" in found.detail
