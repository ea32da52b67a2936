"""SECS through the d-vector: the network against yistLin/dvector's, the pauses against SoX's, with equal weights.

The golds come from that project's ``modules/dvector.py`` (torch 2.13, CPU) with ``random_state`` as its weights, and
from SoX 14.4.2 with ``norm -3.0 silence 1 0.1 1.0% -1 0.1 1.0%`` on ``bursts``.
"""

import shutil
import subprocess
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
from dubbench.metrics.secs_dvector import SECSDvector, embed
from dubbench.signal.media import read_audio
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import have

torch = pytest.importorskip("torch")

from random_weights import random_state  # noqa: E402

from dubbench.metrics.models import dvector  # noqa: E402
from dubbench.weights.state import read_state, with_state  # noqa: E402

Samples = NDArray[np.float32]
# (attentive, frames): the first four of 256 values, the sum of all their sizes
GOLD = {
    (True, 60): (0.1012016088, -0.0037104778, -0.0058987937, -0.0570593663, 12.9832439423),
    (True, 161): (0.0812667832, 0.0017062294, -0.0165496487, -0.0571465716, 12.8764228821),
    (True, 400): (0.0978486015, -0.0050532925, -0.0106481286, -0.0569484048, 12.9654941559),
    (False, 60): (0.1112653688, 0.0168460272, -0.0013496485, -0.0518948287, 12.8629169464),
    (False, 161): (0.0604811646, 0.0101909973, 0.0005258244, -0.0567570776, 12.7518053055),
    (False, 400): (0.0962776691, 0.0046631237, -0.0018165517, -0.0594999120, 12.8502025604),
}
# seed of bursts: samples kept by SoX, the sum of their sizes
KEPT = {
    0: (22339, 865.2790063),
    1: (23885, 1575.2479042),
    2: (30050, 1231.3682369),
    3: (29585, 1013.3768240),
    4: (33139, 2011.8724186),
    5: (25926, 1329.6750047),
    6: (25447, 1045.8500341),
    7: (23301, 1191.7630378),
}


def bursts(seed: int) -> Samples:
    """Noise whose level jumps over four decades every few hundred to few thousand samples."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(10 ** rng.uniform(-4, 0, 40), rng.integers(300, 3000, 40))
    return (rng.normal(0, 0.1, len(levels)) * levels).astype(np.float32)


def cleaned(samples: Samples) -> NDArray[np.floating]:
    levelled = dvector.at_peak(samples)
    assert levelled is not None
    return dvector.without_pauses(levelled)


def random_dvector(attentive: bool = True) -> dvector.DVector:
    return dvector.dvector_with(random_state(dvector.DVector(attentive)))


@pytest.mark.parametrize(("attentive", "frames"), GOLD)
def test_the_network_is_the_originals(attentive: bool, frames: int) -> None:
    mels = torch.from_numpy(np.random.default_rng(frames).normal(-5, 2, (frames, 40)).astype(np.float32))
    found = random_dvector(attentive).utterance(mels).numpy()
    *first, total = GOLD[attentive, frames]
    np.testing.assert_allclose(found[:4], first, atol=1e-6)
    assert np.abs(found).sum() == pytest.approx(total, rel=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("seed", KEPT)
def test_pauses_go_where_sox_cuts_them(seed: int) -> None:
    kept = cleaned(bursts(seed))
    assert (len(kept), np.abs(kept).sum()) == (KEPT[seed][0], pytest.approx(KEPT[seed][1], rel=1e-6))


@pytest.mark.skipif(shutil.which("sox") is None, reason="needs the program sox")
def test_pauses_against_sox_itself(tmp_path: Path) -> None:
    import soundfile

    effects = ["channels", "1", "rate", "16000", "norm", "-3.0", "silence", "1", "0.1", "1.0%", "-1", "0.1", "1.0%"]
    for seed in range(30, 40):
        x = np.concatenate([bursts(seed), np.zeros(seed * 100, np.float32)])
        soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
        out = ["-e", "float", "-b", "32", str(tmp_path / "b.wav")]
        subprocess.run(["sox", str(tmp_path / "a.wav"), *out, *effects], check=True, capture_output=True)
        wanted, _ = soundfile.read(tmp_path / "b.wav", dtype="float32")
        np.testing.assert_allclose(cleaned(x), wanted, atol=1e-6)


def test_pauses_by_their_rule() -> None:
    """0.1 s opens, 0.1 s of quiet closes; shorter bursts and shorter gaps do neither."""
    loud, quiet = np.full(1, 0.5), np.zeros(1)

    def sound(*lengths: int) -> NDArray[np.float64]:
        return np.concatenate([np.repeat(loud if i % 2 else quiet, n) for i, n in enumerate(lengths)])

    assert len(dvector.without_pauses(sound(5000, 1200, 5000))) == 0
    # The RMS stays above the threshold until the loud samples have left its 20 ms: 319 samples after the last.
    assert len(dvector.without_pauses(sound(800, 4000, 8000))) == 4000 + 319
    assert len(dvector.without_pauses(sound(0, 4000, 1900, 4000))) == 4000 + 1900 + 4000
    assert len(dvector.without_pauses(sound(0, 4000, 1930, 4000))) == 4000 + 319 + 4000
    assert len(dvector.without_pauses(np.zeros(0))) == 0


def test_mels_are_the_fields() -> None:
    """torchaudio's MelSpectrogram is librosa's with HTK's scale and no norm."""
    librosa = pytest.importorskip("librosa")
    x = cleaned(say(SENTENCES[0])[0]).astype(np.float32)
    wanted = librosa.feature.melspectrogram(
        y=x, sr=16000, n_fft=400, hop_length=160, n_mels=40, fmin=50, fmax=8000, htk=True, norm=None, pad_mode="reflect"
    )
    np.testing.assert_allclose(dvector.log_mel(x).numpy(), np.log(np.maximum(wanted.T, 1e-9)), atol=1e-3)


