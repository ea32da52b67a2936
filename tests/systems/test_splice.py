import numpy as np
import pytest
from dub_requests import made_up

from dubbench.errors import DubbenchError
from dubbench.systems.controls.splice import (
    join,
    lay_over,
    quiet_cuts,
    rms,
    room_tone,
    speaking,
    speech_level,
    speech_span,
)

RATE = 16000


def test_speech_is_found_between_the_silences():
    start, end = speech_span(made_up(), RATE)
    assert start / RATE == pytest.approx(0.6, abs=0.02) and end / RATE == pytest.approx(2.04, abs=0.02)
    clicked = made_up()
    clicked[3200:3232] += 0.5 * np.sin(np.arange(32))
    assert speech_span(clicked, RATE) == (start, end)
    assert speech_span(np.zeros(8000, np.float32), RATE) == (0, 8000)
    assert not speaking(np.zeros(8000, np.float32), RATE).any()
    assert speech_level(made_up(), RATE) > 1.2 * rms(made_up())


def test_room_tone_sounds_like_the_room_and_not_like_padding():
    samples = made_up()
    samples[:4000] = 0  # padding
    tone = room_tone(samples, RATE, 32000, np.random.default_rng(0))
    assert len(tone) == 32000 and rms(tone) == pytest.approx(0.003, rel=0.15)
    assert not (tone == 0).any()
    levels = [rms(tone[i : i + 1600]) for i in range(0, 32000, 1600)]
    assert max(levels) < 1.6 * min(levels)
    assert np.array_equal(tone, room_tone(samples, RATE, 32000, np.random.default_rng(0)))
    assert not room_tone(np.zeros(16000, np.float32), RATE, 100, np.random.default_rng(0)).any()
    assert len(room_tone(samples[5000:5003], RATE, 100, np.random.default_rng(0))) == 100


def test_what_is_laid_over_is_exact_between_its_fades():
    tone, part = np.full(1000, 0.1, np.float32), np.full(400, 0.5, np.float32)
    out = lay_over(tone, part, 300, RATE, fade=0.002)
    assert (out[332:668] == 0.5).all() and (out[:300] == np.float32(0.1)).all() and (out[700:] == np.float32(0.1)).all()
    assert np.abs(np.diff(out)).max() < 0.05
    early = lay_over(tone, part, -100, RATE, fade=0.002)
    assert (early[:268] == 0.5).all() and (early[300:] == np.float32(0.1)).all()
    assert np.array_equal(lay_over(tone, part, 2000, RATE), tone)


def test_cuts_go_through_the_pauses():
    samples = made_up()
    cuts = quiet_cuts(samples, RATE, round(0.6 * RATE), round(2.1 * RATE), 6)
    assert len(cuts) == 7
    for number, cut in enumerate(cuts[1:-1], start=1):
        assert 0.6 + 0.25 * number - 0.07 <= cut / RATE <= 0.6 + 0.25 * number + 0.01
    with pytest.raises(DubbenchError, match="cannot be cut into 6 pieces"):
        quiet_cuts(samples, RATE, 0, 1600, 6)


def test_joining_neighbours_gives_back_the_whole():
    samples = made_up()
    pieces = [samples[0:1016], samples[1000:5016], samples[5000:]]
    np.testing.assert_allclose(join(pieces, 16), samples, atol=1e-6)
    assert np.array_equal(join([samples], 16), samples)
