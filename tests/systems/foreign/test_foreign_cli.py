"""setup, systems and doctor for systems of others; a run with an adapter of one's own."""

import json
import sys
from pathlib import Path

import pytest
from commands import Command

DUMMIES = Path(__file__).with_name("dummies.py")


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASSETS", "SOURCES"):  # the cache stays: it has the toon corpus
        monkeypatch.setenv(f"DUBBENCH_{name}", str(tmp_path / name.lower()))


def test_the_list_has_all_seven_of_the_paper_with_their_state(dubbench: Command) -> None:
    rows = {row["name"]: row["state"] for row in json.loads(dubbench("systems", "--json").stdout)}
    assert rows["diflowdubber"] == "ready"
    assert rows["v2c_net"].startswith("listed only: its repository holds tools for the data alone")
    for name in ("hpmdubbing", "styledubber", "speaker2dubber", "produbber", "emodubber"):
        assert rows[name] == f"not set up: dubbench setup {name}"


def test_a_run_before_setup_is_one_line_that_names_it(dubbench: Command) -> None:
    done = dubbench("run", "-s", "emodubber", "--limit", 1)
    assert done.returncode == 2 and "dubbench setup emodubber" in done.stderr
    assert sum(line.startswith("dubbench: ") for line in done.stderr.splitlines()) == 1
    done = dubbench("run", "-s", "v2c-net", "--limit", 1)
    assert done.returncode == 2 and "no model, no inference" in done.stderr


def test_show_and_doctor(dubbench: Command) -> None:
    shown = json.loads(dubbench("systems", "styledubber", "--json").stdout)
    assert shown["commit"] == "bc431c8" and shown["missing"] and len(shown["environments"]) == 2
    done = dubbench("doctor", "styledubber", "--json")
    assert done.returncode == 1
    assert {row["part"] for row in json.loads(done.stdout)} == {"styledubber"}
    assert dubbench("doctor", "espeak-lipspan").returncode == 0
    assert "did you mean" in dubbench("doctor", "styledubbr").stderr


def test_setup_of_what_needs_none(dubbench: Command) -> None:
    done = dubbench("setup", "espeak-lipspan")
    assert done.returncode == 2 and "needs no set-up" in done.stderr
    done = dubbench("setup", "v2c-net")
    assert done.returncode == 2 and "cannot be set up" in done.stderr


def test_an_adapter_of_ones_own_through_the_whole_bench(dubbench: Command, tmp_path: Path) -> None:
    options = json.dumps({"on": {}}).replace('"', '\\"')
    spec = f'mine=foreign("{DUMMIES}", python="{sys.executable}", options="{options}")'
    done = dubbench("synth", "-s", spec, "--limit", 2, "--out", tmp_path / "run", timeout=600)
    assert done.returncode == 0, done.stderr
    wavs = sorted((tmp_path / "run" / "dubs" / "mine").glob("*.wav"))
    assert len(wavs) == 2
    rows = [json.loads(line) for line in (tmp_path / "run" / "dubs.jsonl").read_text().splitlines()]
    mine = [row for row in rows if row["system"] == "mine"]
    assert all(row["timings"]["model"] >= 0 and row["extras"]["peak_host_bytes"] for row in mine)
