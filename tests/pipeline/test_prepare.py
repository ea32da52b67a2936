"""Clips made ready, on a disk that takes no more."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dubbench.core.clip import Clip
from dubbench.pipeline import prepare as module
from dubbench.pipeline.prepare import prepare
from dubbench.runtime.worker_pool import Crash
from dubbench.signal.clock import Timeline
from dubbench.signal.soundtrack import Soundtrack
from dubbench.signal.survey import Survey


def here(function: Any, tasks: Iterable[Any], **_: object) -> Iterator[tuple[Any, Any]]:
    """`dubbench.runtime.worker_pool.each` in this process, so that what is patched here is patched there."""
    for task in tasks:
        try:
            yield task, function(task)
        except Exception as error:
            yield task, Crash(str(error))


@pytest.mark.parametrize("step", ["silent_copy", "write_wav"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_full_disk_is_no_fault_of_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code), "temporary name")

    video = tmp_path / "a.mp4"
    video.write_bytes(b"video")
    clip = Clip(id="a", dataset="d", speaker="s", text="bin", video=video, audio=video)
    monkeypatch.setattr(module, "each", here)
    clock = Timeline(0.0, np.arange(25) / 25, 1.0, 25.0, True)
    monkeypatch.setattr(module, "survey", lambda _: Survey(clock, clock.times, 32, 32, True, ()))
    monkeypatch.setattr(module, "cut_short", lambda _: "")
    monkeypatch.setattr(module, "hear", lambda _: Soundtrack(np.ones(16000, np.float32), 16000))
    monkeypatch.setattr(module, "silent_copy", lambda *_: None)
    monkeypatch.setattr(module, step, refuse)
    work = tmp_path / "work"
    if code == errno.EACCES:  # it may be the clip's own file: the other clips go on
        assert os.strerror(code) in prepare([clip], work, 1, 10.0, lambda _: None)["a"].problem
        return
    with pytest.raises(OSError) as caught:
        prepare([clip], work, 1, 10.0, lambda _: None)
    assert (caught.value.errno, caught.value.filename) == (code, str(work))
