"""FACodec against the worked example of the official implementation, and the safety of its loading."""

import csv
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
scipy_signal = pytest.importorskip("scipy.signal")

from dubbench.errors import DubbenchError  # noqa: E402
from dubbench.systems.diflowdubber.codec import facodec, facodec_layers  # noqa: E402
from dubbench.systems.diflowdubber.codec.base import Codec, Tokens, frames_of  # noqa: E402
from dubbench.systems.diflowdubber.codec.settle import Beliefs  # noqa: E402

State = dict[str, "torch.Tensor"]


def by_rule(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A weight by the rule of the worked example (weight_g apart)."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    a = np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
    if len(shape) >= 2:
        return a * np.float32(0.7 / math.sqrt(math.prod(shape[1:])))
    if key.endswith(("alpha", "beta")):
        return a * np.float32(0.1)
    return 1 + np.float32(0.01) * a if key.endswith("weight") else np.float32(0.01) * a


def state(rows: list[tuple[str, tuple[int, ...], bool]], taps: np.ndarray) -> State:
    """Rule-made weights; the training heads, which nothing reads, are zeros that take no memory."""
    made: State = {}
    for key, shape, buffer in rows:
        if buffer:
            made[key] = torch.from_numpy(taps)
        elif "_predictor" in key:
            made[key] = torch.zeros(()).expand(shape)
        elif not key.endswith("weight_g"):
            made[key] = torch.from_numpy(by_rule(key, shape))
    for key, shape, _ in rows:
        if key not in made:
            v = made[key[:-1] + "v"]
            made[key] = v.flatten(1).double().norm(dim=1).float().view(shape)
    return made


@pytest.fixture(scope="module")
def rows() -> dict[str, list[tuple[str, tuple[int, ...], bool]]]:
    """Every tensor of our modules: name, shape, whether it is the fixed filter."""
    with torch.device("meta"):
        modules = {"encoder": facodec.FACodecEncoder(), "decoder": facodec.FACodecDecoder()}
    return {
        part: [(k, tuple(v.shape), k.endswith("filter")) for k, v in module.state_dict().items()]
        for part, module in modules.items()
    }


@pytest.fixture(scope="module")
def states(rows: dict[str, list[tuple[str, tuple[int, ...], bool]]]) -> tuple[State, State]:
    taps = facodec_layers.low_pass().numpy()
    return state(rows["encoder"], taps), state(rows["decoder"], taps)


@pytest.fixture(scope="module")
def codec(states: tuple[State, State]) -> facodec.FACodec:
    return facodec.FACodec(*states)


def test_names_and_shapes_are_the_official_ones(shared_data: Path, rows: dict) -> None:
    with (shared_data / "gold/facodec/state_dict.tsv").open() as file:
        table = list(csv.DictReader(file, delimiter="\t", fieldnames=["part", "key", "shape", "dtype", "how"]))
    for part in ("encoder", "decoder"):
        official = {r["key"]: tuple(map(int, r["shape"].split("x"))) for r in table if r["part"] == part}
        assert {key: shape for key, shape, _ in rows[part]} == official
    counts = [sum(math.prod(s) for _, s, buffer in rows[p] if not buffer) for p in ("encoder", "decoder")]
    assert [round(n / 1e6, 2) for n in counts] == [4.21, 99.4]  # 98.12 and the 5000 x 256 table of positions


def test_worked_example(shared_data: Path, states: tuple[State, State], codec: facodec.FACodec) -> None:
    gold = np.load(shared_data / "gold/facodec/io.npz")
    buffers = np.load(shared_data / "gold/facodec/buffers.npz")
    np.testing.assert_allclose(facodec_layers.low_pass().numpy(), buffers[buffers.files[0]], atol=1e-6)
    normed = facodec.FACodec(*states, fold=False)
    with torch.inference_mode():
        enc = normed.encoder(torch.from_numpy(gold["x"])[None, None])
        ids, emb, speaker = normed.decoder.quantize(enc)
        y = normed.decoder(emb, speaker)
    np.testing.assert_array_equal(ids[0].numpy(), gold["ids"])
    for ours, name in ((enc, "enc"), (emb, "emb"), (speaker, "spk"), (y[0], "y")):
        np.testing.assert_allclose(ours[0].numpy(), gold[name], atol=1e-4, err_msg=name)

    tokens = codec.encode(gold["x"])
    np.testing.assert_array_equal(tokens.stacked, gold["ids"])
    np.testing.assert_allclose(tokens.speaker, gold["spk"], atol=1e-4)
    np.testing.assert_allclose(codec.decode(tokens), gold["y"], atol=1e-4)


def test_folding_changes_nothing_but_names(states: tuple[State, State], codec: facodec.FACodec) -> None:
    x = np.random.default_rng(0).normal(0, 0.1, 1000).astype(np.float32)
    normed = facodec.FACodec(*states, fold=False)
    tokens = normed.encode(x)
    np.testing.assert_array_equal(codec.encode(x).stacked, tokens.stacked)
    np.testing.assert_allclose(codec.decode(tokens), normed.decode(tokens), atol=1e-5)
    assert not any("weight_g" in k for k in codec.encoder.state_dict())
    assert codec.digest == normed.digest


def test_any_length_and_determinism(codec: facodec.FACodec) -> None:
    assert isinstance(codec, Codec)
    for samples in (1, 199, 200, 201, 1234):
        x = np.random.default_rng(1).normal(0, 0.1, samples).astype(np.float32)
        tokens = codec.encode(x)
        assert tokens.length == frames_of(samples) == -(-samples // 200)
        y = codec.decode(tokens)
        assert y.dtype == np.float32 and y.shape == (200 * tokens.length,)
        assert codec.decode(Tokens.of(tokens.stacked, tokens.speaker)).tobytes() == y.tobytes()


def test_bad_samples_are_refused(codec: facodec.FACodec) -> None:
    for bad in (np.zeros(0, np.float32), np.zeros((2, 400), np.float32), np.full(400, np.nan, np.float32)):
        with pytest.raises(DubbenchError, match="codec was given"):
            codec.encode(bad)


def test_files_of_both_kinds_give_one_codec(
    tmp_path: Path, states: tuple[State, State], codec: facodec.FACodec
) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    encoder, decoder = tmp_path / "encoder.safetensors", tmp_path / "decoder.bin"
    save_file({k: v.clone().contiguous() for k, v in states[0].items()}, encoder)
    torch.save(states[1], decoder)
    loaded = facodec.FACodec.load(encoder, decoder)
    assert loaded.digest == codec.digest
    changed = {**states[0], "block.0.bias": states[0]["block.0.bias"] + 1}
    assert facodec.FACodec(changed, states[1]).digest != codec.digest


def test_bad_files_are_refused_in_one_line(tmp_path: Path, states: tuple[State, State]) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"a": Evil()}, tmp_path / "evil.bin")
    torch.save({"epoch": 3, "model": states[0]}, tmp_path / "nested.bin")
    torch.save(states[0], tmp_path / "cut.bin")
    (tmp_path / "cut.bin").write_bytes((tmp_path / "cut.bin").read_bytes()[:1000])
    for name, message in (("evil", "nothing in it was run"), ("nested", "no tensors"), ("cut", "cannot be converted")):
        with pytest.raises(DubbenchError, match=message) as error:
            facodec.read_state(tmp_path / f"{name}.bin")
        assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DubbenchError, match="no such file"):
        facodec.read_state(tmp_path / "none.bin")
    with pytest.raises(DubbenchError, match=r"decoder.*timbre_linear\.bias"):
        facodec.FACodec(states[0], {k: v for k, v in states[1].items() if k != "timbre_linear.bias"})
    with pytest.raises(DubbenchError, match=r"encoder.*block\.0\.bias"):
        facodec.FACodec({**states[0], "block.0.bias": torch.zeros(3)}, states[1])


