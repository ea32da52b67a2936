import numpy as np
import pytest
from dub_requests import made_up

from dubbench.errors import DubbenchError
from dubbench.systems.controls.timescale import stretch, wsola

RATE = 16000


def test_the_identity_changes_nothing():
    samples = made_up()
    assert np.array_equal(wsola(samples, np.arange(len(samples), dtype=float), RATE), samples)
    assert np.array_equal(stretch(samples, len(samples), RATE), samples)


def test_sound_comes_from_where_the_map_says():
    """A chirp tells the time by its pitch: 300 Hz at 0 s, 600 Hz more each second."""
    from scipy.signal import hilbert

    time = np.arange(3 * RATE) / RATE
    chirp = np.sin(2 * np.pi * (300 * time + 300 * time**2)).astype(np.float32)
    source = np.arange(3 * RATE) + 0.15 * RATE * np.sin(2 * np.pi * time / 3)
    heard = np.diff(np.unwrap(np.angle(hilbert(wsola(chirp, source, RATE))))) * RATE / (2 * np.pi)
    heard = np.convolve(heard, np.ones(800) / 800, "same")[4000:-4000]
    told = (heard - 300) / 600
    error = told - source[4000:-4001] / RATE
    assert np.abs(error).max() < 0.015  # the search's 10 ms and what the averaging blurs


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.3, 1.8])
def test_stretching_keeps_the_pitch_and_the_level(factor):
    time = np.arange(RATE) / RATE
    buzz = sum(np.sin(2 * np.pi * 110 * k * time) / k for k in range(1, 10)).astype(np.float32)
    out = stretch(buzz, round(factor * RATE), RATE)
    assert len(out) == round(factor * RATE)
    inner = out[2000:-2000].astype(float)
    spectrum = np.abs(np.fft.rfft(inner * np.hanning(len(inner)), 1 << 17))
    peak = np.argmax(spectrum[: 200 * (1 << 17) // RATE]) * RATE / (1 << 17)
    assert peak == pytest.approx(110, rel=0.01)
    assert inner.std() == pytest.approx(buzz.std(), rel=0.05)


def test_bad_maps_are_refused():
    with pytest.raises(DubbenchError, match="backwards"):
        wsola(made_up(), np.arange(100.0)[::-1], RATE)
    with pytest.raises(DubbenchError, match="cannot be stretched"):
        stretch(made_up(), 0, RATE)
    assert len(wsola(made_up(), np.zeros(0), RATE)) == 0


@pytest.mark.parametrize("length", [1, 10, 500, 1000])
def test_short_sounds_do_not_break(length):
    short = np.ones(length, np.float32)
    assert len(stretch(short, 2 * length + 1, RATE)) == 2 * length + 1
    assert len(stretch(short, max(1, length // 2), RATE)) == max(1, length // 2)
