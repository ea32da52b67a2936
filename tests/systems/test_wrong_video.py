from dataclasses import replace

import numpy as np
import pytest
from dub_requests import request

from dubbench.errors import DubbenchError
from dubbench.registry import make_system, parse_spec
from dubbench.request import Dub, Failure, Truth
from dubbench.system import SystemBase, SystemInfo
from dubbench.systems.wrong_video import WrongVideo


class Witness(SystemBase):
    """Keeps what it was asked."""

    def __init__(self, kind="model"):
        self.info = SystemInfo(name="witness", kind=kind, settings={"nfe": 4}, licence="MIT", conditioned_on=("x",))
        self.seen, self.state = [], []

    def load(self, device):
        self.state.append(device)

    def close(self):
        self.state.append("closed")

    def dub(self, requests):
        for asked in requests:
            self.seen.append(asked)
            yield Dub(asked.clip, np.zeros(10, np.float32), 16000)


@pytest.fixture
def asked(tmp_path):
    """A request whose other clip has a picture of 1 s at 20 frames a second."""
    import av

    path = tmp_path / "other.mkv"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(20):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    return request(tmp_path)


def test_the_inner_system_sees_the_other_video_and_no_truth(asked):
    inner = Witness()
    wrong = WrongVideo(inner)
    assert wrong.info.privileged and wrong.info.name == "wrong-video" and wrong.info.conditioned_on == ("x",)
    assert wrong.info.settings == {"system": "witness", "system.nfe": 4}
    wrong.load("cpu")
    (answer,) = wrong.dub([asked])
    wrong.close()
    assert answer.clip == asked.clip and inner.state == ["cpu", "closed"]
    expected = replace(asked, video=asked.truth.other_video, duration=1.0, fps=20.0, truth=None)
    assert inner.seen == [expected]


def test_a_control_keeps_its_truth(asked):
    inner = Witness("control")
    list(WrongVideo(inner).dub([asked]))
    assert inner.seen[0].truth == asked.truth


def test_clips_without_another_video_fail_and_the_others_go_on(asked, tmp_path):
    alone = replace(asked, clip="v2-b", truth=Truth(asked.truth.audio))
    broken = replace(asked, clip="v3-c", truth=replace(asked.truth, other_video=tmp_path / "gone.mkv"))
    answers = {a.clip: a for a in WrongVideo(Witness()).dub([alone, broken, asked])}
    assert isinstance(answers["v2-b"], Failure) and "no other clip" in answers["v2-b"].reason
    assert isinstance(answers["v3-c"], Failure) and "no such file" in answers["v3-c"].reason
    assert isinstance(answers[asked.clip], Dub)


def test_it_is_written_around_another_spec():
    wrong = make_system(parse_spec("wrong-video(delay(ms=40))"))
    assert wrong.info.settings == {"system": "delay", "system.ms": 40.0}
    with pytest.raises(DubbenchError, match="wraps another one"):
        make_system(parse_spec("wrong-video"))
