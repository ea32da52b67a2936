import os
import time
from pathlib import Path

from engine_tasks import misbehave

from dubbench.runtime.worker_pool import Crash, each


def test_one_bad_task_takes_no_other_along() -> None:
    before = os.environ.get("OMP_NUM_THREADS")
    tasks = ["a", "raise", "b", "die", "hang", "c", "threads", "d"]
    found = dict(each(misbehave, tasks, workers=2, timeout=30, threads=1))
    assert {k: v for k, v in found.items() if not isinstance(v, Crash)} == {
        "a": "a",
        "b": "b",
        "c": "c",
        "d": "d",
        "threads": "1",
    }
    reasons = {k: v.reason for k, v in found.items() if isinstance(v, Crash)}
    assert reasons == {
        "raise": "ValueError: first line second line",
        "die": "its process died (exit code 7)",
        "hang": "no answer within 30 s",
    }
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_an_endless_source_is_read_as_needed() -> None:
    drawn = 0

    def source():  # type: ignore[no-untyped-def]
        nonlocal drawn
        while True:
            drawn += 1
            yield "x"

    for count, _ in enumerate(each(misbehave, source(), workers=1, timeout=60), 1):
        if count == 5:
            break
    assert drawn < 20


def test_each_task_has_a_limit_of_its_own() -> None:
    found = dict(each(misbehave, ["a", "hang"], workers=1, timeout=lambda task: 3 if task == "hang" else 60))
    assert found == {"a": "a", "hang": Crash("no answer within 3 s")}


def test_what_one_task_did_is_not_said_of_another() -> None:
    """A process that ends a task and at once dies of the next one: many times, since it is a matter of moments."""
    tasks = ["raise", "die", "none"] * 6
    result = {
        "raise": Crash("ValueError: first line second line"),
        "die": Crash("its process died (exit code 7)"),
        "none": None,
    }
    found = list(each(misbehave, tasks, workers=2, timeout=60))
    assert sorted(found, key=str) == sorted(((task, result[task]) for task in tasks), key=str)


def test_what_cannot_be_sent_back_is_a_reason() -> None:
    found = dict(each(misbehave, ["lambda", "exit", "a"], workers=1, timeout=60))
    assert found["a"] == "a"
    assert found["exit"] == Crash("SystemExit: 3")
    assert "pickle" in found["lambda"].reason  # type: ignore[union-attr]


def test_what_a_task_does_to_its_process_is_its_own_affair() -> None:
    tasks = ["pool", "no-rebuild", "closes", "forks", "wordless", "a"]
    found = dict(each(misbehave, tasks, workers=2, timeout=60))
    assert found == {
        "pool": [1],
        "no-rebuild": Crash("its result cannot be read: FileNotFoundError: rebuilt from a file that is gone"),
        "closes": Crash("its process left its task"),
        "forks": "forks",
        "wordless": Crash("WordlessError"),
        "a": "a",
    }


def test_what_a_task_starts_ends_with_its_process() -> None:
    ((_, child),) = each(misbehave, ["leaves"], workers=1, timeout=60)
    assert isinstance(child, int)
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} goes on")


def test_large_tasks_and_results_pass() -> None:
    tasks = ["x" * 5_000_000, "y" * 5_000_000, "z"]
    assert [(len(t), r == t) for t, r in each(misbehave, tasks, workers=1, timeout=60)] == [
        (5_000_000, True),
        (5_000_000, True),
        (1, True),
    ]
