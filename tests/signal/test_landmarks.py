import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dubbench.signal import landmarks
from dubbench.signal.landmarks import LIPS, LandmarkTrack, VisualError
from dubbench.signal.media import read_frames


def rotation(pitch, yaw, roll):
    """Columns are the turned axes: roll after yaw after pitch."""
    cp, sp, cy, sy, cr, sr = (f(a) for a in (pitch, yaw, roll) for f in (np.cos, np.sin))
    x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return z @ y @ x


def head(frames=40, seed=0):
    """(F, 468, 3) of a made-up head at rest in normalised coordinates; lips and chin move, the skull does not."""
    rng = np.random.default_rng(seed)
    points = np.repeat(rng.normal(0, 0.4, (1, 468, 3)), frames, axis=0)
    points[:, landmarks._RIGID] = landmarks._TEMPLATE
    points[:, LIPS] += rng.normal((0, 0.7, 0), 0.05, (frames, len(LIPS), 3))
    return points


def placed(points, angles, size, at):
    """The head turned, scaled and moved into the picture, frame by frame."""
    turned = np.stack([p @ rotation(*a).T for p, a in zip(points, angles, strict=True)])
    return LandmarkTrack((turned * size[:, None, None] + at[:, None]).astype(np.float32), np.ones(len(points), bool))


@pytest.fixture
def moved():
    rest, rng = head(), np.random.default_rng(1)
    angles, size = rng.uniform(-0.5, 0.5, (40, 3)), rng.uniform(30, 90, 40)
    at = rng.uniform(100, 200, (40, 3))
    return rest, angles, size, at, placed(rest, angles, size, at)


def test_normalising_undoes_the_heads_movement_and_tells_it(moved):
    rest, angles, size, at, track = moved
    found = landmarks.normalise(track)
    np.testing.assert_allclose(found.points, rest, atol=1e-4)
    np.testing.assert_allclose(found.rotation, angles, atol=1e-4)
    np.testing.assert_allclose(found.size, size, rtol=1e-4)
    np.testing.assert_allclose(found.position, at, atol=1e-2)


def test_features_depend_on_the_lips_alone(moved):
    rest, _, _, _, track = moved
    still = placed(rest, np.zeros((40, 3)), np.full(40, 60.0), np.full((40, 3), 150.0))
    lips = landmarks.lip_features(track)
    assert lips.shape == (40, landmarks.LIP_FEATURES) == (40, 144) and lips.dtype == np.float32
    np.testing.assert_allclose(lips, landmarks.lip_features(still), atol=1e-3)
    both = landmarks.lip_features(track, deltas=True)
    assert both.shape == (40, 288)
    np.testing.assert_allclose(both[5, 144:], (lips[6] - lips[4]) / 2, atol=1e-5)
    np.testing.assert_allclose(
        landmarks.lip_aperture(track), np.linalg.norm(rest[:, 13] - rest[:, 14], axis=1), atol=1e-4
    )


def test_face_features_hold_expression_then_pose(moved):
    rest, angles, _, _, track = moved
    still = placed(rest, np.zeros((40, 3)), np.full(40, 60.0), np.full((40, 3), 150.0))
    face, calm = landmarks.face_features(track), landmarks.face_features(still)
    assert face.shape == (40, landmarks.FACE_FEATURES)
    np.testing.assert_allclose(face[:, :-7], calm[:, :-7], atol=1e-3)
    np.testing.assert_allclose(face[:, -7:-4], angles, atol=1e-4)
    np.testing.assert_allclose(calm[:, -7:], 0, atol=1e-3)


def test_gaps_are_interpolated_and_ends_held():
    values = np.array([[9.0], [2.0], [9.0], [9.0], [5.0], [9.0]], np.float32)
    found = np.array([False, True, False, False, True, False])
    np.testing.assert_allclose(landmarks.fill_gaps(values, found)[:, 0], [2, 2, 3, 4, 5, 5])


def test_other_rates_become_25_hz():
    x = np.linspace(0, 1, 61, dtype=np.float32)[:, None]  # 2 s at 30 fps
    y = landmarks.at_25(x, 30.0, 50)
    np.testing.assert_allclose(y[:, 0], np.arange(50) / 25 / 2, atol=1e-6)
    assert landmarks.at_25(x, 25.0, 61) is x
    assert landmarks.at_25(x[:1], 10.0, 3).tolist() == [[0.0]] * 3


@given(arrays(np.float64, st.integers(1, 12), elements=st.floats(-5, 5).map(lambda x: round(x, 1))))
def test_heaviest_run_is_the_best_of_all_runs(weights):
    start, end = landmarks.heaviest_run(weights)
    sums = [weights[i:j].sum() for i in range(len(weights)) for j in range(i + 1, len(weights) + 1)]
    assert 0 <= start < end <= len(weights)
    assert weights[start:end].sum() == pytest.approx(max(sums), abs=1e-9)


