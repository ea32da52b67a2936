"""SPKSIM: WavLM-TDNN against UniSpeech's, with equal random weights.

The golds come from UniSpeech's ``downstreams/speaker_verification/models/ecapa_tdnn.py`` around s3prl's WavLM with its
hooks (torch 2.13, CPU), with ``random_state`` as their weights; those of full size agree likewise (relative error
4e-7), and take 1.3 GB.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import awkward, voice

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics import secs_wavlm
from dubbench.metrics.secs_wavlm import SPKSIM, embed
from dubbench.signal.media import read_audio
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import have

torch = pytest.importorskip("torch")

from random_weights import random_state  # noqa: E402

from dubbench.metrics.models import prenorm, wavlm  # noqa: E402
from dubbench.weights.state import with_state  # noqa: E402

Samples = NDArray[np.float32]
SMALL = (64, 4, 3)
# samples: the first eight of 256 values, their length
GOLD = {
    16000: (-0.495943, -0.766801, -0.9230795, 0.6497481, -0.4984479, 0.6179574, -0.6882454, -0.1337407, 8.5703954),
    40000: (-0.5221956, -0.7629688, -0.9276762, 0.5998302, -0.456268, 0.7372394, -0.6317223, -0.1730866, 8.6139956),
    720: (-0.3212147, -0.5255608, -0.5233267, 0.2522349, -0.1615725, 0.5159277, -0.2726756, -0.1985798, 5.3858671),
}


@pytest.fixture(scope="module")
def network() -> wavlm.SpeakerEncoder:
    with torch.device("meta"):
        small = wavlm.SpeakerEncoder(*SMALL)
    return with_state(small, random_state(small), "random")


@pytest.mark.parametrize("count", GOLD)
def test_the_network_is_the_originals(network: wavlm.SpeakerEncoder, count: int) -> None:
    x = torch.from_numpy(np.random.default_rng(count).standard_normal((1, count)).astype(np.float32)) * 0.1
    with torch.inference_mode():
        found = network(x)[0].numpy()
    *first, length = GOLD[count]
    np.testing.assert_allclose(found[:8], first, rtol=1e-5, atol=2e-6)
    assert np.linalg.norm(found) == pytest.approx(length, rel=1e-5)


def test_the_whole_network_has_the_published_size() -> None:
    """WavLM large's 315 million parameters, the mixture, and the 256-d ECAPA-TDNN on it."""
    with torch.device("meta"):
        whole = wavlm.SpeakerEncoder()
    state = whole.state_dict()
    inside = sum(t.numel() for n, t in state.items() if n.startswith("feature_extract."))
    assert inside == 315_453_120 - 1024  # without the mask's embedding
    assert state["feature_weight"].shape == (25,)
    assert state["linear.weight"].shape == (256, 3072)


def test_distances_fall_into_t5s_buckets() -> None:
    """By T5's definition (Raffel et al. 2020), in exact arithmetic: 160 buckets a side, up to 800 frames."""
    found = prenorm.distances(900).numpy()
    assert (found[0, :80] == np.where(np.arange(80) > 0, 160 + np.arange(80), 0)).all()
    assert (found[:80, 0] == np.arange(80)).all()
    for far in (81, 100, 240, 500, 799):
        wanted = 80 + int(np.log(far / 80) / np.log(10) * 80)
        assert found[far, 0] == min(159, wanted)
        assert found[0, far] == 160 + min(159, wanted)
    assert (found[850:, 0] == 159).all()


def test_strange_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file(random_state(wavlm.SpeakerEncoder(*SMALL)), tmp_path / "small.safetensors")
    with pytest.raises(DubbenchError, match=r"small.safetensors: not weights of SpeakerEncoder: .* is missing"):
        wavlm.load_speaker_encoder(tmp_path / "small.safetensors")


@pytest.fixture
def metric(network: wavlm.SpeakerEncoder, monkeypatch: pytest.MonkeyPatch) -> SPKSIM:
    monkeypatch.setattr(secs_wavlm, "asset_digest", lambda name: "0" * 64)
    made = SPKSIM()
    made._model = network
    return made


def item(dub: Samples, reference: Samples, truth: Samples | None, rate: int = 16000) -> Item:
    sounds = [None if x is None else Sound(x, 16000) for x in (truth, reference)]
    return Item(Clip("c", "grid", "s1", "", Path("none.mp4")), Sound(dub, rate), *sounds, duration=3.0, fps=25.0)


def test_the_score(metric: SPKSIM, network: wavlm.SpeakerEncoder) -> None:
    a, b, c = voice(1.0), voice(1.2, seed=1), voice(1.1, 190.0, seed=2)
    assert metric.score(item(a, a, a)) == {"spksim": 1.0, "spksim_gt": 1.0}
    ea, eb, ec = (torch.from_numpy(embed(network, x)) for x in (a, b, c))
    cos = torch.nn.functional.cosine_similarity
    wanted = {"spksim": float(cos(ea, eb, 0)), "spksim_gt": float(cos(ea, ec, 0))}
    stats = metric.score(item(a, b, c))
    assert stats == {name: pytest.approx(value, abs=1e-6) for name, value in wanted.items()}
    quiet = metric.score(item(0.25 * a, b, c))
    assert quiet == {name: pytest.approx(value, abs=1e-3) for name, value in wanted.items()}
    assert set(metric.score(item(a, b, None))) == {"spksim"}  # type: ignore[arg-type]


def test_what_cannot_be_scored(metric: SPKSIM) -> None:
    sound, silent = voice(1.0), np.zeros(16000, np.float32)
    assert metric.score(item(silent, sound, sound)) == Unscored("no sound in the dub")
    assert metric.score(item(sound, silent, silent)) == Unscored("no sound in the ground truth")
    assert metric.score(item(sound[:7999], sound, sound)) == Unscored("less than 0.5 s of sound in the dub")
    unscored = set()
    shared = item(sound, voice(1.0), None)
    for name, (dub, rate) in awkward(voice(1.0)).items():
        stats = metric.score(replace(shared, dub=Sound(dub, rate)))
        if isinstance(stats, Unscored):
            unscored.add(name)
        else:
            assert all(-1 <= value <= 1 for value in stats.values()), name
    assert unscored == {"one sample", "ten samples", "digital silence", "constant", "a quarter", "denormal"}


@pytest.mark.weights
@pytest.mark.skipif(not have("wavlm-sv"), reason="the weights of wavlm-sv are not here")
def test_real_weights_know_speakers(shared_data: Path) -> None:
    metric = SPKSIM()
    own = [read_audio(file) for file in sorted((shared_data / "grid" / "s1").glob("*.mpg"))[:4]]
    other = read_audio(next(iter(sorted((shared_data / "grid" / "s4").glob("*.mpg")))))
    within = [metric.score(item(x, own[0], None))["spksim"] for x in own[1:]]  # type: ignore[index]
    across = [metric.score(item(x, other, None))["spksim"] for x in own[1:]]  # type: ignore[index]
    assert np.mean(within) > 0.5
    assert np.mean(across) < np.mean(within) - 0.2
