import numpy as np
import pytest
from pairs import awkward, pair, voice

from dubbench.core.metric import Unscored
from dubbench.metrics.mcd import (
    DECIBEL,
    MCD,
    length_ratio,
    mcd,
    mcd_dtw,
    mel_cepstra,
    mel_cepstrum,
    warping_matrix,
)
from dubbench.signal.media import read_audio


def test_versa_gold(shared_data):
    reference, dub = (read_audio(shared_data / "gold" / f"versa_test{i}.wav") for i in (1, 2))
    stats = MCD().score(pair(dub, reference))
    assert stats["mcd"] == pytest.approx(5.045226506332897, abs=1e-9)
    assert stats["mcd_dtw"] < stats["mcd"]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.466, 0.65])
def test_warping_moves_the_spectrum_along_the_allpass_phase(alpha):
    cepstrum = np.random.default_rng(0).normal(size=12) / np.arange(1, 13)
    warped = cepstrum @ warping_matrix(12, 300, alpha)
    omega = np.linspace(0, np.pi, 50)
    # z~^-1 = (z^-1 - alpha) / (1 - alpha z^-1) at z = e^(j omega)
    allpass = (np.exp(-1j * omega) - alpha) / (1 - alpha * np.exp(-1j * omega))
    before = np.exp(-1j * np.outer(omega, np.arange(12))) @ cepstrum
    after = allpass[:, None] ** np.arange(301) @ warped
    np.testing.assert_allclose(after, before, atol=1e-8)


def test_mel_cepstrum_unwarped_gives_the_spectrum_back():
    power = np.exp(np.random.default_rng(1).normal(size=(3, 33)))
    cepstrum = mel_cepstrum(power, 32, 0.0)
    omega = np.linspace(0, np.pi, 33)
    np.testing.assert_allclose(np.exp(2 * cepstrum @ np.cos(np.outer(np.arange(33), omega))), power, rtol=1e-10)


def test_half_the_level_is_ln2_of_c0():
    x = voice()
    c = mel_cepstra(x)
    assert c.shape == (301, 40)
    # not exactly: below the low cut the floor holds both
    assert mcd(c, mel_cepstra(x * np.float32(0.5))) == pytest.approx(DECIBEL * np.log(2), abs=0.05)
    assert pytest.approx(6.141851463713754, abs=1e-12) == DECIBEL


def test_warping_and_length():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 40)), rng.normal(size=(50, 40))
    assert mcd_dtw(x, y) <= mcd(x, y)
    assert mcd_dtw(x, np.repeat(x, 2, axis=0)) == 0
    assert length_ratio(x, np.repeat(x, 2, axis=0)) == length_ratio(np.repeat(x, 2, axis=0), x) == 2
    assert mcd(x[:30], x) == 0  # truncated


def test_sl_is_the_length_ratio():
    x = voice()
    stats = MCD().score(pair(np.concatenate([x, x]), x))
    assert stats["mcd_dtw_sl"] / stats["mcd_dtw"] == pytest.approx(601 / 301)


def test_the_ground_truth_is_exactly_zero_twice():
    x = voice(seed=3)
    for _ in range(2):
        assert MCD().score(pair(x.copy(), x)) == {"mcd": 0, "mcd_dtw": 0, "mcd_dtw_sl": 0}


def test_digital_silence_costs_no_more_than_silence_of_sixteen_bits():
    x = voice()
    rng = np.random.default_rng(4)
    dither = (rng.uniform(-0.5, 0.5, len(x)) / 32767).astype(np.float32)
    silence = np.zeros_like(x)
    c = mel_cepstra(x)
    assert mcd(c, mel_cepstra(silence)) < mcd(c, mel_cepstra(dither)) + 15


def test_awkward_dubs():
    truth = voice(0.8)
    for name, (dub, rate) in awkward(truth).items():
        stats = MCD().score(pair(dub, truth, rate))
        assert not isinstance(stats, Unscored), name
        assert all(np.isfinite(v) and v >= 0 for v in stats.values()), name
        assert ("mcd" in stats) == (name not in ("one sample", "ten samples", "a quarter")), name
        assert stats["mcd_dtw_sl"] >= stats["mcd_dtw"]


def test_too_long_to_warp_is_refused_before_it_is_analysed():
    hour = np.zeros(3600 * 16000, np.float32)
    result = MCD().score(pair(hour, hour))
    assert isinstance(result, Unscored)
    assert "too long" in result.reason
