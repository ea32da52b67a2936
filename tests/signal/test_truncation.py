"""Videos that were cut short, and the whole ones that must not be taken for such."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from dubbench.core.clip import Clip
from dubbench.errors import MediaError
from dubbench.pipeline.prepare import Prepared, prepare
from dubbench.signal.media import AGAIN, probe, read_audio
from dubbench.signal.truncation import cut_short, ending, note

KINDS = {
    "mpg": ("mpeg", "mpeg1video", "mp2", {}),
    "avi": ("avi", "mpeg4", "mp2", {}),
    "mp4": ("mp4", "libx264", "aac", {"movflags": "+faststart"}),
    "mkv": ("matroska", "libx264", "aac", {}),
}


def make(path: Path, sound: float = 2.0) -> Path:
    """Two seconds of noisy pictures, and noise for ``sound`` seconds."""
    kind, picture, tone, options = KINDS[path.suffix[1:]]
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format=kind, options=options) as output:
        video: Any = output.add_stream(picture, rate=25, options={"threads": "1"})
        video.width, video.height, video.pix_fmt = 96, 96, "yuv420p"
        audio: Any = output.add_stream(tone, rate=44100, layout="mono")
        samples = rng.normal(0, 0.1, round(sound * 44100))
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (96, 96, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
            part = samples[number * 1764 : (number + 1) * 1764]
            if part.size:
                s16 = audio.format.name.startswith("s16")
                part = (part * 32767).astype(np.int16) if s16 else part.astype(np.float32)
                block = av.AudioFrame.from_ndarray(part[None], format="s16" if s16 else "fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = 44100, number * 1764, Fraction(1, 44100)
                output.mux(audio.encode(block))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_is_told_from_a_whole_one(tmp_path: Path, kind: str) -> None:
    whole = make(tmp_path / f"whole.{kind}")
    assert cut_short(whole) == ""
    content = whole.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    found = 0
    for kept in np.linspace(0.3, 0.85, 20):
        cut.write_bytes(content[: int(len(content) * kept)])
        probe(cut)  # what else would be taken for a shorter clip
        why = cut_short(cut)
        assert not why or (why.startswith(f"{cut}: cut short") and why.endswith(f"; {AGAIN}"))
        found += bool(why)
    assert found >= 19  # not where the cut lies in the few bytes before a packet


def test_no_video_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.mpg").write_text("hello")
    with pytest.raises(MediaError, match=r"a\.mpg: not readable as video"):
        cut_short(tmp_path / "a.mpg")


def test_originals_that_were_cut(shared_data: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cut = tmp_path / "cut.mpg"
    tried = found = 0
    for original in sorted((shared_data / "grid").rglob("*.mpg"))[::6]:
        assert cut_short(original) == ""
        content = original.read_bytes()
        for kept in rng.uniform(0.93, 0.999, 4):
            cut.write_bytes(content[: int(len(content) * kept)])
            found += bool(cut_short(cut))
            tried += 1
    assert found >= 0.9 * tried  # 252 of 256; the others ended in padding or in the few bytes before a packet


def test_no_whole_file_is_suspected(shared_data: Path) -> None:
    files = sorted((shared_data / "grid").rglob("*.mp4"))[::40]
    files += sorted((shared_data / "published_dubs").rglob("*.mp4"))
    files += [shared_data / "gold" / "syncnet_example.avi"]
    for path in files:
        assert cut_short(path) == ""
        assert path.suffix == ".avi" or not ending(len(read_audio(path)) / 16000 - probe(path).duration)


def test_what_a_run_is_told(tmp_path: Path) -> None:
    torn = make(tmp_path / "torn.mpg")
    torn.write_bytes(torn.read_bytes()[:-3000])
    videos = {"whole": make(tmp_path / "whole.mpg"), "torn": torn, "early": make(tmp_path / "early.mpg", sound=1.5)}
    clips = [Clip(name, "folder", "s", "text", path, path) for name, path in videos.items()]
    for _ in range(2):  # and again, when all is made
        made: dict[str, Prepared] = prepare(clips, tmp_path / "work", 1, 60.0, lambda _: None)
        assert "torn.mpg: cut short" in made["torn"].problem
        assert not made["whole"].problem
        assert abs(made["whole"].apart) < 0.1
        assert made["early"].apart == pytest.approx(-0.5, abs=0.06)
        assert made["torn"].apart == 0.0
    text = note({name: clip.apart for name, clip in made.items()}, "folder")
    assert text.startswith("sound and picture of 1 of 3 clips end more than 0.1 s apart (in early the sound ends 0.")
    assert text.endswith("see: dubbench data check folder")
    assert note({"a": 0.1, "b": -0.03}, "folder") == ""
    assert ending(0.26) == "the sound ends 0.26 s after the picture"
