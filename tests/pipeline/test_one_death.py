"""One death costs one clip, a leak costs its own task, and what ends a run ends it in order."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dubbench.core.system import SystemInfo
from dubbench.pipeline import dub_step
from dubbench.pipeline.dub_worker import Answer, SystemTask
from dubbench.pipeline.store import DubRow, SystemEntry, ledger
from dubbench.runtime.worker_pool import Crash, each, resident


def dies_once_on_load(task: SystemTask) -> Answer:
    """In place of the system's side: its first load dies, as if somebody killed it."""
    mark = task.run / "died"
    if task.what == "load" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Answer([DubRow(system="x", clip=w.request.clip, key=w.key, path=f"dubs/{w.request.clip}.wav")
                   for w in task.wanted])  # fmt: skip


def always_dies(task: SystemTask) -> Answer:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


@pytest.mark.parametrize(("work", "made"), [(dies_once_on_load, 2), (always_dies, 0)])
def test_a_load_that_was_killed_is_tried_once_more(
    work: object, made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dubbench.core.request import DubRequest
    from dubbench.pipeline.dub_worker import KeyedRequest

    monkeypatch.setattr(dub_step, "work", work)
    request = DubRequest("a", Path("v"), "t", Path("r"), 1.0, 25.0, 0)
    wanted = [KeyedRequest(request, "k"), KeyedRequest(DubRequest("b", Path("v"), "t", Path("r"), 1.0, 25.0, 0), "k")]
    rows: list[DubRow] = []
    entry = SystemEntry(spec="x", info=SystemInfo(name="x"), digest="")
    told = {"device": "cpu", "timeout": 60.0, "threads": 1, "machine": ""}
    dub_step.synthesise(tmp_path, "x", entry, wanted, ledger(tmp_path), **told, done=rows.append)  # type: ignore[arg-type]
    assert len(rows) == 2 and sum(bool(row.path) for row in rows) == made
    assert all("cannot be loaded: its process died" in row.reason for row in rows if not row.path)


def leak(megabytes: int) -> int:
    held = np.ones(megabytes << 17)
    time.sleep(5 if megabytes > 100 else 0)
    return len(held)


def test_a_leak_costs_its_own_task(monkeypatch: pytest.MonkeyPatch) -> None:
    if not resident(os.getpid()):
        pytest.skip("this system does not tell how much memory a process holds")
    monkeypatch.setenv("DUBBENCH_WORKER_MEMORY", "0.4")
    found = dict(each(leak, [1, 500, 2], workers=1, timeout=60))
    assert (found[1], found[2]) == (1 << 17, 2 << 17)
    assert isinstance(found[500], Crash) and "took more than 0.4 GB of memory" in found[500].reason


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_say_their_line(name: str) -> None:
    code = (
        f"import os, signal, sys\nsignal.signal(signal.{name}, signal.SIG_DFL)\nfrom dubbench.cli import main\n"
        f"main.app = lambda **_: os.kill(os.getpid(), signal.{name})\nmain.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 128 + getattr(signal, name)
    assert done.stderr == f"dubbench: ended by {name}; nothing is lost, the same command goes on from here\n"
