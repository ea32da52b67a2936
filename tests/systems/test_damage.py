import numpy as np
import pytest
from dub_requests import made_up, only, real, request
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.request import Failure
from dubbench.errors import DubbenchError
from dubbench.systems.controls.damage import Gain, Noisy, OtherVoice, Warp, warp_curve
from dubbench.systems.controls.splice import rms, speech_level

RATE = 16000


@given(st.integers(0, 2**31 - 1), st.sampled_from([20, 50, 100, 200, 300]), st.sampled_from([2.5, 3.0, 8.0]))
def test_the_curve_is_smooth_ends_at_zero_and_peaks_as_told(seed, ms, seconds):
    curve = warp_curve(round(seconds * 1000), 1000, ms, seed)
    assert curve[0] == pytest.approx(0, abs=1e-9) and curve[-1] == pytest.approx(0, abs=1e-9)
    assert np.abs(curve).max() == pytest.approx(ms / 1000)
    slope = np.diff(curve) * 1000
    assert np.abs(slope).max() <= 0.6
    assert np.abs(np.diff(slope)).max() < 0.02


def test_no_warp_fits_into_too_short_a_clip(tmp_path):
    with pytest.raises(DubbenchError, match=r"0\.50 s are too short to be warped by 300 ms"):
        warp_curve(8000, RATE, 300, 0)
    (answer,) = Warp(300).dub([request(tmp_path, samples=made_up()[:8000])])
    assert isinstance(answer, Failure)


def test_warp_says_everything_when_the_curve_says(tmp_path):
    """Clicks in silence are heard where the curve puts them; length, start and end stay."""
    at = np.arange(4000, 44000, 5000)
    clicks = np.zeros(48000, np.float32)
    for place in at:
        clicks[place : place + 80] = np.sin(np.arange(80) * 0.8) * np.hanning(80)
    asked = request(tmp_path, samples=clicks)
    out = only(Warp(100), asked)
    assert len(out) == 48000
    curve = warp_curve(48000, RATE, 100, asked.seed)
    errors = []
    for place in at:
        expected = place + curve[place] * RATE
        low = int(expected) - 800
        heard = low + np.average(np.arange(1600), weights=out[low : low + 1600].astype(float) ** 2)
        errors.append((heard - 40 - expected) / RATE)
    assert np.abs(errors).max() < 0.03 and abs(np.median(errors)) < 0.015


def test_warp_of_zero_is_the_truth(tmp_path):
    assert np.array_equal(only(Warp(0), request(tmp_path)), made_up())


def test_other_voice_is_higher_and_as_timed(tmp_path, shared_data):
    pytest.importorskip("pyworld")
    from dubbench.systems.espeak import median_f0

    asked = real(tmp_path, shared_data)
    truth, other = (only(s, asked) for s in (Gain(0), OtherVoice(1.5, 1.15)))
    assert len(other) == len(truth)
    assert median_f0(other) / median_f0(truth) == pytest.approx(1.5, rel=0.08)
    envelopes = [np.convolve(np.abs(x), np.ones(800) / 800, "same") for x in (truth, other)]
    lags = np.correlate(envelopes[0][::16], envelopes[1][::16], "full")
    assert abs(int(np.argmax(lags)) - (len(truth[::16]) - 1)) <= 20  # ms
    with pytest.raises(DubbenchError, match="pitch 9"):
        OtherVoice(9)


@pytest.mark.parametrize("snr", [20, 0])
@pytest.mark.parametrize("colour", ["white", "speech"])
def test_noise_lies_where_it_is_told(snr, colour, tmp_path):
    truth = made_up()
    noise = only(Noisy(snr, colour), request(tmp_path)) - truth
    assert 20 * np.log10(speech_level(truth, RATE) / rms(noise)) == pytest.approx(snr, abs=0.05)


def test_gain(tmp_path):
    out = only(Gain(-12), request(tmp_path))
    np.testing.assert_allclose(out, made_up() * 10 ** (-12 / 20), rtol=1e-6)
