from __future__ import annotations

from pathlib import Path

from fake_run import METRICS, build, fakes

from dubbench.leaderboards.sheet import differences, sheets
from dubbench.leaderboards.table import Sampler, grid, table_rows


def test_equal_classes_are_joined_and_equal_dubs_are_one_row(tmp_path: Path) -> None:
    every = fakes()
    one = build(tmp_path / "a", systems={k: every[k] for k in ("model-a", "ground_truth")}, metrics=["f0"], media=False)
    two = build(tmp_path / "b", systems={k: every[k] for k in ("model-b", "ground_truth")}, media=False)
    (sheet,) = sheets([one, two])
    assert list(sheet.entrants) == ["model-a", "ground_truth", "model-b"]
    names = [m.column.name for m in sheet.measures]
    assert names[0] == "FFE" and set(names) == {c.name for _, columns in METRICS.values() for c in columns}
    secs = next(m for m in sheet.measures if m.column.name == "SECS")
    assert not sheet.asked("model-a", secs) and sheet.asked("model-b", secs) and sheet.asked("ground_truth", secs)
    assert sheet.scored("ground_truth", secs).all()
    rows = list(table_rows(Sampler(sheet), grid(Sampler(sheet))))
    assert ("model-a", "SECS") not in {(row[0], row[5]) for row in rows}
    assert sum(row[:1] == ("ground_truth",) and row[5] == "FFE" for row in rows) == 1


def test_one_label_with_other_dubs_is_another_row(tmp_path: Path) -> None:
    every = fakes()
    one = build(tmp_path / "a", systems={"mine": every["model-a"]}, media=False)
    two = build(tmp_path / "b", systems={"mine": every["model-b"]}, media=False)
    (sheet,) = sheets([one, two])
    assert list(sheet.entrants) == ["mine", "mine [run 2]"]
    assert "run 2" in sheet.notes[0]
    ffe = next(m for m in sheet.measures if m.column.name == "FFE")
    a, b = (Sampler(sheet).estimate(label, ffe).value for label in sheet.entrants)
    alone = Sampler(sheets([two])[0]).estimate("mine", ffe).value
    assert a != b == alone


def test_another_pairing_is_kept_apart_and_named(tmp_path: Path) -> None:
    one, two = build(tmp_path / "a", media=False), build(tmp_path / "b", pairing="pairing-2", media=False)
    a, b = sheets([one, two])
    (line,) = differences(a, b)
    assert line.startswith("pairing differs: ") and b.manifest.pairing_digest in line


def test_another_recipe_is_kept_apart_and_its_setting_named(tmp_path: Path) -> None:
    info = METRICS["f0"][0]
    other = info.model_copy(update={"settings": {**info.settings, "threshold": 0.3}})
    one, two = build(tmp_path / "a", media=False), build(tmp_path / "b", recipes={"f0": other}, media=False)
    a, b = sheets([one, two])
    (line,) = differences(a, b)
    assert line.startswith("signature of f0 differs: f0/world-dio|v1|")
    assert "settings.threshold 0.2 / 0.3" in line


def test_other_clips_are_other_data(tmp_path: Path) -> None:
    one, two = build(tmp_path / "a", clips=8, media=False), build(tmp_path / "b", clips=9, media=False)
    a, b = sheets([one, two])
    assert [line.split(" ")[0] for line in differences(a, b)] == ["data"]
