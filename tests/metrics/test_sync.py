"""The metric `sync` on real clips, and on what cannot be scored."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import awkward
from safetensors import safe_open

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Stats, Unscored
from dubbench.metrics.sync import WEIGHTS, Sync
from dubbench.signal.media import probe, read_audio, read_frames
from dubbench.signal.sound import Sound
from dubbench.systems.controls.splice import lay_over, room_tone

Samples = NDArray[np.float32]


@pytest.fixture(scope="module")
def metric() -> Sync:
    made = Sync()
    made.load("cpu")
    return made


@pytest.fixture(scope="module")
def video(shared_data: Path) -> Path:
    """A woman's clip: neither her face nor her voice was trained on."""
    return shared_data / "grid" / "s23" / "lrwp9a.mpg"


def item(video: Path, dub: Samples, rate: int = 16000) -> Item:
    about = probe(video)
    return Item(Clip("c", "grid", "s", "x", video), Sound(dub, rate), None, None, about.duration, about.fps)


def scored(found: Stats | Unscored) -> Stats:
    assert not isinstance(found, Unscored), found.reason
    return found


def write(path: Path, frames: NDArray[np.uint8], fps: int) -> Path:
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=fps, options={"crf": "10", "threads": "1"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        for index, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def test_the_shipped_weights_say_where_they_are_from() -> None:
    assert WEIGHTS.stat().st_size <= 2_000_000
    with safe_open(WEIGHTS, "np") as file:
        meta = json.loads(file.metadata()["dubbench"])
        assert {str(file.get_tensor(name).dtype) for name in file.keys()} == {"float16"}  # noqa: SIM118
    assert set(meta["landmarks"]) == {"grid train", "toon train"} and meta["clips"]["train"] > 800
    assert "CC BY 4.0" in meta["licences"]["grid"] and "Cooke" in meta["licences"]["grid"]
    assert "--speakers grid=s1" in meta["commands"][-1]
    told = Sync().info
    assert len(told.weights["sync-expert"]) == 64 and told.profiles == {"offline"}


def test_delays_are_told_apart_from_other_faults(metric: Sync, video: Path) -> None:
    truth = read_audio(video)
    own = scored(metric.score(item(video, truth)))
    assert abs(own["offset_ms"]) <= 40 and own["confidence"] > 0.1
    tone = room_tone(truth, 16000, len(truth), np.random.default_rng(0))
    for ms in (-320, 200):
        late = scored(metric.score(item(video, lay_over(tone, truth, ms * 16, 16000))))
        assert abs(late["offset_ms"] - ms) <= 40 and late["offset_abs_ms"] == abs(late["offset_ms"])
        assert late["distance"] > own["distance"] + 0.1
        assert late["confidence"] == pytest.approx(own["confidence"], abs=0.08)
    other = read_audio(video.parents[1] / "s33" / "lbaa7a.mpg")
    wrong = scored(metric.score(item(video, other)))
    assert wrong["confidence"] < own["confidence"] - 0.05 and wrong["distance"] > own["distance"] + 0.1
    quiet = scored(metric.score(item(video, 0.25 * truth)))
    assert quiet["distance"] == pytest.approx(own["distance"], abs=0.01)
    again = scored(Sync().score(item(video, truth)))
    assert again == own


def test_thirty_frames_a_second(metric: Sync, video: Path, tmp_path: Path) -> None:
    frames, truth = read_frames(video), read_audio(video)
    faster = frames[np.minimum(np.round(np.arange(90) / 30 * 25).astype(int), len(frames) - 1)]
    found = scored(metric.score(item(write(tmp_path / "30.mp4", faster, 30), truth)))
    own = scored(metric.score(item(video, truth)))
    assert abs(found["offset_ms"]) <= 40 and found["distance"] == pytest.approx(own["distance"], abs=0.15)


def test_what_cannot_be_scored_says_why(metric: Sync, video: Path, tmp_path: Path) -> None:
    frames, truth = read_frames(video), read_audio(video)
    noise = np.random.default_rng(0).integers(0, 255, (25, 96, 96, 3), np.uint8)
    make: dict[str, tuple[Callable[[], Item], str]] = {
        "no face": (lambda: item(write(tmp_path / "noise.mp4", noise, 25), truth), "no face"),
        "five frames": (lambda: item(write(tmp_path / "short.mp4", frames[:5], 25), truth), "too short"),
        "silence": (lambda: item(video, np.zeros_like(truth)), "no speech"),
    }
    for name, (build, reason) in make.items():
        found = metric.score(build())
        assert isinstance(found, Unscored) and reason in found.reason and "\n" not in found.reason, name


def test_awkward_dubs_give_numbers_or_a_reason(metric: Sync, video: Path) -> None:
    unscored = {"one sample", "ten samples", "digital silence", "constant", "noise", "denormal", "one click"}
    for name, (dub, rate) in awkward(read_audio(video)).items():
        found = metric.score(item(video, dub, rate))
        if isinstance(found, Unscored):
            assert name in unscored, (name, found.reason)
        else:
            assert name not in unscored and np.isfinite(list(found.values())).all(), name


def test_real_dubs_rank_as_their_alignment_does(metric: Sync, shared_data: Path) -> None:
    """Two that keep the video's time (25 and 10 ms off its sound) before two that do not (390 and 550 ms)."""
    folder = shared_data / "published_dubs"
    video = folder / "video" / "lbbt8n.mp4"
    names = ("diflowdubber", "emodubber", "hpmdubbing", "v2cnet")
    found = [scored(metric.score(item(video, read_audio(folder / name / "lbbt8n.flac")))) for name in names]
    assert max(x["distance"] for x in found[:2]) < min(x["distance"] for x in found[2:]) - 0.1
    assert [abs(x["offset_ms"]) <= 40 for x in found] == [True, True, False, False]
