from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numbered_video import make_video, noise

from dubbench.core.clip import Clip
from dubbench.datasets.check import check, check_clip, summary
from dubbench.datasets.grid import INFO, GridDataset
from dubbench.signal.media import write_wav


def clip(video: Path, audio: Path | None = None) -> Clip:
    return Clip(video.stem, "folder", "s1", "text", video, audio or video)


def test_a_good_clip_has_no_problem(tmp_path: Path) -> None:
    assert check_clip(clip(make_video(tmp_path / "a.mp4", 1.0)), seconds=1.0) == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("mute.mp4", {"sound": None}, "no audio stream"),
        ("slow.mp4", {"fps": 30}, "30.00 fps instead of 25"),
        ("early.mp4", {"sound": noise(0.8, 16000)}, "s before the picture"),
        ("late.mp4", {"sound": noise(1.3, 16000)}, "after the picture"),
        ("silent.mp4", {"sound": np.zeros(16000, np.float32)}, "silent"),
        ("narrow.mp4", {"sound": noise(1.0, 8000), "rate": 8000}, "8000 Hz"),
        ("long.mp4", {"seconds": 2.0}, "lasts 2.00 s instead of 1.00 s"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, name: str, options: dict[str, object], says: str) -> None:
    lines = check_clip(clip(make_video(tmp_path / name, **{"seconds": 1.0, **options})), seconds=1.0)  # type: ignore[arg-type]
    assert len(lines) == 1 and says in lines[0] and name in lines[0]


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    (tmp_path / "empty.mpg").write_bytes(b"")
    (tmp_path / "text.mpg").write_text("hello")
    for name, says in (("gone.mpg", "no such file"), ("empty.mpg", "empty"), ("text.mpg", "not readable")):
        lines = check_clip(clip(tmp_path / name))
        assert len(lines) == 1 and says in lines[0] and name in lines[0]


def test_sound_of_its_own(tmp_path: Path) -> None:
    video = make_video(tmp_path / "a.mp4", 1.0, sound=None)
    write_wav(tmp_path / "good.wav", noise(1.0, 16000), 16000)
    assert check_clip(clip(video, tmp_path / "good.wav")) == []
    bad = noise(1.0, 16000)
    bad[100:110] = np.nan
    write_wav(tmp_path / "nan.wav", bad, 16000)
    assert "10 of 16000 samples are NaN or Inf" in check_clip(clip(video, tmp_path / "nan.wav"))[0]
    assert "no such file" in check_clip(clip(video, tmp_path / "gone.wav"))[0]
    assert "no ground-truth sound" in check_clip(replace(clip(video), audio=None))[0]


def test_many_clips_in_processes(tmp_path: Path) -> None:
    clips = [clip(make_video(tmp_path / f"clip-{n:02d}.mp4", 0.4)) for n in range(11)]
    (tmp_path / "bad.mp4").write_bytes(b"no")
    told: list[bool] = []
    problems = check([*clips, clip(tmp_path / "bad.mp4")], workers=2, progress=told.append)
    assert [p.clip for p in problems] == ["bad"]
    assert len(told) == 12 and sum(told) == 1
    assert check([]) == []


def test_real_clips(shared_data: Path) -> None:
    data = GridDataset(shared_data / "grid")
    some = [c for c in data.clips() if c.video.suffix == ".mpg"][::4] + data.clips()[::60]
    assert check(some, workers=2, seconds=INFO.seconds) == []
    report = summary(data, some)
    assert report["clips"] == len(some)
    assert report["test split"] == "98 here of 3,300 listed; papers report 3,280"
    assert report["train split"] == "854 here of 29,694 listed; papers report 32,670"
    assert "cannot be disjoint" in report["remark"]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.8])
def test_a_truncated_original(shared_data: Path, tmp_path: Path, kept: float) -> None:
    original = next(iter(sorted((shared_data / "grid" / "s2").glob("*.mpg"))))
    whole = original.read_bytes()
    (tmp_path / "cut.mpg").write_bytes(whole[: int(len(whole) * kept)])
    lines = check_clip(clip(tmp_path / "cut.mpg"), seconds=INFO.seconds)
    assert lines and all("cut.mpg" in line and line.endswith("; get or make it again") for line in lines)


def test_a_damaged_original(shared_data: Path, tmp_path: Path) -> None:
    original = next(iter(sorted((shared_data / "grid" / "s2").glob("*.mpg"))))
    content = bytearray(original.read_bytes())
    for at in np.random.default_rng(0).integers(20000, len(content), 300):
        content[at] ^= 0xFF
    (tmp_path / "bad.mpg").write_bytes(content)
    assert any("damaged" in line for line in check_clip(clip(tmp_path / "bad.mpg"), seconds=INFO.seconds))


def test_a_truncated_mp4(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mp4", 1.0).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    assert len(check_clip(clip(tmp_path / "cut.mp4"))) == 1
