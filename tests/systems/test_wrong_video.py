from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dub_requests import made_up, request

from dubbench.core.request import Dub, Failure, Truth
from dubbench.core.spec import parse_spec
from dubbench.core.system import Expects, SystemBase, SystemInfo
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_system
from dubbench.signal.media import write_wav
from dubbench.systems.controls.wrong_video import WrongVideo


class Witness(SystemBase):
    """Keeps what it was asked, and answers as told."""

    def __init__(self, kind="model", answer=lambda request: Dub(request.clip, np.zeros(10, np.float32), 16000)):
        self.answer = answer
        self.info = SystemInfo(name="witness", kind=kind, settings={"nfe": 4}, licence="MIT", conditioned_on=("x",))
        self.seen, self.bytes, self.state = [], [], []

    def load(self, device):
        self.state.append(device)

    def close(self):
        self.state.append("closed")

    def dub(self, requests):
        for asked in requests:
            self.seen.append(asked)
            self.bytes.append((asked.video.read_bytes(), asked.reference.read_bytes()))
            yield self.answer(asked)


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
    assert wrong.info.privileged and wrong.info.name == "wrong_video" and wrong.info.conditioned_on == ("x",)
    assert wrong.info.settings == {"system": "witness", "system.nfe": 4}
    wrong.load("cpu")
    (answer,) = wrong.dub([asked])
    wrong.close()
    assert answer.clip == asked.clip and inner.state == ["cpu", "closed"]
    (seen,) = inner.seen
    expected = replace(asked, video=seen.video, reference=seen.reference, duration=1.0, fps=20.0, truth=None)
    assert seen == expected
    assert inner.bytes == [(asked.truth.other_video.read_bytes(), asked.reference.read_bytes())]


def test_nothing_leads_the_inner_system_to_the_run(asked, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "plugin_pkg")
    from dubbench_example.systems import trail

    for name in ("truth.wav", "other.mkv"):  # beside them lies what a run holds
        assert (asked.reference.parent / name).exists()
    found = []

    def look(request):
        found.append((trail(request), request.video))
        return Failure(request.clip, f"no lips in {request.video}")

    (answer,) = WrongVideo(Witness(answer=look)).dub([asked])
    assert answer == Failure(asked.clip, "no lips in 0/video.mkv")
    ((clues, video),) = found
    assert clues == [] and not video.parent.parent.exists()

    def stumble(request):
        raise ValueError(f"cannot open {request.reference}")

    with pytest.raises(DubbenchError, match=r"^ValueError: cannot open 0/reference\.wav$"):
        list(WrongVideo(Witness(answer=stumble)).dub([asked]))
    list(WrongVideo(Witness("control", look)).dub([asked]))
    assert found[-1][0]  # a control may see all that


def test_the_inner_system_is_told_all_clips(tmp_path):
    write_wav(tmp_path / "a.wav", made_up(0.5), 16000)
    wrong = make_system(parse_spec(f"wrong_video(precomputed({tmp_path}))"))
    assert isinstance(wrong, Expects)
    wrong.expects(["s1-a", "s2-a"])
    with pytest.raises(DubbenchError, match="both clips s1-a and s2-a"):
        wrong.inner.find("s1-a")
    WrongVideo(Witness()).expects(["s1-a"])  # who does not want to know is not told


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
    wrong = make_system(parse_spec("wrong_video(delay(ms=40))"))
    assert wrong.info.settings == {"system": "delay", "system.ms": 40.0}
    with pytest.raises(DubbenchError, match="wraps another one"):
        make_system(parse_spec("wrong_video"))
