"""A clip's video is decoded and searched for a face once, for all metrics and dubs that look at it."""

import collections
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

for module in ("torch", "safetensors", "mediapipe"):
    pytest.importorskip(module)

from dubbench.core.clip import Clip  # noqa: E402
from dubbench.core.metric import Item  # noqa: E402
from dubbench.errors import MediaError  # noqa: E402
from dubbench.metrics import avsync, sync  # noqa: E402
from dubbench.pipeline import score_worker  # noqa: E402
from dubbench.signal import film, landmarks, media  # noqa: E402
from dubbench.signal.clock import Timeline  # noqa: E402
from dubbench.signal.film import Pictures  # noqa: E402
from dubbench.signal.landmarks import LandmarkTrack, VisualError, find_landmarks  # noqa: E402
from dubbench.signal.picture import Picture  # noqa: E402
from dubbench.signal.sound import Sound  # noqa: E402


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> collections.Counter[str]:
    """How often a video was decoded and a face looked for; pictures and landmarks are drawn."""
    count: collections.Counter[str] = collections.Counter()
    rng = np.random.default_rng(0)
    mesh = rng.normal(100, 20, (1, 468, 3)) + rng.normal(0, 1, (15, 468, 3))

    def rgb(path: Path, clock: Timeline) -> Iterator[tuple[np.ndarray, float]]:
        count["decoded"] += 1
        for time in clock.times:
            yield np.full((200, 200, 3), 90, np.uint8), float(time)

    def found(frames: Pictures, *_: object) -> LandmarkTrack:
        count["faces"] += 1
        return LandmarkTrack(mesh.astype(np.float32)[: len(frames)], np.ones(len(frames), np.bool_))

    steady(monkeypatch, 25.0)
    monkeypatch.setattr(film, "rgb", rgb)
    monkeypatch.setattr(landmarks, "find_landmarks", found)
    monkeypatch.setattr(avsync, "find_landmarks", found)
    return count


def steady(monkeypatch: pytest.MonkeyPatch, fps: float) -> None:
    """Every video has 15 pictures at this rate."""
    clock = Timeline(0.0, np.arange(15) / fps, 15 / fps, fps, True)
    monkeypatch.setattr(film, "timeline", lambda path: clock)


def test_all_metrics_and_dubs_share_it(
    tmp_path: Path, calls: collections.Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    speech = np.sin(np.cumsum(np.linspace(0.05, 0.3, 9600))) * np.sin(np.linspace(0, 9, 9600)) ** 2 / 3
    wavs = []
    for name in ("truth", "one", "two", "three"):
        wavs.append(tmp_path / f"{name}.wav")
        media.write_wav(wavs[-1], speech.astype(np.float32), 16000)
    truth, *dubs = wavs
    (tmp_path / "v.mkv").touch()  # never opened: reading it is counted instead
    monkeypatch.setattr(avsync, "asset_digest", lambda name: "0" * 64)
    monkeypatch.setattr(avsync, "see", lambda network, crops: crops.reshape(len(crops), -1)[:, :8])
    monkeypatch.setattr(avsync, "hear", lambda network, seen, samples: seen + 1)
    made = avsync.AVSync()
    made._model = object()
    monkeypatch.setattr(score_worker, "_metrics", {"avsync": made, "sync": sync.Sync()})
    jobs = tuple(score_worker.DubToScore(dub.stem, dub, "", (("sync", dub.stem), ("avsync", dub.stem))) for dub in dubs)
    work = score_worker.ClipTask(Clip("c", "d", "s", "", tmp_path / "v.mkv"), 0.6, 25.0, truth, "", None, jobs, "cpu")
    rows = score_worker._score(work)
    assert [row.reason for row in rows] == [""] * 6
    assert calls == {"decoded": 1, "faces": 1}


def test_another_rate_has_landmarks_of_its_own(
    calls: collections.Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 30 fps AVSync follows the face through the frames that it sees."""
    steady(monkeypatch, 30.0)
    picture = Picture(Path("v.mkv"))
    assert len(avsync.pictures(picture)) == 12
    assert calls == {"decoded": 1, "faces": 1}
    assert len(picture.face.points) == 15
    assert calls == {"decoded": 1, "faces": 2}


def test_a_hopeless_video_is_tried_once(calls: collections.Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(path: Path, clock: Timeline) -> Iterator[tuple[np.ndarray, float]]:
        calls["decoded"] += 1
        raise MediaError(f"{path}: damaged")

    monkeypatch.setattr(film, "rgb", damaged)
    picture = Picture(Path("v.mkv"), "theirs.mp4")
    for _ in range(2):
        with pytest.raises(MediaError, match=r"theirs\.mp4: damaged"):
            _ = picture.face
    assert calls == {"decoded": 1}


def test_an_item_has_its_own_where_none_is_given() -> None:
    sound = Sound(np.ones(9, np.float32), 16000)
    item = Item(Clip("c", "d", "s", "", Path("v.mkv")), sound, None, None, 1.0, 25.0)
    assert item.picture.path == Path("v.mkv")


def test_it_is_what_reading_and_looking_give(shared_data: Path) -> None:
    video = shared_data / "grid" / "s23" / "lrwp9a.mpg"
    picture = Picture(video)
    assert np.array_equal(picture.frames, media.read_frames(video))
    assert np.array_equal(picture.face.points, find_landmarks(picture.frames).points)
    blank = Picture(video)
    blank.film._kept = [np.zeros((96, 96, 3), np.uint8)] * 75
    with pytest.raises(VisualError, match=r"no face found in the video \(75 frames\)"):
        _ = blank.face


def test_a_film_too_large_to_keep_is_the_same_forwards_and_backwards(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = shared_data / "grid" / "s23" / "lrwp9a.mpg"
    whole = media.read_frames(video)
    monkeypatch.setattr(film, "HELD", 10 * whole[0].nbytes)
    large = film.Film(video)
    assert np.array_equal(np.stack(list(large)), whole) and large._kept is None
    assert np.array_equal(np.stack(list(reversed(large))), whole[::-1])
    assert np.array_equal(find_landmarks(large).points, find_landmarks(whole).points)
