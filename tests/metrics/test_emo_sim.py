"""Emo-SIM: emotion2vec against funasr's, with equal random weights.

The golds come from funasr 1.4.16 (``Emotion2vec.extract_features`` on a sound after ``layer_norm``, torch 2.13, CPU)
with ``random_state`` as its weights; the base model at full size agrees likewise (relative error 8e-7).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import awkward, voice
from placed_weights import place
from spoken import SENTENCES, say

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics.emo_sim import EmoSIM, EmoSIMPlus, embed
from dubbench.metrics.parts.speaker import cosine
from dubbench.pipeline.components import make_metric
from dubbench.signal.media import read_audio, resample
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import have

torch = pytest.importorskip("torch")

from random_weights import random_state  # noqa: E402

from dubbench.metrics.models import emotion2vec  # noqa: E402

Samples = NDArray[np.float32]
# Width, prenet, depth, shape of the scales of the position bias: one for all blocks (as published), one a block.
SHAPES = {
    "one scale": (128, 1, 2, (1, 1, 2, 1, 1)),
    "scales a block": (192, 1, 2, (3, 1, 3, 1, 1)),
}
# samples: the first four values of the mean over time, the length of all features
GOLD = {
    ("one scale", 16000): (-1.0051363, -0.3326846, 1.2945296, -0.3892649, 80.565567),
    ("one scale", 48000): (-1.1076984, -0.2901029, 1.409488, 0.1454478, 140.6176),
    ("one scale", 400): (-0.3110401, -2.0371044, 0.5893526, -0.538366, 11.8115215),
    ("scales a block", 16000): (0.7336428, -0.0614124, 1.0968255, 1.2392482, 98.7003403),
    ("scales a block", 48000): (0.5672138, -0.4187658, 1.3918888, 1.4854354, 171.1613159),
    ("scales a block", 400): (1.1531075, 0.1727689, 0.2970334, 1.2497412, 14.0620327),
}


def state(name: str) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return random_state(emotion2vec.Emotion2vec(*SHAPES[name]))


@pytest.mark.parametrize(("name", "count"), GOLD)
def test_the_network_is_the_originals(name: str, count: int) -> None:
    x = torch.from_numpy(np.random.default_rng(count).standard_normal((1, count)).astype(np.float32)) * 0.1
    with torch.inference_mode():
        found = emotion2vec.emotion2vec_with(state(name))(x)[0].numpy()
    *first, length = GOLD[name, count]
    assert found.shape == ((count - 400) // 320 + 1, SHAPES[name][0])
    np.testing.assert_allclose(found.mean(0)[:4], first, rtol=1e-5, atol=2e-6)
    assert np.linalg.norm(found) == pytest.approx(length, rel=1e-5)


def test_slopes_are_alibis() -> None:
    """Press et al. 2022: halves for eight heads; for twelve, those of eight and every other one of sixteen."""
    bias = -emotion2vec.alibi(3, 8)[:, 0, 2].numpy() / 2
    np.testing.assert_allclose(bias, 0.5 ** np.arange(1, 9))
    twelve = -emotion2vec.alibi(2, 12)[:, 0, 1].numpy()
    np.testing.assert_allclose(twelve, [*0.5 ** np.arange(1, 9), *0.5 ** (np.arange(4) + 0.5)], rtol=1e-6)


def test_strange_weights_are_refused() -> None:
    good = state("one scale")
    audio = "modality_encoders.AUDIO."
    training = {
        "_ema": torch.zeros(1),
        audio + "decoder.proj.weight": torch.zeros(1),
        "proj.weight": torch.zeros(9, 128),
    }
    emotion2vec.emotion2vec_with({**good, **training})
    emotion2vec.emotion2vec_with({**good, audio + "alibi_scale": good[audio + "alibi_scale"][0]})  # of four axes
    with pytest.raises(DubbenchError, match="alibi_scale or extra_tokens is missing"):
        emotion2vec.emotion2vec_with({"encoder.weight": torch.zeros(1)})
    with pytest.raises(DubbenchError, match=r"blocks\.1\.norm1\.weight is missing"):
        emotion2vec.emotion2vec_with({n: t for n, t in good.items() if n != "blocks.1.norm1.weight"})
    with pytest.raises(DubbenchError, match=r"blocks\.0\.extra has no place"):
        emotion2vec.emotion2vec_with({**good, "blocks.0.extra": torch.zeros(1)})


@pytest.fixture
def metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmoSIM:
    """The metric on its real path, from a small network in the place of the published one."""
    from safetensors.torch import save_file

    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    with pytest.raises(DubbenchError, match="dubbench assets fetch emotion2vec-base"):
        EmoSIM()
    save_file(state("one scale"), tmp_path / "small.safetensors")
    place("emotion2vec-base", tmp_path / "small.safetensors")
    return EmoSIM()


def item(dub: Samples, truth: Samples, reference: Samples | None = None, rate: int = 16000) -> Item:
    sounds = [None if x is None else Sound(x, 16000) for x in (truth, reference)]
    return Item(Clip("c", "grid", "s1", "", Path("none.mp4")), Sound(dub, rate), *sounds, duration=3.0, fps=25.0)


def test_the_score_and_its_floor(metric: EmoSIM) -> None:
    a, b, c = voice(1.0), voice(1.2, seed=1), voice(1.1, 190.0, seed=2)
    network = emotion2vec.emotion2vec_with(state("one scale"))
    ea, eb, ec = (embed(network, x) for x in (a, b, c))
    assert not isinstance(ea, str) and not isinstance(eb, str) and not isinstance(ec, str)
    assert metric.score(item(a, a)) == {"emo_sim": 1.0}
    stats = metric.score(item(a, b, c))
    assert stats == {"emo_sim": pytest.approx(cosine(ea, eb)), "emo_floor": pytest.approx(cosine(eb, ec))}
    # The control another_clip dubs with the prompt of Setting 2.0: its score is the floor.
    assert metric.score(item(c, b, c))["emo_sim"] == pytest.approx(stats["emo_floor"])  # type: ignore[index]
    # In Setting 1.0 the prompt is the ground truth itself, and says nothing of a floor.
    assert set(metric.score(item(a, b, b.copy()))) == {"emo_sim"}  # type: ignore[arg-type]
    assert metric.score(item(0.25 * a, a)) == {"emo_sim": pytest.approx(1.0, abs=1e-4)}
    assert metric.score(item(resample(a, 16000, 48000), a, rate=48000))["emo_sim"] > 0.995  # type: ignore[index]


def test_what_cannot_be_scored(metric: EmoSIM) -> None:
    sound, silent = voice(1.0), np.zeros(16000, np.float32)
    assert metric.score(item(silent, sound)) == Unscored("no sound in the dub")
    assert metric.score(item(sound, silent)) == Unscored("no sound in the ground truth")
    assert set(metric.score(item(sound, sound, silent))) == {"emo_sim"}  # type: ignore[arg-type]
    unscored = set()
    shared = item(sound, sound)
    for name, (dub, rate) in awkward(sound).items():
        stats = metric.score(replace(shared, dub=Sound(dub, rate)))
        if isinstance(stats, Unscored):
            unscored.add(name)
        else:
            assert all(-1 <= value <= 1 for value in stats.values()), name
    assert unscored == {"one sample", "ten samples", "digital silence", "constant", "a quarter", "denormal"}


def test_the_two_models_are_two_recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    save_file(state("scales a block"), tmp_path / "small.safetensors")
    place("emotion2vec-base", tmp_path / "small.safetensors")
    place("emotion2vec-plus-large", tmp_path / "small.safetensors")
    base, plus = make_metric("emo-sim"), make_metric("emo-sim-plus")
    assert (base.info.recipe, plus.info.recipe) == ("emo-sim/emotion2vec-base", "emo-sim/emotion2vec-plus-large")
    assert base.info.profiles == {"paper"} and not plus.info.profiles
    assert EmoSIM.assets == ("emotion2vec-base",) and EmoSIMPlus.assets == ("emotion2vec-plus-large",)


def test_against_funasr_itself() -> None:
    """Where funasr is installed: its own class with the same weights."""
    original = pytest.importorskip("funasr.models.emotion2vec.model", exc_type=ImportError)
    audio = {
        "type": "AUDIO", "prenet_depth": 1, "prenet_layerdrop": 0.05, "prenet_dropout": 0.1,
        "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0, "num_extra_tokens": 10, "init_extra_token_zero": True,
        "use_alibi_encoder": True, "alibi_scale": 1.0, "learned_alibi": False, "alibi_max_pos": None,
        "learned_alibi_scale": True, "learned_alibi_scale_per_head": True, "learned_alibi_scale_per_layer": False,
        "num_alibi_heads": 2, "model_depth": 2, "local_grad_mult": 1.0, "extractor_mode": "layer_norm",
        "feature_encoder_spec": "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] * 2", "conv_pos_width": 95,
        "conv_pos_groups": 16, "conv_pos_depth": 5, "conv_pos_pre_ln": False, "decoder": None,
    }  # fmt: skip
    conf = {
        "depth": 2, "start_drop_path_rate": 0.0, "end_drop_path_rate": 0.0, "num_heads": 2, "norm_eps": 1e-5,
        "norm_affine": True, "encoder_dropout": 0.1, "post_mlp_drop": 0.1, "attention_dropout": 0.1,
        "activation_dropout": 0.0, "dropout_input": 0.0, "layerdrop": 0.05, "embed_dim": 128, "mlp_ratio": 4.0,
        "layer_norm_first": False, "end_of_block_targets": False, "clone_batch": 8, "normalize": True,
        "modalities": {"audio": audio}, "average_top_k_layers": 8, "loss_beta": 0.0, "loss_scale": None,
    }  # fmt: skip
    theirs = original.Emotion2vec(model_conf=conf, vocab_size=-1).eval()
    theirs.load_state_dict(state("one scale"))
    x = torch.from_numpy(say(SENTENCES[0])[0])[None]
    with torch.inference_mode():
        source = torch.nn.functional.layer_norm(x[0], x[0].shape)[None]
        wanted = theirs.extract_features(source, padding_mask=None)["x"]
        found = emotion2vec.emotion2vec_with(state("one scale"))(x)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.weights
@pytest.mark.skipif(not have("emotion2vec-base"), reason="the weights of emotion2vec-base are not here")
def test_real_weights_have_the_published_range(shared_data: Path) -> None:
    """768 values, and a floor above 0.8 between any two clips (emotion2vec, issue 66)."""
    metric = EmoSIM()
    clips = [read_audio(file) for file in sorted((shared_data / "grid" / "s1").glob("*.mpg"))[:4]]
    metric.load("cpu")
    assert np.shape(embed(metric._model, clips[0])) == (768,)
    stats = [metric.score(item(x, clips[0], x)) for x in clips[1:]]
    assert all(0.8 < s["emo_sim"] < 1 for s in stats)  # type: ignore[index]
