from dataclasses import replace

import numpy as np
import pytest
from dub_requests import made_up, only, real, request

from dubbench.core.request import Dub, Failure
from dubbench.errors import DubbenchError
from dubbench.signal.media import RATE, write_wav
from dubbench.systems.controls.splice import rms, speech_level, speech_span
from dubbench.systems.espeak import EspeakLipspan, EspeakMeanspan, median_f0, trimmed

pytest.importorskip("espeakng_loader")
pytest.importorskip("pyworld")


def voice(f0: float, seconds: float = 2.0) -> np.ndarray:
    """A vowel at ``f0`` Hz between silences at -60 dB."""
    times = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * f0 * k * times) / k for k in range(1, int(4000 / f0)))
    tone = 0.1 * tone * ((times > 0.4) & (times < seconds - 0.4))
    return (tone + 0.001 * np.random.default_rng(0).standard_normal(len(times))).astype(np.float32)


@pytest.fixture(scope="module")
def meanspan():
    system = EspeakMeanspan()
    system.load("cpu")
    return system


@pytest.mark.parametrize("f0", [85, 110, 140, 190, 230, 280])
def test_the_reference_decides_the_voice(f0, meanspan, tmp_path):
    write_wav(tmp_path / "ref.wav", voice(f0), RATE)
    asked = request(tmp_path, reference=tmp_path / "ref.wav", truth=None)
    (dub,) = meanspan.dub([asked])
    assert median_f0(dub.samples) == pytest.approx(f0, rel=0.12)
    assert (dub.extras["voice"] == "en-us") == (f0 < 155)
    assert speech_level(dub.samples, RATE) == pytest.approx(speech_level(voice(f0), RATE), rel=0.2)
    assert rms(dub.samples[:8000]) == pytest.approx(0.001, rel=0.3)  # the reference's room


@pytest.mark.parametrize("start, end", [(0.1, 0.9), (0.3, 0.5), (0.186, 0.677)])
def test_it_speaks_within_the_span(start, end, tmp_path):
    system = EspeakMeanspan(start, end)
    system.load("cpu")
    dub = only(system, request(tmp_path, truth=None))
    assert len(dub) == 48000
    heard = speech_span(dub, RATE)
    assert heard[0] / RATE == pytest.approx(3 * start, abs=0.06)
    assert heard[1] / RATE == pytest.approx(3 * end, abs=0.06)


def test_seconds_and_what_does_not_fit(meanspan, tmp_path):
    system = EspeakMeanspan(0.5, 9.0, unit="seconds")
    system.load("cpu")
    assert system.span(request(tmp_path)) == (0.5, 3.0)
    (answer,) = system.dub([request(tmp_path, duration=0.4)])
    assert isinstance(answer, Failure) and "speech starts at 0.5 s" in answer.reason
    with pytest.raises(DubbenchError, match="no span"):
        EspeakMeanspan(0.6, 0.5)
    with pytest.raises(DubbenchError, match="no span"):
        EspeakMeanspan(0.5, 2.0)
    with pytest.raises(DubbenchError, match="fraction or seconds"):
        EspeakMeanspan(unit="frames")


def test_it_is_honest_repeatable_and_tells_its_time(meanspan, tmp_path):
    assert meanspan.info.kind == "baseline" and meanspan.info.timed and not meanspan.info.privileged
    asked = request(tmp_path, truth=None)
    (first,), (second,) = meanspan.dub([asked]), meanspan.dub([asked])
    assert np.array_equal(first.samples, second.samples)
    assert set(first.timings) == {"frontend", "model", "vocoder"} and all(t > 0 for t in first.timings.values())


def test_what_it_cannot_do_fails_alone(meanspan, tmp_path):
    asked = request(tmp_path, truth=None)
    dumb, lost = replace(asked, text="..."), replace(asked, reference=tmp_path / "gone.wav")
    first, second, third = meanspan.dub([dumb, lost, asked])
    assert isinstance(first, Failure) and "nothing to say" in first.reason
    assert isinstance(second, Failure) and "no such file" in second.reason
    assert isinstance(third, Dub)
    (unloaded,) = EspeakMeanspan().dub([asked])
    assert isinstance(unloaded, Failure) and "not loaded" in unloaded.reason


def test_a_reference_without_pitch_still_gives_a_dub(meanspan, tmp_path):
    write_wav(tmp_path / "hush.wav", np.zeros(8000, np.float32), RATE)
    quiet = only(meanspan, request(tmp_path, reference=tmp_path / "hush.wav", truth=None))
    assert len(quiet) == 48000


def test_trimming():
    samples = np.zeros(RATE, np.float32)
    samples[4000:8000] = made_up()[12000:16000]
    assert abs(len(trimmed(samples)) - 4000) <= 320
    assert not len(trimmed(np.zeros(0, np.float32)))


def test_lipspan_follows_the_lips_of_a_real_clip(tmp_path, shared_data):
    pytest.importorskip("mediapipe")
    system = EspeakLipspan()
    system.load("cpu")
    asked = replace(real(tmp_path, shared_data), truth=None)
    (dub,) = system.dub([asked])
    assert isinstance(dub, Dub), dub
    start, end = dub.extras["span"]
    lines = (shared_data / "grid/alignments/s1/bbal8p.align").read_text().splitlines()
    spoken = [line.split() for line in lines if line.split()[2] not in ("sil", "sp")]
    assert abs(end - int(spoken[-1][1]) / 25000) < 0.2
    heard = speech_span(dub.samples, RATE)
    assert heard[0] / RATE == pytest.approx(start, abs=0.06) and heard[1] / RATE == pytest.approx(end, abs=0.06)


def test_lipspan_without_a_face_says_so(tmp_path):
    pytest.importorskip("mediapipe")
    import av

    with av.open(str(tmp_path / "none.mkv"), "w") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(5):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    system = EspeakLipspan()
    system.load("cpu")
    (answer,) = system.dub([request(tmp_path, truth=None)])
    assert isinstance(answer, Failure) and answer.reason.startswith("no face found in the video of v1-a")
