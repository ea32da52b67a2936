"""The host against foreign systems that crash, hang, lie, fork, fill the memory and print without end."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.errors import DubbenchError
from dubbench.signal.media import as_mono
from dubbench.systems.foreign import group, runner
from dubbench.systems.foreign.own import Own

DUMMIES = Path(__file__).with_name("dummies.py")
Make = Callable[..., Own]


def requests(*clips: str) -> list[DubRequest]:
    none = Path("none")
    return [DubRequest(clip, none, "bin blue", none, 1.0, 25.0, seed) for seed, clip in enumerate(clips or "abc")]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setenv("DUBBENCH_CACHE", str(tmp_path / "cache"))
    made: list[Own] = []

    def call(timeout: float = 20, memory: float = 0, **options: object) -> Own:
        system = Own(DUMMIES, sys.executable, json.dumps(options), timeout, memory)
        made.append(system)
        system.load("cpu")
        return system

    yield call
    for system in made:
        system.close()


def answers(system: Own, *clips: str) -> dict[str, Dub | Failure]:
    return {answer.clip: answer for answer in system.dub(requests(*clips))}


def test_answers_every_clip_with_its_seed_time_and_memory(make: Make) -> None:
    system = make(sleep=0.05)
    found = answers(system)
    assert [len(dub.samples) for dub in found.values()] == [16000] * 3
    assert all(isinstance(dub, Dub) and 0.05 <= dub.timings["model"] < 5 for dub in found.values())
    assert all(dub.extras["peak_host_bytes"] > 1 << 20 for dub in found.values())
    expected = np.random.default_rng(1).uniform(-0.5, 0.5, 16000).astype(np.float32)
    assert np.array_equal(found["b"].samples, expected)


def test_order_and_neighbours_change_nothing(make: Make) -> None:
    system = make(on=dict.fromkeys("abc", "noise"))
    first = answers(system)
    asked = list(reversed(requests()))[:2]
    again = {dub.clip: dub for dub in system.dub(asked)}
    assert all(np.array_equal(first[clip].samples, dub.samples) for clip, dub in again.items())


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("crash", "its process was ended by SIGABRT"),
        ("raise", "ValueError: this clip is not to my liking"),
        ("exit", "SystemExit: 3"),
        ("silent_stereo", "ValueError: samples of shape (2, 100); expected (T,)"),
        ("short", "the dub lasts 0.02 s for a length of 1.00 s; that is no dub of this clip"),
        ("long", "the dub lasts 4.00 s for a length of 1.00 s"),
        ("twice", "it answered for 'b' twice"),
        ("unasked", "it answered for 'somebody-else' where 'b' was asked"),
        ("network", "URLError"),
    ],
)
def test_only_the_guilty_clip_fails_and_says_why(make: Make, what: str, reason: str) -> None:
    found = answers(make(on={"b": what}))
    assert isinstance(found["b"], Failure) and reason in found["b"].reason
    assert "\n" not in found["b"].reason
    assert isinstance(found["a"], Dub) and isinstance(found["c"], Dub)


def test_a_clip_that_hangs_ends_at_its_limit(make: Make) -> None:
    start = time.monotonic()
    system = make(timeout=1.5, on={"b": "hang"})
    found = answers(system)
    assert isinstance(found["b"], Failure) and found["b"].reason == "no answer within 1.5 s"
    assert isinstance(found["c"], Dub) and time.monotonic() - start < 30
    (log,) = (system.folder / "logs").rglob("*-b.log")
    assert "misbehave" in log.read_text()  # where it hung


def test_nan_passes_to_the_gate_that_refuses_it_by_name(make: Make) -> None:
    dub = answers(make(on={"b": "nan"}))["b"]
    assert isinstance(dub, Dub)
    with pytest.raises(DubbenchError, match="NaN"):
        as_mono(dub.samples, "the dub of b")


def test_after_a_crash_the_process_is_warm_before_the_next_clip(make: Make) -> None:
    system = make(on={"b": "crash"})
    answers(system)
    host = system._host
    assert host is not None and host.starts == 2
    asked = (system.folder / "process-2" / "requests.jsonl").read_text().splitlines()
    assert [json.loads(line)["clip"] for line in asked] == ["a", "c"]


def test_three_crashes_in_a_row_are_enough(make: Make) -> None:
    system = make(on=dict.fromkeys("bcd", "crash"))
    found = answers(system, *"abcdef")
    assert found["f"].reason.startswith("given up after 3 crashes in a row")
    assert system._host is not None and system._host.starts == 3


def test_children_end_with_their_system_wherever_they_went(make: Make) -> None:
    system = make(on={"b": "children"})
    assert isinstance(answers(system)["b"], Dub)
    host = system._host
    assert host is not None and host._process is not None
    pid, mark = host._process.pid, host._mark
    assert len(group.members(pid, mark)) >= 6
    system.close()
    assert [p for p in group.members(pid, mark) if not group._zombie(p)] == []


def test_a_forked_twin_answers_nothing(make: Make) -> None:
    found = answers(make(on={"b": "fork_and_return"}))
    assert all(isinstance(dub, Dub) for dub in found.values())


def test_memory_has_a_limit(make: Make) -> None:
    found = answers(make(memory=0.5, on={"b": "memory"}))
    assert isinstance(found["b"], Failure) and "more than the limit of 0.5 GiB" in found["b"].reason
    assert isinstance(found["c"], Dub)


def test_a_gigabyte_of_output_is_cut_in_the_log(make: Make) -> None:
    system = make(on={"b": "prints"})
    assert all(isinstance(dub, Dub) for dub in answers(system).values())
    logs = {path.name.partition("-")[2]: path for path in (system.folder / "logs").rglob("*.log")}
    assert "working on a" in logs["a.log"].read_text() and "working on c" in logs["c.log"].read_text()
    assert logs["b.log"].stat().st_size < 3 * 65536 and "bytes left out" in logs["b.log"].read_text()


def test_no_room_on_the_accelerator_is_tried_again_alone(make: Make, tmp_path: Path) -> None:
    system = make(on={"b": "cuda"}, flag=str(tmp_path / "tried"))
    assert isinstance(answers(system)["b"], Dub)
    assert system._host is not None and system._host.starts == 2


def test_a_system_that_does_not_load_says_why(make: Make) -> None:
    with pytest.raises(DubbenchError, match="RuntimeError: no weights here; its log: "):
        make(load="fails")


def test_the_log_of_a_failure_has_its_traceback(make: Make) -> None:
    system = make(on={"b": "raise"})
    answers(system)
    (log,) = (system.folder / "logs").rglob("*-b.log")
    assert "Traceback" in log.read_text() and "misbehave" in log.read_text()


def test_the_network_is_off_and_the_home_is_its_own(make: Make) -> None:
    system = make()
    assert system.hello["network"] in ("namespace", "sockets of Python alone")
    assert system._host is not None
    assert system._host._environment(3)["HOME"].startswith(str(system.folder))


def test_a_host_that_is_killed_leaves_nothing(make: Make, tmp_path: Path) -> None:
    program = (
        "import sys, os, json; from dubbench.systems.foreign.own import Own;"
        f"s = Own({str(DUMMIES)!r}, sys.executable, '{{}}'); s.load('cpu');"
        "print(s._host._process.pid, s._host._mark, flush=True); os.kill(os.getpid(), 9)"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid, mark = done.stdout.split()
    end = time.monotonic() + 10
    while (left := [p for p in group.members(int(pid), mark) if not group._zombie(p)]) and time.monotonic() < end:
        time.sleep(0.2)
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("none.py",), "no such adapter"),
        ((DUMMIES, "no-such-python"), "no such Python"),
        ((DUMMIES, sys.executable, "[1"), "options are not a JSON object"),
    ],
)
def test_what_is_not_there_is_one_line(arguments: tuple[object, ...], text: str) -> None:
    with pytest.raises(DubbenchError, match=text):
        Own(*arguments)  # type: ignore[arg-type]


def test_cut_to_the_length_and_said() -> None:
    samples, extras = runner.fitted(np.zeros(17000, np.float32), 16000, 1.0)
    assert len(samples) == 16000 and extras == {"native_seconds": 1.0625, "asked_seconds": 1.0}


def test_overhead_of_the_host_is_small(make: Make) -> None:
    """At most 5 % of the system's own time on a dummy that takes a second: the median of a few clips."""
    system = make(sleep=1.0)
    answers(system, "warm")
    spent = []
    for clip in "abc":
        start = time.perf_counter()
        (dub,) = system.dub(requests(clip))
        spent.append((time.perf_counter() - start) / dub.timings["model"])
    assert sorted(spent)[1] < 1.05, spent


def test_the_order_of_requests_can_be_repeated_by_hand(make: Make, tmp_path: Path) -> None:
    """`shim.py FOLDER < /dev/null` goes through the requests of a run again."""
    import shutil
    import subprocess

    from dubbench.systems.foreign.host import SHIM

    system = make()
    before = answers(system)
    copy = Path(shutil.copytree(system.folder / "process-1", tmp_path / "again"))
    job = json.loads((copy / "job.json").read_text())
    (copy / "job.json").write_text(json.dumps({**job, "work": str(copy)}))
    (copy / "answers.jsonl").unlink()
    with Path(os.devnull).open() as nothing:
        subprocess.run([sys.executable, str(SHIM), str(copy)], stdin=nothing, check=True)
    rows = [json.loads(line) for line in (copy / "answers.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["ready", "ok", "ok", "ok"]
    assert (copy / rows[1]["wav"]).stat().st_size == 44 + 4 * len(before["a"].samples)
