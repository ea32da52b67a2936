"""Shards of one run folder, merged, and what status tells of them, on a plugin's four clips of tones."""

import json
import shutil
from pathlib import Path

import pytest
from commands import Command

from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Shard, parse_shard
from dubbench.runtime.files import InUseError, held, held_in_part

CELL = ("--dataset", "example-tones", "--root", "tones", "--setting", "2.0", "-m", "duration", "-s", "example-hum")
RUN = ("run", *CELL, "--workers", 1)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_shards_merged_are_the_run(dubbench: Command, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert dubbench(*RUN, "--out", "whole").returncode == 0
    first = dubbench(*RUN, "--out", "run", "--shard", "1/2")
    assert first.returncode == 0, first.stderr
    assert "dubbench merge run" in first.stdout
    assert {"dubs.1-of-2.jsonl", "scores.1-of-2.jsonl", "shard.1-of-2.json"} <= names(run)
    assert not {"dubs.jsonl", "scores.parquet", "board"} & names(run)

    early = dubbench("merge", "run")
    assert early.returncode == 2
    assert "2 of 4 clips are not done" in early.stderr
    assert "--shard 2/2" in early.stderr
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != "lock"}
    told = json.loads(dubbench("status", "run", "--json").stdout)
    assert [(s["stage"], s["total"], s["done"], s["failed"], s["left"]) for s in told["stages"]] == [
        ("dubs", 8, 4, 0, 4),
        ("scores", 8, 4, 0, 4),
    ]
    assert told["shards"] == ["1-of-2"]
    assert told["working"] == {}
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.name != "lock"}
    assert "holds shards of a run (1-of-2)" in dubbench(*RUN, "--out", "run").stderr
    assert "another count" in dubbench(*RUN, "--out", "run", "--shard", "1/3").stderr
    other = dubbench(*RUN, "--out", "run", "--shard", "2/2", "--seed", 1)
    assert other.returncode == 2
    assert "planned otherwise" in other.stderr
    assert "seed)" in other.stderr

    assert dubbench(*RUN, "--out", "run", "--shard", "2/2").returncode == 0
    note = json.loads((run / "shard.2-of-2.json").read_text())
    (run / "shard.2-of-2.json").write_text(json.dumps({**note, "plan": "0"}))
    mixed = dubbench("merge", "run")
    assert mixed.returncode == 2
    assert "another plan or version" in mixed.stderr
    (run / "shard.2-of-2.json").write_text(json.dumps(note))
    wav = next((run / "dubs" / "example-hum").iterdir())
    shutil.move(wav, tmp_path / "aside.wav")
    assert f"1 of 4 clips are not done ({wav.stem})" in dubbench("merge", "run").stderr
    shutil.move(tmp_path / "aside.wav", wav)

    done = dubbench("merge", "run")
    assert done.returncode == 0, done.stderr
    assert (run / "board" / "table.csv").read_bytes() == (whole / "board" / "table.csv").read_bytes()
    assert not [name for name in names(run) if "-of-" in name]
    told = json.loads(dubbench("status", "run", "--json").stdout)
    assert [(s["done"], s["left"]) for s in told["stages"]] == [(8, 0), (8, 0)]
    again = dubbench(*RUN, "--out", "run")
    assert "dubbing" not in again.stderr
    assert "scoring" not in again.stderr


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_blocks_are_disjoint_and_whole(count: int) -> None:
    blocks = [Shard(i, count).block(range(5)) for i in range(1, count + 1)]
    assert [x for block in blocks for x in block] == list(range(5))
    assert max(map(len, blocks)) - min(map(len, blocks)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_a_wrong_shard_is_refused(text: str) -> None:
    with pytest.raises(DubbenchError, match="give I/N"):
        parse_shard(text)


def test_shards_hold_their_parts_beside_each_other(tmp_path: Path) -> None:
    refused = pytest.raises(InUseError, match=r"\(1-of-2\).*\(2-of-2\)")
    with held_in_part(tmp_path, "1-of-2"), held_in_part(tmp_path, "2-of-2"), refused, held(tmp_path):
        pass
    with held(tmp_path):
        pass
