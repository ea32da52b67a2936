import numpy as np
import pytest
from pairs import awkward, pair, voice

from dubbench.core.metric import Unscored
from dubbench.metrics.align import Alignment, activity, displacement, mel_power, speech
from dubbench.signal.media import read_audio
from dubbench.signal.mel import mel_bank
from dubbench.signal.world import pyworld

BANK = (40, 512, 16000, 80.0, 7600.0)
REAL = ("bbaf3s.mp4", "bbaf4p.mp4", "bbal8p.mpg", "bbal7s.mp4", "bbaf5a.mp4")


def error(dub, truth):
    result = Alignment().score(pair(dub, truth))
    assert not isinstance(result, Unscored), result
    return result["error_ms"]


def late(x, ms):
    """Delayed (or, negative, early) at the same length, filled with the clip's own noise floor."""
    k = round(abs(ms) * 16)
    room = 0.0005 * np.random.default_rng(0).normal(size=k).astype(np.float32)
    return np.concatenate([room, x[:-k]] if ms > 0 else [x[k:], room])


def stretched(x, most_ms, seed):
    """Speech warped smoothly by up to ``most_ms``, with WORLD, and its true displacement (seconds, every 5 ms)."""
    world = pyworld("the test")

    rng = np.random.default_rng(seed)
    f0, times = world.dio(x.astype(np.float64), 16000)
    envelope = world.cheaptrick(x.astype(np.float64), f0, times, 16000)
    noise = world.d4c(x.astype(np.float64), f0, times, 16000)
    shift = np.sin(2 * np.pi * (rng.uniform(0.4, 0.8) * times / times[-1] + rng.uniform()))
    shift *= most_ms / 1000 / np.abs(shift).max()
    source = np.interp(times, times + shift, np.arange(len(times))).round().astype(int)
    y = world.synthesize(f0[source], envelope[source], noise[source], 16000, 5.0)[: len(x)]
    return np.pad(y, (0, len(x) - len(y))).astype(np.float32), shift


@pytest.fixture(scope="module")
def real(shared_data):
    folder = shared_data / "grid" / "s1"
    return [read_audio(folder / name) for name in REAL]


def test_mel_bank_triangles():
    bank = mel_bank(*BANK)
    assert bank.shape == (40, 257)
    assert (bank.sum(axis=1) > 0).all() and bank.max() <= 1
    inner = bank[:, 10:210].sum(axis=0)
    np.testing.assert_allclose(inner, 1)  # neighbours overlap to one
    librosa = pytest.importorskip("librosa")
    told = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, fmin=80.0, fmax=7600.0, htk=True, norm=None)
    np.testing.assert_allclose(bank, told, atol=1e-6)


def test_a_tone_lies_in_its_band():
    t = np.arange(16000) / 16000
    power = mel_power(np.sin(2 * np.pi * 1000 * t))
    assert power.shape == (201, 40)
    assert int(power[100].argmax()) == int(mel_bank(*BANK)[:, 32].argmax())  # bin 32 is 1000 Hz


@pytest.mark.parametrize("ms", [-200, -50, 50, 100, 300])
def test_a_constant_delay_is_measured(ms):
    x = voice()
    pad = np.zeros(8000, np.float32) + 0.0005 * np.random.default_rng(1).normal(size=8000).astype(np.float32)
    x = np.concatenate([pad, x, pad])
    assert error(late(x, ms), x) == pytest.approx(abs(ms), abs=5)


def test_displacement_is_positive_where_the_dub_is_late():
    x = np.concatenate([voice(), 0.0005 * np.random.default_rng(1).normal(size=8000).astype(np.float32)])
    late_by = displacement(speech(x), speech(late(x, 100)))[speech(x).active]
    assert np.median(late_by) == pytest.approx(0.1, abs=0.005)


def test_no_speech_is_unscored():
    x = voice()
    rng = np.random.default_rng(2)
    white = rng.normal(0, 0.1, len(x)).astype(np.float32)
    brown = np.cumsum(white).astype(np.float32)
    padded = np.concatenate([np.zeros(8000, np.float32), white])
    hum = (0.1 * np.sin(2 * np.pi * 100 * np.arange(len(x)) / 16000)).astype(np.float32)
    for name, sound in {
        "zeros": np.zeros_like(x),
        "white": white,
        "white after zeros": padded,
        "brown": brown / np.abs(brown).max(),
        "hum": hum,
        "a hundredth of a bit": 1e-7 * white,
    }.items():
        assert Alignment().score(pair(sound, x)) == Unscored("no speech in the dub"), name
        assert Alignment().score(pair(x, sound)) == Unscored("no speech in the ground truth"), name


def test_activity_in_noise_and_between_digital_zeros():
    x = voice(3.0)
    clean = activity(mel_power(x))[0]
    gated = np.where(np.abs(np.convolve(np.abs(x), np.ones(800), "same")) > 5, x, 0).astype(np.float32)
    assert (activity(mel_power(gated))[0] & ~clean).mean() < 0.02
    noise = np.random.default_rng(3).normal(0, x.std() * 10 ** (-10 / 20), len(x))
    noisy = activity(mel_power(x + noise))[0]
    assert (noisy & ~clean).mean() < 0.02  # noise is no speech
    assert (noisy & clean).sum() > 0.5 * clean.sum()


def test_awkward_dubs():
    truth = voice()
    for name, (dub, rate) in awkward(truth).items():
        result = Alignment().score(pair(dub, truth, rate))
        if isinstance(result, Unscored):
            assert name not in ("8 kHz", "48 kHz", "three times as long", "clipped far above one"), name
        else:
            assert np.isfinite(result["error_ms"]), name
    dub, rate = awkward(truth)["48 kHz"]
    assert Alignment().score(pair(dub, truth, rate))["error_ms"] <= 10


def test_real_clips_against_themselves_and_at_another_level(real):
    for x in real:
        assert error(x.copy(), x) == 0
        assert error(x * np.float32(0.25), x) == 0


def test_real_clips_warped_by_a_known_amount(real):
    """Known error against measured error."""
    known, measured = [], []
    for seed, x in enumerate(real):
        for most in (40, 120, 300):
            y, shift = stretched(x, most, seed + most)
            active = speech(x).active
            known.append(
                1000 * np.median(np.abs(np.interp(np.arange(len(active)), np.arange(len(shift)), shift)[active]))
            )
            measured.append(error(y, x))
    assert np.corrcoef(known, measured)[0, 1] > 0.98
    assert np.mean(np.abs(np.subtract(known, measured))) < 8
    assert abs(np.mean(np.subtract(known, measured))) < 4


def test_published_dubs(shared_data):
    """The two systems that follow the lips do so within a video frame; the others miss by many."""
    folder = shared_data / "published_dubs"
    for clip, video in (("lbbt8n", "lbbt8n.mp4"), ("swbi6p", "swbi6p.mpg")):
        truth = read_audio(folder / "video" / video)

        def of(system, clip=clip, truth=truth):
            return error(read_audio(folder / system / f"{clip}.flac"), truth)

        assert of("ground_truth") < 5
        assert of("diflowdubber") < 40 and of("emodubber") < 40
        for system in ("v2cnet", "zeroshot_tts", "hpmdubbing", "styledubber", "speaker2dubber", "produbber"):
            assert of(system) > 130, system