def test_strange_weights_are_refused(tmp_path: Path) -> None:
    state = random_state(dvector.DVector())
    cut = {name: tensor for name, tensor in state.items() if name != "lstm.bias_hh_l2"}
    with pytest.raises(DubbenchError, match=r"not weights of DVector: lstm.bias_hh_l2 is missing"):
        dvector.dvector_with(cut)
    with pytest.raises(DubbenchError, match=r"lstm.weight_ih_l3 has no place"):
        dvector.dvector_with({**state, "lstm.weight_ih_l3": torch.zeros(1)})
    with pytest.raises(DubbenchError, match=r"linear.bias has shape \(2,\), not \(1,\)"):
        dvector.dvector_with({**state, "linear.bias": torch.zeros(2)})
    with_state(dvector.DVector(), {**state, "loss.w": torch.zeros(1)}, "a training head is left out")
    (tmp_path / "x.safetensors").write_bytes(b"PK\x03\x04 not what it says")
    with pytest.raises(DubbenchError, match=r"x.safetensors: not readable as safetensors"):
        read_state(tmp_path / "x.safetensors")


@pytest.fixture
def metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SECSDvector:
    """The metric on its real path, from a file in the place of the published one."""
    from safetensors.torch import save_file

    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    with pytest.raises(DubbenchError, match="dubbench assets fetch dvector"):
        SECSDvector()
    save_file(random_state(dvector.DVector()), tmp_path / "random.safetensors")
    place("dvector", tmp_path / "random.safetensors")
    return SECSDvector()


def item(dub: Samples, reference: Samples, truth: Samples | None, rate: int = 16000) -> Item:
    sounds = [None if x is None else Sound(x, 16000) for x in (truth, reference)]
    return Item(Clip("c", "grid", "s1", "", Path("none.mp4")), Sound(dub, rate), *sounds, duration=3.0, fps=25.0)


def test_the_score(metric: SECSDvector) -> None:
    a, b, c = say(SENTENCES[0])[0], say(SENTENCES[1])[0], say(SENTENCES[1], "en-us+f3")[0]
    assert metric.score(item(a, a, a)) == {"secs": 1.0, "secs_gt": 1.0}
    network = random_dvector()
    ea, eb, ec = (embed(network, x) for x in (a, b, c))
    stats = metric.score(item(a, b, c))
    assert stats == {"secs": pytest.approx(np.dot(ea, eb)), "secs_gt": pytest.approx(np.dot(ea, ec))}  # type: ignore[arg-type]
    quiet = metric.score(item(0.01 * a, b, c))
    assert quiet == {name: pytest.approx(value, abs=1e-5) for name, value in dict(stats).items()}  # type: ignore[call-overload]
    assert set(metric.score(item(a, b, None))) == {"secs"}  # type: ignore[arg-type]
    assert metric.info.weights["dvector"]


def test_what_cannot_be_scored(metric: SECSDvector) -> None:
    sound, silent = say(SENTENCES[0])[0], np.zeros(16000, np.float32)
    assert metric.score(item(silent, sound, sound)) == Unscored("no sound in the dub")
    assert metric.score(item(sound, silent, silent)) == Unscored("no sound in the ground truth")
    assert metric.score(item(sound[4800:8000], sound, sound)) == Unscored("less than 0.5 s of sound in the dub")
    assert metric.score(item(np.full(48000, 0.5, np.float32), sound, sound)) == Unscored("no sound in the dub")
    unscored = {"one sample", "ten samples", "digital silence", "constant", "one click", "a quarter", "denormal"}
    for name, (dub, rate) in awkward(voice()).items():
        stats = metric.score(item(dub, sound, sound, rate))
        if isinstance(stats, Unscored):
            assert name in unscored, name
        else:
            assert all(-1 <= value <= 1 for value in stats.values()), name
    stereo = np.repeat(sound, 3)  # 48 kHz
    assert metric.score(item(stereo, sound, sound, 48000))["secs"] > 0.99  # type: ignore[index]


@pytest.mark.weights
@pytest.mark.skipif(not have("dvector"), reason="the weights of dvector are not here")
def test_real_weights_know_speakers(shared_data: Path) -> None:
    metric = SECSDvector()
    own = [read_audio(file) for file in sorted((shared_data / "grid" / "s1").glob("*.mpg"))[:6]]
    other = read_audio(next(iter(sorted((shared_data / "grid" / "s4").glob("*.mpg")))))
    within = [metric.score(item(x, own[0], None))["secs"] for x in own[1:]]  # type: ignore[index]
    across = [metric.score(item(x, other, None))["secs"] for x in own[1:]]  # type: ignore[index]
    assert np.mean(within) > 0.5
    assert np.mean(across) < np.mean(within) - 0.1
