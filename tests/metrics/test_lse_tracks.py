"""Scenes, face tracks and crops against what the original gives, and in its odd corners."""

import warnings

import numpy as np
import pytest
from scipy import signal

from dubbench.metrics.syncnet.scenes import scenes
from dubbench.metrics.syncnet.tracks import Track, crops, face_tracks, smooth

FACE = np.array([100.0, 80.0, 220.0, 210.0])


def boxes(*faces: np.ndarray) -> np.ndarray:
    return np.array(faces).reshape(-1, 4)


def test_one_face_all_along() -> None:
    (track,) = face_tracks([boxes(FACE + i) for i in range(30)], first=40, shortest=5)
    assert (track.start, track.end) == (40, 70)
    np.testing.assert_allclose(track.boxes, [FACE + i for i in range(30)])


def test_five_detections_are_too_few_and_six_are_not() -> None:
    assert face_tracks([boxes(FACE)] * 5, 0, 5) == []
    assert len(face_tracks([boxes(FACE)] * 6, 0, 5)) == 1


def test_a_gap_is_filled_and_a_longer_one_parts_the_track() -> None:
    there, gone = [boxes(FACE)] * 10, [boxes()]
    (track,) = face_tracks([*there, *gone * 24, *([boxes(FACE + 8)] * 10)], 0, 5)
    assert len(track.boxes) == 44
    np.testing.assert_allclose(track.boxes[10 + 4], FACE + 8 * 5 / 25)  # a fifth of the way across the gap
    parts = face_tracks([*there, *gone * 25, *there], 0, 5)
    assert [(t.start, t.end) for t in parts] == [(0, 10), (35, 45)]


def test_small_faces_are_left_out() -> None:
    small = np.array([0.0, 0.0, 80.0, 100.0])
    assert face_tracks([boxes(small)] * 20, 0, 5) == []
    assert len(face_tracks([boxes(small + np.array([0, 0, 0, 1]))] * 20, 0, 5)) == 1


def test_two_faces_are_two_tracks() -> None:
    other = FACE + np.array([300, 0, 300, 0])
    found = face_tracks([boxes(FACE, other)] * 20, 0, 5)
    assert [t.boxes[0, 0] for t in found] == [100, 400]
    assert all(len(t.boxes) == 20 for t in found)


def crowd(seed: int) -> list[np.ndarray]:
    """60 frames with up to three faces each, at four places that overlap."""
    rng = np.random.default_rng(seed)

    def face() -> np.ndarray:
        return FACE + np.repeat(rng.choice([0, 20, 70, 200]), 4) + rng.normal(0, 5)

    return [boxes(*(face() for _ in range(rng.integers(0, 4)))) for _ in range(60)]


JOINED = {  # first frame, one past the last, sum of the boxes: what the original's track_shot gives for `crowd`
    0: [(0, 58, 51651.186), (0, 58, 37818.499), (1, 60, 83140.997), (22, 58, 24793.264)],
    1: [(0, 60, 52886.598), (3, 60, 80307.192), (3, 60, 36335.077), (5, 58, 35540.568)],
    2: [(0, 59, 38756.372), (0, 56, 36842.163), (0, 59, 82828.912), (1, 58, 50491.071)],
    3: [(0, 59, 37195.118), (0, 54, 35338.211), (0, 58, 81516.435), (9, 57, 42802.025)],
    4: [(0, 57, 80718.157), (1, 60, 38643.014), (1, 58, 50948.506), (19, 60, 26653.839)],
    5: [(0, 60, 84434.976), (0, 55, 36446.454), (1, 53, 31888.823), (7, 60, 47399.933), (20, 60, 35458.806)],
}


@pytest.mark.parametrize("seed", JOINED)
def test_crowds_are_joined_as_the_original_joins_them(seed: int) -> None:
    found = face_tracks(crowd(seed), 0, 5)
    assert [(t.start, t.end, round(float(t.boxes.sum()), 3)) for t in found] == JOINED[seed]


@pytest.mark.parametrize("count", [3, 6, 7, 13, 40])
def test_smoothing_is_scipys(count: int) -> None:
    track = np.cumsum(np.random.default_rng(0).normal(0, 3, (count, 4)), axis=0) + FACE
    half = np.maximum(track[:, 3] - track[:, 1], track[:, 2] - track[:, 0]) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's, on windows longer than the track
        expected = [signal.medfilt(v, 13) for v in (half, track[:, [0, 2]].mean(1), track[:, [1, 3]].mean(1))]
    np.testing.assert_array_equal(smooth(track), expected)


def test_the_crop_is_where_it_should_be() -> None:
    """Half a box of 60 around (200, 150): rows 90 to 258, columns 116 to 284; what lies outside is grey."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[90:, 116:200, 0] = 200
    picture[90:, 200:284, 1] = 200
    track = Track(0, np.tile([140.0, 90.0, 260.0, 210.0], (13, 1)))
    crop = list(crops(track, iter([picture] * 13)))[6]
    assert crop.shape == (224, 224, 3)
    assert (crop[:195, :111, 0] == 200).all()
    assert (crop[:195, 113:, 1] == 200).all()
    assert (crop[203:] == 110).all()


def test_a_track_of_six_has_no_size() -> None:
    with pytest.raises(ValueError, match="no size"):
        list(crops(Track(0, np.tile(FACE, (6, 1))), iter([np.zeros((240, 320, 3), np.uint8)] * 6)))


def test_scenes() -> None:
    dark, light = np.full((48, 64, 3), 20, np.uint8), np.full((48, 64, 3), 220, np.uint8)
    dark[..., 0] += 100
    assert scenes([]) == []
    assert scenes([dark] * 30) == [(0, 30)]
    assert scenes([dark] * 20 + [light] * 25) == [(0, 20), (20, 45)]
    assert scenes([dark] * 20 + [light] * 10 + [dark] * 30) == [(0, 20), (20, 60)]  # 10 after a cut is no cut
    wide = np.repeat(np.repeat(light, 10, axis=1), 10, axis=0)
    assert scenes([np.zeros_like(wide)] * 20 + [wide] * 20) == [(0, 20), (20, 40)]


def test_a_slow_change_is_no_cut() -> None:
    fade = [np.full((48, 64, 3), value, np.uint8) for value in range(0, 250, 10)]
    assert scenes(fade) == [(0, 25)]
