"""AVSync: AV-HuBERT against the original, with equal random weights; the score by its definition.

The golds come from facebookresearch/av_hubert's ``AVHubertModel.extract_finetune`` (``mask=False``, no layer given) on
fairseq 0.12's modules (torch 2.13, CPU), with ``random_state`` as its weights; those of full size agree likewise
(relative error 7e-7), and take 1.3 GB.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import awkward, voice

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics import avsync
from dubbench.metrics.avsync import AVSync, at_25_fps, hear, mean_cosine, pictures, see
from dubbench.metrics.parts.filterbank import log_filterbank, stacked
from dubbench.signal import film, landmarks
from dubbench.signal.clock import Timeline
from dubbench.signal.landmarks import VisualError
from dubbench.signal.media import read_audio, read_frames
from dubbench.signal.picture import Picture
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import have

torch = pytest.importorskip("torch")

from random_weights import random_state  # noqa: E402

from dubbench.metrics.models import avhubert  # noqa: E402
from dubbench.weights.state import with_state  # noqa: E402

Samples = NDArray[np.float32]
SMALL = (64, 4, 3)
# frames: the first eight of 64 values of the middle frame, the length of all features
GOLD = {
    20: (-0.2009494, 0.2787758, -0.3370062, -0.1666185, 1.1587257, 0.9541617, 1.3340814, -0.000852, 35.7953224),
    75: (-0.0556774, 0.7479057, -0.3539021, -0.8457347, 0.996069, 0.9298775, 0.7566566, 0.7002683, 69.7516708),
    5: (0.0047828, 0.0951781, 0.2586363, -0.6173155, 1.1179454, 1.0547358, 1.3220474, 0.3034842, 17.702219),
}


@pytest.fixture(scope="module")
def network() -> avhubert.AVHuBERT:
    with torch.device("meta"):
        small = avhubert.AVHuBERT(*SMALL)
    return with_state(small, random_state(small), "random")


@pytest.mark.parametrize("count", GOLD)
def test_the_network_is_the_originals(network: avhubert.AVHuBERT, count: int) -> None:
    rng = np.random.default_rng(count)
    crops = torch.from_numpy(rng.standard_normal((1, count, 88, 88)).astype(np.float32))
    banks = torch.from_numpy(rng.standard_normal((1, count, 104)).astype(np.float32))
    with torch.inference_mode():
        found = network.hear(network.see(crops), banks)[0].numpy()
    *first, length = GOLD[count]
    assert found.shape == (count, 64)
    np.testing.assert_allclose(found[count // 2, :8], first, rtol=1e-5, atol=2e-6)
    assert np.linalg.norm(found) == pytest.approx(length, rel=1e-5)


def test_heads_of_training_are_left_out_and_others_refused(tmp_path: Path, network: avhubert.AVHuBERT) -> None:
    from safetensors.torch import save_file

    state = random_state(network)
    training = dict.fromkeys(("mask_emb", "label_embs_concat", "final_proj.weight"), torch.zeros(1))
    with_state(avhubert.AVHuBERT(*SMALL), {**state, **training}, "small")
    with pytest.raises(DubbenchError, match=r"encoder\.layers\.3\.fc1\.bias has no place"):
        with_state(avhubert.AVHuBERT(*SMALL), {**state, "encoder.layers.3.fc1.bias": torch.zeros(1)}, "small")
    save_file(state, tmp_path / "small.safetensors")
    with pytest.raises(DubbenchError, match=r"small.safetensors: not weights of AVHuBERT"):
        avhubert.load_avhubert(tmp_path / "small.safetensors")


def test_the_mean_is_over_frames() -> None:
    """Of cosines, not a cosine of means."""
    x = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])
    y = np.array([[2.0, 0.0], [1.0, 0.0], [-1.0, -1.0]])
    assert mean_cosine(x, y) == pytest.approx((1 + 0 - 1) / 3)
    assert mean_cosine(x, x) == 1.0
    assert mean_cosine(x, y) == mean_cosine(y, x)


def test_other_frame_rates() -> None:
    assert (at_25_fps(90, 25.0) == np.arange(90)).all()
    half = at_25_fps(90, 50.0)
    assert len(half) == 45 and (half == 2 * np.arange(45) + 1).all()
    third = at_25_fps(90, 30.0)  # 3 s
    assert len(third) == 75
    assert np.abs(third / 30 - np.arange(75) / 25).max() <= 1 / 25
    assert len(at_25_fps(24, 23.976)) == 25


def talking(count: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(count)
    return np.clip(rng.normal(110, 20, (count, 88, 88)), 0, 255).astype(np.uint8)


def shows(monkeypatch: pytest.MonkeyPatch, frames: NDArray[np.uint8], decoded: list[int] | None = None) -> None:
    """Every video has these frames, at 25 fps; the list gets an entry each time it is decoded."""

    def rgb(*_: object) -> Iterator[tuple[NDArray[np.uint8], float]]:
        if decoded is not None:
            decoded.append(1)
        return ((frame, index / 25) for index, frame in enumerate(frames))

    count = len(frames)
    monkeypatch.setattr(film, "timeline", lambda _: Timeline(0.0, np.arange(count) / 25, count / 25, 25.0, True))
    monkeypatch.setattr(film, "rgb", rgb)


@pytest.fixture
def metric(network: avhubert.AVHuBERT, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AVSync:
    """The metric on a video of 15 frames whose mouth needs no finding."""
    monkeypatch.setattr(avsync, "asset_digest", lambda name: "0" * 64)
    shows(monkeypatch, talking(15))
    monkeypatch.setattr(landmarks, "find_landmarks", lambda *_: None)
    monkeypatch.setattr(avsync, "lip_crops", lambda frames, track: np.stack(list(frames)))
    made = AVSync()
    made._model = network
    return made


def item(dub: Samples, truth: Samples, rate: int = 16000) -> Item:
    clip = Clip("c", "grid", "s1", "", Path("none.mp4"))
    return Item(clip, Sound(dub, rate), Sound(truth, 16000), None, duration=0.6, fps=25.0)


def test_the_score(metric: AVSync, network: avhubert.AVHuBERT) -> None:
    a, b = voice(0.6), voice(0.6, 190.0, seed=2)
    seen = see(network, pictures(Picture(Path("none.mp4"))))
    assert seen.shape == (15, 64)
    with torch.inference_mode():
        crops = torch.from_numpy(((talking(15) / 255 - 0.421) / 0.165).astype(np.float32))[None]
        banks = torch.from_numpy(stacked(log_filterbank(b), 15))[None]
        np.testing.assert_allclose(hear(network, seen, b), network.hear(network.see(crops), banks)[0], atol=1e-5)
    assert metric.score(item(a, a)) == {"avsync": 1.0}
    stats = metric.score(item(b, a))
    assert stats == {"avsync": pytest.approx(mean_cosine(hear(network, seen, a), hear(network, seen, b)))}
    assert stats["avsync"] < 0.9999  # type: ignore[index]


def test_sound_beyond_the_video_is_not_heard(metric: AVSync) -> None:
    a = voice(0.7)
    longer = np.concatenate([a, voice(0.7, 190.0, seed=2)])
    assert metric.score(item(longer, a)) == {"avsync": 1.0}
    shorter = metric.score(item(a[:4000], a))
    assert shorter["avsync"] < 0.9999  # type: ignore[index]


def test_the_video_is_seen_once_for_all_its_dubs(metric: AVSync, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    shows(monkeypatch, talking(15), calls)
    shared = item(voice(0.6), voice(0.6))
    for seed in range(3):
        metric.score(replace(shared, dub=Sound(voice(0.6, seed=seed), 16000)))
    assert len(calls) == 1


def test_what_cannot_be_scored(metric: AVSync, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, silent = voice(0.6), np.zeros(9600, np.float32)
    assert metric.score(item(silent, sound)) == Unscored("no sound in the dub")
    assert metric.score(item(sound, silent)) == Unscored("no sound in the ground truth")
    late, all_of_it = np.concatenate([silent, sound]), "no sound in the {} while the video lasts"
    assert metric.score(item(late, sound)) == Unscored(all_of_it.format("dub"))
    assert metric.score(item(sound, late)) == Unscored(all_of_it.format("ground truth"))
    shared, unscored = item(sound, sound), set()
    for name, (dub, rate) in awkward(sound).items():
        stats = metric.score(replace(shared, dub=Sound(dub, rate)))
        if isinstance(stats, Unscored):
            unscored.add(name)
        else:
            assert -1 <= stats["avsync"] <= 1, name
    assert unscored == {"one sample", "digital silence", "constant", "denormal"}
    shows(monkeypatch, talking(4))
    assert metric.score(item(sound, sound)) == Unscored("4 frames at 25 fps; AVSync needs 5")
    shows(monkeypatch, talking(5))
    assert metric.score(item(sound, sound)) == {"avsync": 1.0}

    def nobody(*_: object) -> None:
        raise VisualError("no face found in c (75 frames)")

    monkeypatch.setattr(landmarks, "find_landmarks", nobody)
    assert metric.score(item(sound, sound)) == Unscored("no face found in c (75 frames)")


def test_a_real_clip(shared_data: Path, network: avhubert.AVHuBERT, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file to the score, with random weights; and a video without a face."""
    pytest.importorskip("mediapipe")
    monkeypatch.setattr(avsync, "asset_digest", lambda name: "0" * 64)
    metric = AVSync()
    metric._model = network
    video = next(iter(sorted((shared_data / "grid" / "s1").glob("*.mpg"))))
    truth = Sound(read_audio(video), 16000)
    shows(monkeypatch, read_frames(video)[:15])
    made = Item(Clip("c", "grid", "s1", "", video), truth, truth, None, 0.6, 25.0)
    assert metric.score(made) == {"avsync": 1.0}
    noise = np.random.default_rng(0).normal(0, 0.1, 9600).astype(np.float32)
    assert metric.score(replace(made, dub=Sound(noise, 16000)))["avsync"] < 0.9999  # type: ignore[index]
    shows(monkeypatch, np.zeros((8, 96, 96, 3), np.uint8))
    stats = metric.score(replace(made, picture=Picture(video)))
    assert isinstance(stats, Unscored) and stats.reason.startswith("no face found in the video")


@pytest.mark.weights
@pytest.mark.skipif(not have("av-hubert-large"), reason="the weights of av-hubert-large are not here")
def test_real_weights_notice_a_delay(shared_data: Path) -> None:
    metric = AVSync()
    video = next(iter(sorted((shared_data / "grid" / "s1").glob("*.mpg"))))
    sound = read_audio(video)
    made = Item(Clip("c", "grid", "s1", "", video), Sound(sound, 16000), Sound(sound, 16000), None, 3.0, 25.0)
    values = []
    for delay in (0, 640, 3200, 8000):
        late = np.concatenate([np.full(delay, 1e-4, np.float32), sound])[: len(sound)]
        values.append(metric.score(replace(made, dub=Sound(late, 16000)))["avsync"])  # type: ignore[index]
    assert values[0] == pytest.approx(1.0)
    assert values == sorted(values, reverse=True)
