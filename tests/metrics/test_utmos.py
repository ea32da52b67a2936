"""UTMOS against the published implementation, with equal random weights; with the real ones where they are found.

The golds come from ``tarepan/SpeechMOS`` v1.2.0 (its ``UTMOS22Strong`` with ``random_state`` as its weights, torch
2.13 on a CPU) and torchaudio 2.11's ``functional.resample``: scores, and the features of the first and last frame.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import awkward, pair, voice

from dubbench.core.metric import Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics import utmos
from dubbench.signal.media import read_audio_native
from dubbench.weights.catalogue import have

torch = pytest.importorskip("torch")

from random_weights import random_state  # noqa: E402

from dubbench.metrics.models import utmos22  # noqa: E402
from dubbench.weights.state import with_state  # noqa: E402

SOUNDS: dict[str, tuple[NDArray[np.float32], int]] = {
    "odd frames": (voice(), 16000),
    "even frames": (voice(1.52, seed=3), 16000),
    "22.05 kHz": (voice(2.0, 150.0, seed=1), 22050),
    "24 kHz": (voice(1.0, seed=2), 24000),
    "48 kHz": (np.repeat(voice(1.0), 3), 48000),
}
GOLD = {
    "odd frames": (3.19303560256958, (1.171643, 0.177528, 1.176612, 0.165045)),
    "even frames": (3.1928281784057617, (1.187503, 0.167801, 1.19471, 0.159475)),
    "22.05 kHz": (3.1368257999420166, (1.204237, 0.2376, 1.202305, 0.234442)),
    "24 kHz": (3.160567045211792, (1.323705, -0.052451, 1.314896, -0.043196)),
    "48 kHz": (3.235264301300049, (1.19518, 0.274959, 1.190255, 0.273773)),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("weights") / "utmos.safetensors"
    save_file(random_state(utmos22.empty()), path)
    return path


@pytest.fixture(scope="module")
def model(weights: Path) -> Iterator[utmos22.UTMOS22]:
    yield utmos22.load_utmos22(weights)
    weights.unlink()  # 400 MB


@pytest.fixture
def metric(model: utmos22.UTMOS22, monkeypatch: pytest.MonkeyPatch) -> utmos.UTMOS:
    monkeypatch.setattr(utmos, "asset_digest", lambda name: "0" * 64)
    made = utmos.UTMOS()
    made._model = model
    return made


@pytest.mark.parametrize("name", SOUNDS)
def test_scores_are_those_of_the_published_code(model: utmos22.UTMOS22, name: str) -> None:
    samples, rate = SOUNDS[name]
    score, corners = GOLD[name]
    assert utmos.opinion(model, samples, rate) == pytest.approx(score, rel=1e-5)
    with torch.inference_mode():
        features = model.wav2vec2(torch.from_numpy(utmos22.to_16k(samples, rate))[None])
    assert features.shape == (1, (math.ceil(len(samples) * 16000 / rate) - 400) // 320 + 1, 768)
    assert features[0, [0, -1], :2].flatten().tolist() == pytest.approx(corners, abs=1e-5)


def test_a_head_of_zeros_gives_three(model: utmos22.UTMOS22) -> None:
    state = dict(model.state_dict())
    for name in ("projection.2.weight", "projection.2.bias"):
        state[name] = torch.zeros_like(state[name])
    assert utmos.opinion(with_state(utmos22.empty(), state, "state"), voice(), 16000) == 3.0


def test_a_batch_of_equal_lengths_changes_nothing_and_padding_does(model: utmos22.UTMOS22) -> None:
    one, two = voice(1.0), voice(1.0, seed=5)
    with torch.inference_mode():
        batch = model(torch.from_numpy(np.stack([one, two])))
        padded = model(torch.from_numpy(np.concatenate([one, np.zeros(8000, np.float32)]))[None])
    alone = [utmos.opinion(model, x, 16000) for x in (one, two)]
    assert batch.tolist() == pytest.approx(alone, rel=1e-5)
    assert abs(float(padded[0]) - alone[0]) > 1e-4


def test_the_same_digits_whatever_was_scored_before(model: utmos22.UTMOS22) -> None:
    scores = [utmos.opinion(model, *SOUNDS[name]) for name in ("odd frames", "24 kHz", "odd frames")]
    assert scores[0] == scores[2] != scores[1]


def test_weights_that_do_not_fit_are_refused(model: utmos22.UTMOS22, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = dict(model.state_dict())
    missing = {name: tensor for name, tensor in state.items() if name != "judge_emb"}
    for wrong, problem in (
        (missing, "judge_emb is missing"),
        (state | {"blstm.extra": torch.zeros(1)}, "blstm.extra has no place"),
        (state | {"domain_emb": torch.zeros(1, 64)}, "domain_emb has shape (1, 64), not (1, 128)"),
    ):
        save_file(wrong, tmp_path / "wrong.safetensors")
        with pytest.raises(DubbenchError) as caught:
            utmos22.load_utmos22(tmp_path / "wrong.safetensors")
        assert str(caught.value) == f"{tmp_path}/wrong.safetensors: not weights of UTMOS22: {problem}"
        (tmp_path / "wrong.safetensors").unlink()  # 400 MB


def test_resampling_keeps_a_tone_and_removes_what_lies_above(model: utmos22.UTMOS22) -> None:
    t = np.arange(44100) / 44100
    kept = utmos22.to_16k(np.sin(2 * np.pi * 1000 * t).astype(np.float32), 44100)
    assert len(kept) == 16000
    assert kept[200:-200] == pytest.approx(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[200:-200], abs=2e-3)
    gone = utmos22.to_16k(np.sin(2 * np.pi * 11000 * t).astype(np.float32), 44100)
    assert np.abs(gone[200:-200]).max() < 0.02


def test_awkward_dubs_give_a_score_or_a_reason(metric: utmos.UTMOS) -> None:
    truth = voice()
    for name, (samples, rate) in awkward(truth).items():
        result = metric.score(pair(samples, truth, rate))
        unscored = name in ("one sample", "ten samples", "a quarter", "digital silence", "constant", "denormal")
        assert isinstance(result, Unscored) == unscored, name
        if isinstance(result, Unscored):
            assert (
                "shorter than 0.5 s" if name not in ("digital silence", "constant", "denormal") else "no sound"
            ) in result.reason
        else:
            assert np.isfinite(result["utmos"]), name
    samples = np.where(np.arange(len(truth)) == 9, np.float32(np.inf), truth)
    assert metric.score(pair(samples, truth)) == Unscored("the network gives no finite score for this dub")
    assert metric.failed(pair(truth, truth).clip) is None


def test_missing_weights_are_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    with pytest.raises(DubbenchError, match="dubbench assets fetch utmos22-strong"):
        utmos.UTMOS()


@pytest.mark.weights
def test_published_score(shared_data: Path) -> None:
    """What VERSA's own tests state for their sample: 1.907437 and 1.907442."""
    if not have(utmos.WEIGHTS):
        pytest.skip("no weights: dubbench assets fetch utmos22-strong --convert brings them")
    metric = utmos.UTMOS()
    metric.load("cpu")
    samples, rate = read_audio_native(shared_data / "gold" / "versa_test2.wav")
    stats = metric.score(pair(samples, samples, rate))
    assert not isinstance(stats, Unscored)
    assert stats["utmos"] == pytest.approx(1.9074, abs=1e-4)


@pytest.mark.weights
def test_ground_truth_of_grid(shared_data: Path) -> None:
    """DiFlowDubber's Table 2 prints 3.94 for the ground truth; here one clip of each of twelve speakers."""
    if not have(utmos.WEIGHTS):
        pytest.skip("no weights: dubbench assets fetch utmos22-strong --convert brings them")
    metric = utmos.UTMOS()
    metric.load("cpu")
    files = {file.parent.name: file for file in sorted((shared_data / "grid").glob("s*/*.mpg"))}.values()
    scores = [utmos.opinion(metric._model, *read_audio_native(file)) for file in files]
    assert len(scores) >= 12
    assert np.mean(scores) == pytest.approx(3.94, abs=0.3)
