import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from dubbench.errors import MediaError
from dubbench.signal.media import AGAIN, as_mono, mux, probe, read_audio, read_frames, silent_copy, write_wav


def make_video(path: Path, frames: int = 25, fps: int = 25) -> Path:
    """Pictures that get brighter; no sound."""
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("libx264", rate=fps, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            picture = np.full((48, 64, 3), 255 * i // frames, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def click(at: float, seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    x = np.zeros(int(seconds * rate), np.float32)
    x[int(at * rate) : int(at * rate) + 80] = 0.5
    return x


def test_sound_stays_on_the_clock_through_mp4(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.mp4")
    mux(video, click(0.5), 16000, tmp_path / "m.mp4")
    back = read_audio(tmp_path / "m.mp4")
    assert abs(int(np.argmax(np.abs(back) > 0.2)) - 8000) <= 16
    assert probe(tmp_path / "m.mp4").frames == 25
    assert probe(tmp_path / "m.mp4").duration == 1.0


@pytest.mark.parametrize("late", [-0.2, 0.3])
def test_sound_that_starts_off_the_first_picture_is_shifted(tmp_path: Path, late: float) -> None:
    """A container whose sound starts ``late`` seconds after its pictures."""
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as output:
        pictures: Any = output.add_stream("libx264", rate=25, options={"threads": "1"})
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound: Any = output.add_stream("pcm_s16le", rate=16000, layout="mono")
        first = max(0.0, -late)
        for i in range(25):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(first * 25) + i, Fraction(1, 25)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode(None))
        samples = (click(0.5) * 32767).astype(np.int16)
        audio = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        audio.sample_rate, audio.time_base = 16000, Fraction(1, 16000)
        audio.pts = round((first + late) * 16000)
        output.mux(sound.encode(audio))
        output.mux(sound.encode(None))
    start = int(np.argmax(np.abs(read_audio(path)) > 0.2)) / 16000
    assert start == pytest.approx(0.5 + late, abs=0.002)


def times(path: Path) -> list[float]:
    """Presentation times of the pictures in seconds; in the originals from the first picture on."""
    with av.open(str(path)) as container:
        found = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    return found if path.suffix == ".mkv" else [t - found[0] for t in found]


def test_silent_copy_keeps_every_picture_and_no_sound(tmp_path: Path, shared_data: Path) -> None:
    s1 = shared_data / "grid" / "s1"
    with_b_frames = shared_data / "published_dubs/video/lbbt8n.mp4"
    for source in (next(s1.glob("*.mpg")), next(s1.glob("*.mp4")), with_b_frames):
        silent_copy(source, tmp_path / "s.mkv")
        assert not probe(tmp_path / "s.mkv").has_audio
        assert times(tmp_path / "s.mkv") == pytest.approx(times(source), abs=0.001)
        assert np.array_equal(read_frames(tmp_path / "s.mkv"), read_frames(source))


def test_real_clips_have_sound_and_picture_of_equal_length(shared_data: Path) -> None:
    for source in (shared_data / "grid/s23/lrwp9a.mpg", shared_data / "published_dubs/video/lbbt8n.mp4"):
        info = probe(source)
        assert (info.fps, info.frames, info.has_audio) == (25.0, 75, True)
        assert abs(len(read_audio(source)) / 16000 - info.duration) < 0.1


def test_wavs_come_back_bit_for_bit(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    write_wav(tmp_path / "x.wav", x, 16000)
    assert np.array_equal(read_audio(tmp_path / "x.wav"), x)
    first = (tmp_path / "x.wav").read_bytes()
    time.sleep(1.1)  # a clock in the header would show
    write_wav(tmp_path / "x.wav", x, 16000)
    assert (tmp_path / "x.wav").read_bytes() == first


def test_rates_and_channels(tmp_path: Path) -> None:
    t = np.arange(48000) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "x.flac", np.stack([tone, np.zeros_like(tone)], 1), 48000)
    x = read_audio(tmp_path / "x.flac")
    assert len(x) == 16000
    middle = x[4000:12000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.25 / np.sqrt(2), rel=0.01)
    assert as_mono(np.array([-32768, 32767], np.int16), "x").tolist() == pytest.approx([-1.0, 32767 / 32768])


def test_bad_files_say_what_where_and_what_to_do(tmp_path: Path) -> None:
    video = make_video(tmp_path / "silent.mp4")
    cases: dict[str, bytes] = {"empty.wav": b"", "noise.wav": b"RIFFxxxx", "noise.mp4": b"abc" * 100}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=rf"{name}.*; {AGAIN}$"):
            read_audio(tmp_path / name)
    with pytest.raises(MediaError, match=r"no audio stream; add its sound$"):
        read_audio(video)
    with pytest.raises(MediaError, match=r"no such file; put it there$"):
        read_audio(tmp_path / "absent.wav")
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:-500])  # its index stands at the end
    with pytest.raises(MediaError, match=rf"cut\.mp4.*; {AGAIN}$"):
        read_frames(tmp_path / "cut.mp4")
    soundfile.write(tmp_path / "zero.wav", np.zeros(0), 16000)
    with pytest.raises(MediaError, match=f"no samples; {AGAIN}$"):
        read_audio(tmp_path / "zero.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan, np.inf]), 16000, subtype="FLOAT")
    with pytest.raises(MediaError, match=f"2 of 3 samples are NaN or Inf; {AGAIN}$"):
        read_audio(tmp_path / "nan.wav")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        silent_copy(tmp_path / "absent.mp4", tmp_path / "out.mkv")
    (tmp_path / "bad.mp4").write_bytes(b"not a video")
    with pytest.raises(MediaError):
        silent_copy(tmp_path / "bad.mp4", tmp_path / "out.mkv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.mp4"]
