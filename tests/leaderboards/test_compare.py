"""``dubbench compare`` over made-up runs."""

import json
from pathlib import Path

import pytest
from fake_run import build, fakes
from typer.testing import CliRunner

from dubbench.cli.main import app
from dubbench.errors import DubbenchError
from dubbench.leaderboards.compare import compare


def test_a_verdict_for_each_column(tmp_path: Path) -> None:
    run = tmp_path / "run"
    build(run, clips=60, media=False)
    labels, lines = compare("model-a", "espeak_lipspan", [run])
    assert labels == ("model-a", "espeak_lipspan")
    won = {line.measure.column.name: line.winner for line in lines}
    assert won["FFE"] == "a" and won["SECS"] == "a" and won["words"] == ""
    turned = {line.measure.column.name: line for line in compare("espeak_lipspan", "model-a", [run])[1]}
    for line in lines:
        other = turned[line.measure.column.name]
        assert {"a": "b", "b": "a", "": ""}[line.winner] == other.winner
        assert line.corrected == other.corrected
    done = CliRunner().invoke(app, ["compare", "model-a", f"{run}:espeak_lipspan", "--run", str(run), "--json"])
    rows = json.loads(done.stdout)
    assert {row["verdict"] for row in rows if row["column"].startswith("FFE")} == {"model-a is better"}


def test_corrected_over_the_columns_shown(tmp_path: Path) -> None:
    systems = {name: fakes()[name] for name in ("model-a", "ground_truth")}
    systems["twin"] = fakes()["model-a"]
    build(tmp_path, clips=60, media=False, systems=systems)
    _, lines = compare("model-a", "twin", [tmp_path])
    for line in lines:
        assert line.corrected is None or line.corrected >= (line.comparison.p or 0)


def test_two_runs_of_one_system_each(tmp_path: Path) -> None:
    for name in ("model-a", "model-b"):
        build(tmp_path / name, media=False, systems={k: fakes()[k] for k in (name, "ground_truth")})
    labels, lines = compare(str(tmp_path / "model-a"), str(tmp_path / "model-b"), [])
    assert labels == ("model-a", "model-b") and lines


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    run = tmp_path / "run"
    build(run, media=False)
    build(tmp_path / "other", media=False, pairing="another")
    with pytest.raises(DubbenchError, match=r"no system 'model-c'.*there are model-a, model-b"):
        compare("model-c", "model-a", [run])
    with pytest.raises(DubbenchError, match="name the run that has this system with --run"):
        compare("model-a", "model-b", [])
    with pytest.raises(DubbenchError, match="different classes"):
        compare(f"{run}:model-a", f"{tmp_path / 'other'}:model-b", [])
    with pytest.raises(DubbenchError, match="both called 'model-a'"):
        compare("model-a", "model-a", [run])
