import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import System
from dubbench.errors import DubbenchError
from dubbench.signal.media import write_wav
from dubbench.systems.diflowdubber import codecs
from dubbench.systems.diflowdubber.codec.base import Tokens, frames_of
from dubbench.systems.diflowdubber.frontend import Visual
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.stage1 import Stage1
from dubbench.systems.diflowdubber.stage2 import Stage2
from dubbench.systems.diflowdubber.system import DiFlowDubber
from dubbench.systems.diflowdubber.tts import DiFlowTTS
from dubbench.training import checkpoint

DIGEST = "c" * 64


class FakeCodec:
    """A codec whose sound is its prosody tokens."""

    name, digest = "fake", DIGEST

    def encode(self, wav):
        return Tokens.of(np.zeros((6, frames_of(len(wav))), np.int64), np.full(256, np.abs(wav).mean(), np.float32))

    def settle(self, beliefs):
        likeliest = {row: p.argmax(1) for row, p in beliefs.probabilities.items()}
        return np.stack([likeliest.get(row, tokens) for row, tokens in enumerate(beliefs.tokens)])

    def decode(self, tokens):
        return np.repeat(tokens.prosody[0] / 1024, 200).astype(np.float32)


@pytest.fixture
def folder(tmp_path) -> Path:
    torch.manual_seed(0)
    config = configuration("tiny", lip_dim=12, face_dim=5, ctc=False, distill=False)
    meta = {
        "stage": "dub",
        "config": config.to_dict(),
        "step": 7,
        "visual": "landmarks",
        "codec": {"name": "fake", "digest": DIGEST},
        "features": [{"dataset": "toon"}, {"dataset": "grid"}],
        "teacher": {"features": [{"dataset": "LibriTTS"}, {"dataset": "toon"}]},
    }
    checkpoint.write(tmp_path / "weights", {"model": Stage2(config).state_dict()}, meta)
    return tmp_path / "weights"


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    """Videos are what their names say: ``<frames>.mkv``; ``0.mkv`` has no face."""

    def visual(video: Path, longest: float) -> Visual:
        frames = int(video.stem)
        if not frames:
            raise DubbenchError(f"no face found in {video}; dubbing needs a visible face")
        draw = np.random.default_rng(frames)
        lips = draw.normal(size=(frames, 6)).cumsum(0).astype(np.float32)
        return Visual(lips, draw.normal(size=(frames, 5)).astype(np.float32), frames / 25)

    monkeypatch.setattr("dubbench.systems.diflowdubber.frontend.visual_features", visual)
    monkeypatch.setattr("dubbench.systems.diflowdubber.codecs.open_codec", lambda spec, device="cpu": FakeCodec())


@pytest.fixture
def ask(tmp_path):
    def request(clip: str, frames: int = 20, text: str = "bin blue", seed: int = 5, seconds: float = 2.0) -> DubRequest:
        reference = tmp_path / f"reference-{seconds}.wav"
        if not reference.exists():
            write_wav(reference, np.sin(np.arange(round(seconds * 16000)) / 9).astype(np.float32), 16000)
        return DubRequest(clip, tmp_path / f"{frames}.mkv", text, reference, frames / 25, 25.0, seed)

    return request


def loaded(folder: Path, **options: object) -> DiFlowDubber:
    system = DiFlowDubber(str(folder), **{"nfe": 4, **options})  # type: ignore[arg-type]
    system.load("cpu")
    return system


def test_it_says_what_it_is(folder):
    info = DiFlowDubber(str(folder), nfe=8).info
    assert isinstance(DiFlowDubber(str(folder)), System)
    assert info.kind == "model" and info.weights == {"dub": checkpoint.weights_digest(folder), "codec": DIGEST}
    assert info.trained_on == ("LibriTTS", "grid", "toon") and info.settings["nfe"] == 8
    assert info.conditioned_on == ("fake",)
    meta = folder / checkpoint.META
    told = json.loads(meta.read_text("utf-8"))
    told["codec"]["name"] = "world"
    told["digest"] = checkpoint._digest(told)
    meta.write_text(json.dumps(told), "utf-8")
    assert DiFlowDubber(str(folder)).info.conditioned_on == ("resemblyzer",)