def test_beliefs_become_the_codes_that_stand_for_their_means(codec: facodec.FACodec) -> None:
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 1024, (6, 12))
    sure = {row: np.eye(1024, dtype=np.float32)[tokens[row]] for row in (0, 2)}
    settled = codec.settle(Beliefs(draw.integers(0, 1024, (6, 12)), sure))
    assert np.array_equal(settled[[0, 2]], tokens[[0, 2]])
    with pytest.raises(DubbenchError, match="no order to search"):
        codec.settle(Beliefs(tokens, sure, search=True))


def test_activation_is_upsample_snake_downsample() -> None:
    activation = facodec_layers.Activation(2)
    torch.nn.init.normal_(activation.act.alpha)
    torch.nn.init.normal_(activation.act.beta)
    x = torch.randn(1, 2, 40, generator=torch.Generator().manual_seed(0))
    taps = facodec_layers.low_pass().numpy().ravel()
    for c in range(2):
        long = np.pad(x[0, c].numpy().astype(np.float64), 20, mode="edge")
        up = scipy_signal.upfirdn(2 * taps, long, up=2)[45 : 45 + 80]
        alpha, beta = (float(p[c].detach().exp()) for p in (activation.act.alpha, activation.act.beta))
        wave = up + np.sin(alpha * up) ** 2 / beta
        down = scipy_signal.upfirdn(taps, np.pad(wave, 20, mode="edge"), down=1)[26 : 26 + 80 : 2]
        np.testing.assert_allclose(activation(x)[0, c].detach().numpy(), down, atol=1e-5)


def test_tokens_refuse_what_they_are_not() -> None:
    speaker = np.zeros(256, np.float32)
    good = np.zeros((6, 4), np.int64)
    assert Tokens.of(good.astype(np.int16), speaker).length == 4
    with pytest.raises(DubbenchError, match=r"\(5, 4\)"):
        Tokens.of(good[:5], speaker)
    with pytest.raises(DubbenchError, match="0 to 1023"):
        Tokens.of(good + 1024, speaker)
    with pytest.raises(DubbenchError, match="speaker"):
        Tokens.of(good, np.zeros(192, np.float32))
    with pytest.raises(DubbenchError, match="content"):
        Tokens(good[:1], good[:1], good[:3], speaker)
