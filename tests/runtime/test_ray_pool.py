"""Ray as an engine: the same answers as the local one, of tasks that behave and of those that do not."""

from pathlib import Path

import pytest
from commands import Command
from engine_tasks import misbehave

from dubbench.runtime.ray_pool import RayPool
from dubbench.runtime.worker_pool import Crash, each

pytest.importorskip("ray", reason="Ray is not installed: pip install 'dubbench[cluster]'")


@pytest.mark.slow
def test_ray_answers_as_the_local_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    kinds = ["a", "raise", "die", "b", "hang", "exit", "lambda", "no-rebuild", "threads", "none", "c"]
    told = {"workers": 2, "timeout": 3.0, "threads": 1}
    local = {kind: answer for kind, answer in each(misbehave, kinds, **told)}  # type: ignore[arg-type]
    try:
        found = dict(RayPool(cpus=2).each(misbehave, kinds, **told))  # type: ignore[arg-type]
    finally:
        ray.shutdown()
    assert set(found) == set(kinds)
    for kind in kinds:
        assert isinstance(found[kind], Crash) == isinstance(local[kind], Crash), kind
    assert {k: v for k, v in found.items() if not isinstance(v, Crash)} == {
        k: v for k, v in local.items() if not isinstance(v, Crash)
    }
    assert found["raise"] == local["raise"]
    assert found["hang"] == local["hang"]
    assert found["die"].died  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_run_by_ray_has_the_bytes_of_a_local_one(dubbench: Command, tmp_path: Path) -> None:
    cell = ("--dataset", "example-tones", "--root", "tones", "-m", "duration", "-s", "example-hum", "--workers", 2)
    for engine in ("local", "ray"):
        done = dubbench("run", *cell, "--out", engine, "--engine", engine)
        assert done.returncode == 0, done.stderr
    tables = [(tmp_path / engine / "board" / "table.csv").read_bytes() for engine in ("local", "ray")]
    assert tables[0] == tables[1]