def test_a_dub_is_as_long_as_its_video(folder, ask):
    system = loaded(folder)
    for frames in (1, 20, 33):
        (dub,) = system.dub([ask("a", frames)])
        assert isinstance(dub, Dub) and dub.sample_rate == 16000
        assert len(dub.samples) == round(frames / 25 * 16000) and np.isfinite(dub.samples).all()
        assert set(dub.timings) == {"frontend", "model", "vocoder"} and min(dub.timings.values()) >= 0
        assert len(dub.extras["phones"]) == len(dub.extras["ends"]) and json.dumps(dub.extras)
        assert dub.extras["ends"] == sorted(dub.extras["ends"]) and dub.extras["ends"][-1] == round(frames / 25, 2)


def test_the_same_seed_gives_the_same_dub_in_any_batch(folder, ask):
    requests = [ask("a", 20, seed=1), ask("b", 31, "lay green at z four please", seed=2), ask("c", 11, seed=3)]
    alone = {d.clip: d.samples for r in requests for d in loaded(folder).dub([r])}
    together = {d.clip: d.samples for d in loaded(folder, batch=3).dub(requests[::-1])}
    for clip in "abc":
        np.testing.assert_array_equal(alone[clip], together[clip])
    (other,) = loaded(folder).dub([ask("a", 20, seed=9)])
    assert not np.array_equal(other.samples, alone["a"])


def test_decodings_are_part_of_the_identity(folder, ask):
    told = [loaded(folder, **o).info.settings for o in ({"nfe": None}, {"decode": "paper"}, {"acoustic": "mean"})]
    assert [t["decode"] for t in told] == ["streams", "paper", "paper"]
    assert [t["nfe"] for t in told] == [1, 4, 4] and len({str(t) for t in told}) == 3
    sounds = []
    for decode in ("streams", "paper"):
        requests = [ask("a", 20, seed=1), ask("b", 31, seed=2)]
        system = loaded(folder, nfe=None, decode=decode, batch=2)
        sounds.append([dub.samples for dub in system.dub(requests)])
        (alone,) = system.dub(requests[1:])
        np.testing.assert_array_equal(alone.samples, sounds[-1][1])
    assert not np.array_equal(sounds[0][0], sounds[1][0])


def test_one_bad_request_takes_no_other_along(folder, ask, tmp_path):
    empty = ask("empty", text="  ")
    signs = ask("signs", text="∑∫")
    faceless = ask("faceless", frames=0)
    long = ask("long", frames=25 * 200)
    missing = ask("missing")
    missing = DubRequest("missing", missing.video, missing.text, tmp_path / "nothing.wav", 0.8, 25.0, 1)
    silent = tmp_path / "silent.wav"
    write_wav(silent, np.zeros(16000, np.float32), 16000)
    mute = DubRequest("mute", missing.video, missing.text, silent, 0.8, 25.0, 1)
    good = ask("good")
    requests = [empty, signs, faceless, long, missing, mute, good]
    answers = {a.clip: a for a in loaded(folder, batch=7).dub(requests)}
    assert isinstance(answers.pop("good"), Dub)
    reasons = {clip: answer.reason for clip, answer in answers.items() if isinstance(answer, Failure)}
    assert len(reasons) == 6 and not any("\n" in reason for reason in reasons.values())
    assert "no face found" in reasons["faceless"] and "nothing.wav: no such file" in reasons["missing"]
    assert "200.0 s are more than the model's limit of 62.5 s" in reasons["long"]
    assert "silent" in reasons["mute"] and "text" in reasons["empty"] and "speak" in reasons["signs"]


