"""Pictures at 25 a second and through the original's files: whole, in order, the same every time."""

from pathlib import Path

import numpy as np
import pytest
from lse_parts import excerpt, film

from dubbench.errors import MediaError
from dubbench.metrics.syncnet.pictures import Steady, decoded, direct, jpegs, through_film
from dubbench.signal.media import silent_copy


def kept(fps: float, count: int) -> list[int]:
    """Which of ``count`` pictures go out."""
    steady, out = Steady(0.0, fps), []
    for number in range(count):
        again, once = steady.copies(number / fps)
        out += [number - 1] * again + [number] * once
    return out


def numbered(count: int) -> np.ndarray:
    """Pictures with a white field whose place is their number."""
    pictures = np.zeros((count, 96, 128, 3), np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, 8)
        picture[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 255
    return pictures


def places(pictures: list[np.ndarray]) -> list[int]:
    return [int(p[8::16, 8::16].mean(axis=2).argmax()) for p in pictures]


@pytest.mark.parametrize(
    ("fps", "first", "last"),
    [  # as seen in the output of: ffmpeg -i numbered.mp4 -r 25 (version 9.0, 60 pictures)
        (25, [*range(16)], [56, 57, 58, 59]),
        (30, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16], [56, 57, 58, 59]),
        (30000 / 1001, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16], [56, 57, 58, 59]),
        (50, [0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27], [53, 55, 57, 59]),
        (60, [0, 1, 2, 4, 6, 9, 11, 14, 16, 18, 21, 23, 26, 28, 30, 33], [52, 54, 57, 59]),
        (24, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 11, 12, 13, 14], [57, 58, 59, 59]),
        (12.5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7], [58, 58, 59, 59]),
        (15, [0, 0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6, 7, 8, 8, 9], [57, 58, 59, 59]),
    ],
)
def test_keeps_the_pictures_that_ffmpeg_keeps(fps: float, first: list[int], last: list[int]) -> None:
    found = kept(fps, 60)
    assert found[:16] == first
    assert found[-4:] == last


@pytest.mark.parametrize("fps", [15, 24, 24000 / 1001, 25, 30000 / 1001, 30, 50, 60000 / 1001])
def test_times_in_milliseconds_choose_the_same_pictures(fps: float) -> None:
    """As Matroska has them, and the rate that libav reads from its whole nanoseconds."""
    steady, out = Steady(0.0, 1e9 / round(1e9 / fps)), []
    for number in range(1500):
        again, once = steady.copies(round(1000 * number / fps) / 1000)
        out += [number - 1] * again + [number] * once
    assert out == kept(fps, 1500)


@pytest.mark.parametrize(("late", "chosen"), [(0.0009, [10, 11, 11, 12]), (0.002, [10, 10, 11, 12])])
def test_times_further_off_are_taken_as_they_are(late: float, chosen: list[int]) -> None:
    steady, out = Steady(0.0, 24), []
    for number in range(16):
        again, once = steady.copies(number / 24 + (late if number else 0))
        out += [number - 1] * again + [number] * once
    assert out[10:14] == chosen


def test_a_runs_copy_of_a_film_shows_the_same_pictures(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mp4", numbered(48), 24)
    silent_copy(path, tmp_path / "copy.mkv")
    ours, theirs = (places([decoded(jpeg) for jpeg in jpegs(p)]) for p in (tmp_path / "copy.mkv", path))
    assert ours == theirs == kept(24, 48)


@pytest.mark.parametrize("fps", [25, 30])
def test_the_chain_keeps_number_and_order(tmp_path: Path, fps: int) -> None:
    path = film(tmp_path / "clip.mp4", numbered(40), fps)
    assert places([decoded(jpeg) for jpeg in jpegs(path)]) == kept(fps, 40)


def test_the_chain_is_faithful_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(30, 220, (14, 12, 16, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8)
    path = film(tmp_path / "clip.mp4", smooth)
    found = list(jpegs(path))
    assert found == list(jpegs(path))
    errors = [
        np.abs(decoded(j)[4::8, 4::8, 1].astype(int) - p[4::8, 4::8, 1]).mean()
        for j, p in zip(found, smooth, strict=True)
    ]
    assert max(errors) < 12


def test_the_film_of_crops_keeps_number_and_is_lossy(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crops = list(np.kron(rng.integers(0, 255, (30, 28, 28, 3)), np.ones((1, 8, 8, 1))).astype(np.uint8))
    found = list(through_film(crops))
    assert [f.shape for f in found] == [(224, 224, 3)] * 30
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(found, crops, strict=True)]
    assert max(errors[:3]) < max(errors[-10:])  # the rate control runs out of bits
    assert 0 < max(errors) < 30
    assert list(through_film([])) == []


def test_direct_brings_any_size_to_224(tmp_path: Path) -> None:
    found = list(direct(film(tmp_path / "clip.mp4", numbered(7))))
    assert [f.shape for f in found] == [(224, 224, 3)] * 7


def test_real_clips_keep_their_frames(shared_data: Path, tmp_path: Path) -> None:
    clip = excerpt(shared_data / "gold" / "syncnet_example.avi", tmp_path / "part.avi", 20)
    assert len(list(jpegs(clip))) == 20


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        list(jpegs(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        list(direct(tmp_path / "text.mp4"))
