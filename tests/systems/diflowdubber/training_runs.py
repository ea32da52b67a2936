"""Runs of training, read and started."""

import sys
from pathlib import Path

from dubbench.systems.diflowdubber.training.log import read_log
from dubbench.systems.diflowdubber.training.run import Machine

CPU = Machine("cpu", "plain")
MODULE = ["-m", "dubbench.systems.diflowdubber.training"]


def losses(run: Path, what: str = "train") -> list[dict[str, float]]:
    return [line for line in read_log(run / "log.jsonl") if line["what"] == what]


def command(stage: str, features: Path, run: Path, *more: object) -> list[str]:
    fixed = ["--config", "tiny", "--hold-out", "2", "--device", "cpu", "--engine", "plain"]
    return [sys.executable, *MODULE, stage, "--cache", str(features), "--out", str(run), *fixed, *map(str, more)]
