import numpy as np
import pytest
from dub_requests import made_up, only, real, request

from dubbench.core.request import Failure, Truth
from dubbench.core.spec import parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_system
from dubbench.systems.controls.plain import AnotherClip, Delay, GroundTruth, Noise, Shuffled, Silence, derangement
from dubbench.systems.controls.splice import rms, speech_span

RATE = 16000
NEED_TRUTH = ["ground_truth", "delay", "another_clip", "shuffled", "noise", "warp", "other_voice", "noisy", "gain"]


@pytest.mark.parametrize("name", [*NEED_TRUTH, "silence"])
def test_controls_are_privileged_and_repeatable(name, tmp_path):
    if name == "other_voice":
        pytest.importorskip("pyworld")
    control, asked = make_system(parse_spec(name)), request(tmp_path)
    assert control.info.name == name and control.info.privileged and not control.info.timed
    first, second = only(control, asked), only(make_system(parse_spec(name)), asked)
    assert first.dtype == np.float32 and np.array_equal(first, second)


@pytest.mark.parametrize("name", NEED_TRUTH)
def test_without_the_ground_truth_a_clip_fails_and_the_next_goes_on(name, tmp_path):
    bare, whole = request(tmp_path, truth=None), request(tmp_path)
    first, second = make_system(parse_spec(name)).dub([bare, whole])
    assert isinstance(first, Failure) and "\n" not in first.reason and "v1-a" in first.reason
    assert not isinstance(second, Failure)


def test_a_control_says_why_there_is_no_ground_truth(tmp_path):
    truth = Truth(tmp_path / "none.wav", problem="mute.mkv: the file has no audio stream")
    (answer,) = GroundTruth().dub([request(tmp_path, truth=truth)])
    assert answer == Failure("v1-a", "no ground-truth sound: mute.mkv: the file has no audio stream")


def test_ground_truth_is_exact(tmp_path):
    assert np.array_equal(only(GroundTruth(), request(tmp_path)), made_up())


@pytest.mark.parametrize("ms", [100, 40, -60])
def test_delay_shifts_and_fills_with_room_tone(ms, tmp_path):
    truth, late = made_up(), only(Delay(ms), request(tmp_path))
    shift, fade = ms * 16, 160
    assert len(late) == len(truth)
    if ms > 0:
        assert np.array_equal(late[shift + fade :], truth[fade : len(truth) - shift])
        freed = late[:shift]
    else:
        assert np.array_equal(late[: shift - fade], truth[-shift:-fade])
        freed = late[shift:]
    assert rms(freed) == pytest.approx(0.003, rel=0.3) and not (freed == 0).any()


def test_delay_of_zero_and_of_more_than_the_clip(tmp_path):
    assert np.array_equal(only(Delay(0), request(tmp_path)), made_up())
    (answer,) = Delay(4000).dub([request(tmp_path)])
    assert isinstance(answer, Failure) and "3.00 s" in answer.reason


def test_another_clip_is_as_long_as_the_video(tmp_path):
    other = made_up(2.5, seed=9)
    out = only(AnotherClip(), request(tmp_path))
    assert len(out) == 48000 and np.array_equal(out[: 40000 - 160], other[:-160])
    assert rms(out[40000:]) == pytest.approx(0.003, rel=0.3)
    assert np.array_equal(only(AnotherClip(), request(tmp_path, duration=1.0)), other[:16000])
    asked = request(tmp_path)
    (answer,) = AnotherClip().dub([request(tmp_path, truth=Truth(asked.truth.audio))])
    assert isinstance(answer, Failure) and "no other clip" in answer.reason


@pytest.mark.parametrize("segments", [0, 2, 6])
def test_shuffled_moves_every_piece_and_keeps_the_rest(segments, tmp_path):
    truth = made_up()
    start, end = speech_span(truth, RATE)
    for seed in range(5):
        out = only(Shuffled(segments), request(tmp_path, seed=seed))
        assert len(out) == len(truth)
        assert np.array_equal(out[: start - 64], truth[: start - 64])
        assert np.array_equal(out[end + 64 :], truth[end + 64 :])
        assert rms(out) == pytest.approx(rms(truth), rel=0.02)
        inside = slice(start, end)
        assert np.corrcoef(out[inside], truth[inside])[0, 1] < 0.9


def test_shuffled_words_say_where_they_went(tmp_path):
    """Six bursts of rising pitch, cut in six: each is found again, whole, in another place."""
    out = only(Shuffled(6), request(tmp_path))
    heard = []
    for number in range(6):
        middle = round((0.6 + 0.25 * number + 0.095) * RATE)
        piece = out[middle - 1100 : middle + 1100] * np.hanning(2200)
        spectrum = np.abs(np.fft.rfft(piece, 1 << 15))[: 300 * (1 << 15) // RATE]
        heard.append(round((np.argmax(spectrum) * RATE / (1 << 15) - 100) / 15))
    assert sorted(heard) == list(range(6))
    assert all(heard[i] != i for i in range(6))


def test_a_derangement_leaves_nothing_in_place_and_reaches_all():
    rng = np.random.default_rng(0)
    seen = {tuple(derangement(4, rng)) for _ in range(500)}
    assert len(seen) == 9  # all derangements of four
    assert not any(order[i] == i for order in seen for i in range(4))


def test_silence_and_noise_are_as_long_as_the_video(tmp_path):
    assert not only(Silence(), request(tmp_path, duration=2.0)).any()
    truth = made_up()
    for colour in ("white", "speech"):
        noise = only(Noise(colour), request(tmp_path, duration=2.0))
        assert len(noise) == 32000 and rms(noise) == pytest.approx(rms(truth), rel=1e-3)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    low, high = spectrum[200:4000].sum(), spectrum[8000:15000].sum()  # 100 to 2000 Hz, 4 to 7.5 kHz
    assert low > 100 * high


def test_bad_options_are_named():
    with pytest.raises(DubbenchError, match="expected white or speech"):
        Noise("pink")
    with pytest.raises(DubbenchError, match="expected 2 or more"):
        Shuffled(1)


def test_on_a_real_clip(tmp_path, shared_data):
    asked = real(tmp_path, shared_data)
    truth = only(GroundTruth(), asked)
    start, end = speech_span(truth, RATE)
    assert 0.2 < start / RATE < 1.2 and 1.4 < end / RATE < 2.6
    late = only(Delay(100), asked)
    assert speech_span(late, RATE) == pytest.approx((start + 1600, end + 1600), abs=320)
    assert rms(late[:1600]) < 2 * rms(truth[:1600])
    assert rms(only(Shuffled(), asked)) == pytest.approx(rms(truth), rel=0.05)