@pytest.mark.parametrize("seconds", [0.2, 60.0])
def test_short_and_long_references_are_heard(folder, ask, seconds):
    (dub,) = loaded(folder).dub([ask("a", seconds=seconds)])
    assert isinstance(dub, Dub)


def test_more_phones_than_frames_is_still_a_dub(folder, ask):
    (dub,) = loaded(folder).dub([ask("a", 3, "place white with x seven again")])
    assert isinstance(dub, Dub) and len(dub.samples) == 1920


def test_without_weights_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(codecs, "WEIGHTS", tmp_path / "none")
    with pytest.raises(DubbenchError, match=r"train them \(docs/training\.md\)"):
        DiFlowDubber()
    with pytest.raises(DubbenchError, match="no checkpoint and no run"):
        DiFlowDubber(str(tmp_path))


def test_weights_of_the_package_are_the_default(folder, monkeypatch):
    monkeypatch.setattr(codecs, "WEIGHTS", folder)
    assert DiFlowDubber().info.weights["dub"] == checkpoint.weights_digest(folder)


def test_what_does_not_belong_together_is_refused(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(FakeCodec, "digest", "d" * 64)
    with pytest.raises(DubbenchError, match=r"codec dddddddddddd, but .* speaks tokens of cccccccccccc"):
        loaded(folder)
    shutil.copytree(folder, tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(DubbenchError, match="cut short"):
        loaded(tmp_path / "cut")
    for options in ({"nfe": 0}, {"temperature": 0.0}, {"batch": 0}):
        with pytest.raises(DubbenchError, match="must be at least 1"):
            DiFlowDubber(str(folder), **options)


def test_a_checkpoint_of_stage_1_does_not_dub(tmp_path):
    meta = {"stage": "tts", "config": configuration("tiny").to_dict()}
    checkpoint.write(tmp_path / "tts", {"model": {}}, meta)
    with pytest.raises(DubbenchError, match="stage 'tts'; dubbing needs 'dub'"):
        DiFlowDubber(str(tmp_path / "tts"))


def test_npy_features_come_from_their_folders(folder, ask, tmp_path, monkeypatch):
    meta = folder / checkpoint.META
    told = json.loads(meta.read_text("utf-8"))
    told["visual"] = "npy"
    told["digest"] = checkpoint._digest(told)
    meta.write_text(json.dumps(told), "utf-8")
    for name, width in (("lips", 12), ("face", 5)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.random.default_rng(0).normal(size=(20, width)).astype(np.float32))
    system = loaded(folder, lips=str(tmp_path / "lips"), face=str(tmp_path / "face"))
    (dub, failure) = system.dub([ask("a"), ask("b")])
    kinds = {type(answer) for answer in (dub, failure)}
    assert kinds == {Dub, Failure}
    (answer,) = loaded(folder).dub([ask("a")])
    assert isinstance(answer, Failure) and "give their folders" in answer.reason


@pytest.fixture
def tts_folder(tmp_path) -> Path:
    torch.manual_seed(0)
    config = configuration("tiny")
    meta = {"stage": "tts", "config": config.to_dict(), "codec": {"name": "fake", "digest": DIGEST}, "features": []}
    checkpoint.write(tmp_path / "tts", {"model": Stage1(config).state_dict()}, meta)
    return tmp_path / "tts"


def test_stage_1_speaks_without_a_video(tts_folder, ask):
    system = DiFlowTTS(str(tts_folder), nfe=2)
    system.load("cpu")
    first, again, wrong = system.dub([ask("a"), ask("b"), ask("c", text="")])
    assert isinstance(first, Dub) and isinstance(again, Dub) and isinstance(wrong, Failure)
    assert len(first.samples) % 200 == 0 and np.array_equal(first.samples, again.samples)
    assert set(first.timings) == {"frontend", "model", "vocoder"}


def test_stage_1_needs_its_own_weights(folder):
    with pytest.raises(DubbenchError, match="ships no weights"):
        DiFlowTTS()
    with pytest.raises(DubbenchError, match="needs 'tts'"):
        DiFlowTTS(str(folder))
