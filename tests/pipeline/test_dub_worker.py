"""The side of synthesis that runs in the system's process, run in this one."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from dubbench.core.request import Dub, DubRequest, Failure, Truth
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.pipeline import dub_worker
from dubbench.pipeline.dub_worker import KeyedRequest, SystemTask, work
from dubbench.signal.media import write_wav

Act = Callable[[DubRequest], Dub | Failure]
PLUGIN = Path(__file__).parents[1] / "plugin_pkg"


def tone(request: DubRequest) -> Dub:
    return Dub(request.clip, np.full(1600, 0.1, np.float32), 16000, timings={"model": 0.5})


class Actor(SystemBase):
    """Does what it is told with every request."""

    def __init__(self, act: Act, kind: str = "model", pause: float = 0.0) -> None:
        self.act, self.pause = act, pause
        self.info = SystemInfo(name="actor", kind=kind)  # type: ignore[arg-type]
        self.closed = 0

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        time.sleep(self.pause)
        for request in requests:
            yield self.act(request)

    def close(self) -> None:
        self.closed += 1
        if self.closed > 1:
            raise RuntimeError("closed already")


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., SystemTask]:
    """A task of four clips for a system, with a run folder as `dubbench.pipeline.plan.plan` leaves it."""
    run, stage = tmp_path / "run", tmp_path / "elsewhere" / "stage"
    stage.mkdir(parents=True)
    (run / "work" / "video").mkdir(parents=True)
    (run / "run.json").touch()
    wanted = []
    for name in ("a", "b", "c", "d"):
        video, sound = run / "work" / "video" / f"{name}.mkv", run / "work" / "sound" / f"{name}.wav"
        video.write_bytes(b"silent video")
        write_wav(sound, np.full(100, 0.1, np.float32), 16000)
        wanted.append(KeyedRequest(DubRequest(f"clip-{name}", video, "text", sound, 1.0, 25.0, 0, Truth(sound)), "key"))

    def make(system: SystemBase, what: str = "dub", count: int = 4) -> SystemTask:
        monkeypatch.setattr(dub_worker, "_system", system)
        return SystemTask(what, "actor", "actor", "cpu", tuple(wanted[:count]), run, stage, "this machine")  # type: ignore[arg-type]

    return make


def test_nothing_leads_from_a_request_to_the_run(
    task: Callable[..., SystemTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(PLUGIN)
    from dubbench_example.systems import trail  # type: ignore[import-not-found]

    seen: list[DubRequest] = []

    def look(request: DubRequest) -> Failure:
        seen.append(request)
        assert request.video.read_bytes() == b"silent video"
        return Failure(request.clip, f"found {trail(request)} from {request.video}")

    for kind, clue in (("model", False), ("baseline", False), ("control", True)):
        todo = task(Actor(look, kind))
        for row in work(todo).rows:
            assert row.reason.startswith("found []") != clue, row.reason
            if not clue:  # the folder's name, another one each time, is not in what is kept
                assert row.reason.endswith("/video.mkv")
                assert str(todo.stage) not in row.reason
        assert list(todo.stage.iterdir()) == []
    honest = {request.video for request in seen[:4]}
    assert len(honest) == 4
    assert not any(path.exists() for path in honest)


def test_time_of_a_batch_is_shared_evenly(task: Callable[..., SystemTask]) -> None:
    rows = work(task(Actor(tone, pause=0.2))).rows  # the pause of the one call before the first answer
    totals = {row.timings["total"] for row in rows}
    assert len(totals) == 1
    assert 0.05 <= totals.pop() < 0.2
    assert {row.timings["model"] for row in rows} == {0.5}
    assert {row.machine for row in rows} == {"this machine"}
    assert [row.timings for row in work(task(Actor(tone, "control"), count=1)).rows] == [{}]


def test_only_the_guilty_clip_of_a_batch_fails(task: Callable[..., SystemTask]) -> None:
    def act(request: DubRequest) -> Dub:
        if request.clip == "clip-b":
            raise ValueError("not this one")
        return tone(request)

    rows = work(task(Actor(act))).rows
    assert [(row.clip, row.reason) for row in rows] == [
        ("clip-a", ""),
        ("clip-b", "ValueError: not this one"),
        ("clip-c", ""),
        ("clip-d", ""),
    ]


def test_strange_answers(task: Callable[..., SystemTask]) -> None:
    answers = {
        "clip-a": lambda r: Dub("clip-z", np.ones(10), 16000),
        "clip-b": lambda r: Dub(r.clip, np.ones(10), "fast"),
        "clip-c": lambda r: Dub(r.clip, np.ones(10), 16000, timings={"model": "long"}),
        "clip-d": lambda r: Dub(r.clip, np.ones(10), 16000, extras={"x": {1, 2}}),
    }
    found = [row.reason for row in work(task(Actor(lambda r: answers[r.clip](r)))).rows]
    assert found[0] == "the system gave no answer for this clip"
    assert all("ValueError" in reason for reason in found[1:3])
    assert "not JSON" in found[3]
    words = Actor(lambda request: "words")  # type: ignore[arg-type,return-value]
    reasons = {row.reason for row in work(task(words)).rows}
    assert reasons == {"the system gave a str, neither a Dub nor a Failure"}


def test_a_system_is_closed_once(task: Callable[..., SystemTask]) -> None:
    system = Actor(tone)
    todo = task(system, "close")
    assert work(todo).broken == ""
    assert work(todo).broken == ""
    assert system.closed == 1
    assert work(task(system, "close")).broken == "RuntimeError: closed already"


def test_a_disk_that_is_full_stops_the_system(task: Callable[..., SystemTask], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "temporary name")

    monkeypatch.setattr(dub_worker, "write_wav", full)
    todo = task(Actor(tone))
    assert work(todo).unwritten == (errno.ENOSPC, "No space left on device", str(todo.run / "dubs"))


def test_requests_that_cannot_be_copied(task: Callable[..., SystemTask], monkeypatch: pytest.MonkeyPatch) -> None:
    todo = task(Actor(tone))
    todo.wanted[1].request.video.unlink()
    rows = work(todo).rows
    why = "its video and reference cannot be copied for it: No such file or directory"
    assert [row.reason for row in rows] == ["", why, "", ""]
    monkeypatch.setattr(shutil, "copyfile", no_room)
    assert work(todo).unwritten == (errno.ENOSPC, "No space left on device", str(todo.stage))


def no_room(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "some name")
