"""Ray as an engine: the same answers as the local one, of tasks that behave and of those that do not."""

import time
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


@pytest.mark.slow
def test_the_tasks_of_a_lost_node_are_done_on_another() -> None:
    import ray
    from ray.cluster_utils import Cluster

    room = {"num_cpus": 1, "object_store_memory": 128 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=room)
    second = cluster.add_node(**room)
    tasks = [2.0 + i / 100 for i in range(6)]
    found = []
    try:
        for task, result in RayPool(cluster.address).each(time.sleep, tasks, workers=2, timeout=60.0):
            found.append((task, result))
            if len(found) == 2:
                cluster.remove_node(second, allow_graceful=False)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert sorted(found) == [(task, None) for task in tasks]