def talking(fps, start, end, seconds=3.0):
    """A head whose lower lip goes up and down at 4 Hz from ``start`` to ``end``, with a twitch long before."""
    times = np.arange(round(seconds * fps)) / fps
    rest = np.repeat(head(1), len(times), axis=0)
    opening = np.where((times >= start) & (times < end), 0.1 - 0.1 * np.cos(8 * np.pi * (times - start)), 0.0)
    opening += 0.05 * np.exp(-(((times - 0.2) / 0.04) ** 2))
    rest[:, 13] = rest[:, 14] = rest[:, LIPS].mean(1)
    rest[:, 14, 1] += opening
    for index in (17, 84, 314, 87, 317):
        rest[:, index, 1] += opening
    sway = np.stack([0 * times, 0.2 * np.sin(times), 0.1 * np.sin(2 * times)], 1)
    return placed(rest, sway, np.full(len(times), 60.0), np.full((len(times), 3), 150.0))


@pytest.mark.parametrize("fps", [25.0, 30.0, 50.0])
def test_the_span_is_where_the_lips_move(fps):
    start, end = landmarks.moving_span(talking(fps, 0.8, 2.05), fps)
    assert start == pytest.approx(0.8, abs=0.1) and end == pytest.approx(2.05, abs=0.1)


def test_still_lips_have_no_span():
    with pytest.raises(VisualError, match="do not move"):
        landmarks.moving_span(LandmarkTrack(np.repeat(head(1), 20, 0).astype(np.float32), np.ones(20, bool)), 25.0)


def test_mouth_crops_are_upright_and_of_one_scale():
    """The same scene, seen upright and turned by 20 degrees at 1.5 times the scale, gives the same crops."""
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8), (0, 0), 5)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX)
    points = np.repeat(head(1), 15, 0)
    upright = placed(points, np.zeros((15, 3)), np.full(15, 60.0), np.full((15, 3), 140.0))
    angle, scale = np.radians(20), 1.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    shift = np.array([40.0, -60.0])
    picture = cv2.warpAffine(scene, np.c_[turn, shift], (520, 520), flags=cv2.INTER_CUBIC)
    at = turn @ [140.0, 140.0] + shift
    turned = placed(points, np.tile([0, 0, angle], (15, 1)), np.full(15, 90.0), np.tile([*at, 0], (15, 1)))
    a = landmarks.mouth_crops(np.repeat(scene[None], 15, 0), upright)
    b = landmarks.mouth_crops(np.repeat(picture[None], 15, 0), turned)
    assert a.shape == (15, 96, 96) and a.dtype == np.uint8 and a.std() > 10
    assert np.abs(a.astype(int) - b).mean() < 3
    with pytest.raises(VisualError, match="3 frames"):
        landmarks.mouth_crops(scene[None].repeat(3, 0), upright)


@pytest.fixture(scope="module")
def clip(shared_data):
    pytest.importorskip("mediapipe")
    return read_frames(shared_data / "grid" / "s1" / "bbal8p.mpg")[:30]


def test_a_video_without_a_face_says_so_and_nothing_else(capfd):
    pytest.importorskip("mediapipe")
    with pytest.raises(VisualError, match=r"no face found in empty\.mp4 \(4 frames\)"):
        landmarks.find_landmarks(np.zeros((4, 120, 160, 3), np.uint8), "empty.mp4")
    assert capfd.readouterr() == ("", "")


def test_real_landmarks_are_the_same_each_time_and_quiet(clip, capfd):
    track = landmarks.find_landmarks(clip)
    assert track.points.shape == (30, 468, 3) and track.found.all()
    assert np.array_equal(track.points, landmarks.find_landmarks(clip).points)
    assert capfd.readouterr() == ("", "")
    head = landmarks.normalise(track)
    moves = head.points[:, landmarks._RIGID] - landmarks._TEMPLATE
    assert np.abs(moves).max() < 0.05  # the skull keeps still, and fits the template


def test_frames_without_a_face_are_marked_and_filled(clip):
    dark = clip.copy()
    dark[10:14] = 0
    whole, broken = landmarks.find_landmarks(clip), landmarks.find_landmarks(dark)
    assert np.flatnonzero(~broken.found).tolist() == [10, 11, 12, 13]
    assert np.abs(whole.points - broken.points).max() < 6  # of 360 pixels
    dark[4:] = 0
    with pytest.raises(VisualError, match="only 4 of the 30 frames"):
        landmarks.find_landmarks(dark)


def test_a_small_face_in_a_large_picture_is_found(clip):
    cv2 = pytest.importorskip("cv2")
    wide = np.full((10, 720, 1280, 3), 180, np.uint8)
    for frame, small in zip(wide, clip, strict=False):
        frame[400:592, 900:1140] = cv2.resize(small, (240, 192), interpolation=cv2.INTER_AREA)
    track = landmarks.find_landmarks(wide)
    near = landmarks.find_landmarks(clip[:10])
    expected = near.points[:, :, :2] * (240 / 360) + [900, 400]
    assert track.found.all() and np.abs(track.points[:, :, :2] - expected).mean() < 2


def test_lip_span_of_real_clips(shared_data):
    pytest.importorskip("mediapipe")
    for name in ("bbaf3s", "bbal8p"):
        words = [line.split() for line in (shared_data / f"grid/alignments/s1/{name}.align").read_text().splitlines()]
        spoken = [w for w in words if w[2] not in ("sil", "sp")]
        video = next((shared_data / "grid/s1").glob(f"{name}.*"))
        start, end = landmarks.moving_span(landmarks.find_landmarks(read_frames(video)), 25.0)
        assert abs(end - int(spoken[-1][1]) / 25000) < 0.2
        assert start < int(spoken[1][1]) / 25000
