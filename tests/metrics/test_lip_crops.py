"""Mouth crops after the LRW family's recipe, on faces whose points are known, and on real ones."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dubbench.metrics.parts import mouth
from dubbench.signal.landmarks import LandmarkTrack, VisualError, find_landmarks
from dubbench.signal.media import read_frames


def drawn(count: int = 15, angle: float = 0.0, scale: float = 1.0) -> tuple[NDArray[np.uint8], LandmarkTrack]:
    """A face turned and scaled about (160, 130), with a ramp of grey across it and a white dot amid the mouth."""
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.zeros((468, 3), np.float32)
    points[mouth._STABLE, :2] = (mouth._MEAN_FACE - (129.4, 120)) @ turn.T + (160, 130)
    middle = (np.array([129.4, 158.0]) - (129.4, 120)) @ turn.T + (160, 130)
    points[mouth._MOUTH, :2] = middle
    picture = np.tile((np.arange(320) / 4).astype(np.uint8), (256, 1))
    picture[round(middle[1]) - 2 : round(middle[1]) + 3, round(middle[0]) - 2 : round(middle[0]) + 3] = 255
    frames = np.repeat(np.repeat(picture[None, :, :, None], 3, axis=3), count, axis=0)
    return frames, LandmarkTrack(np.repeat(points[None], count, axis=0), np.ones(count, bool))


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (0.3, 1.0), (-0.2, 0.6)])
def test_the_mouth_is_in_the_middle_whatever_the_head_does(angle: float, scale: float) -> None:
    crops = mouth.lip_crops(*drawn(angle=angle, scale=scale))
    assert crops.shape == (15, 88, 88)
    y, x = np.argwhere(crops[0] > 200).mean(0)
    assert (y, x) == (pytest.approx(44, abs=1.5), pytest.approx(44, abs=1.5))
    assert (crops == crops[0]).all()


def test_one_pixel_of_the_crop_is_one_of_the_mean_face() -> None:
    """At scale 1 a ramp of a quarter level a pixel stays one; at half the size it is twice as steep."""
    for scale, slope in ((1.0, 0.25), (0.5, 0.125)):
        crop = mouth.lip_crops(*drawn(scale=scale))[0].astype(float)
        assert np.polyfit(np.arange(88), crop[5], 1)[0] == pytest.approx(slope, rel=0.05)


def test_the_similarity_is_the_least_squares_one() -> None:
    """Against numpy's own solver for x' = a x - b y + c, y' = b x + a y + d."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(0, 30, (4, 5, 2)), rng.normal(0, 30, (5, 2))
    turn, shift = mouth.similarity(source, target)
    for points, found_turn, found_shift in zip(source, turn, shift, strict=True):
        x, y, one, none = points[:, 0], points[:, 1], np.ones(5), np.zeros(5)
        left = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
        a, b, c, d = np.linalg.lstsq(left, target.T.ravel(), rcond=None)[0]
        np.testing.assert_allclose(found_turn, [[a, -b], [b, a]], atol=1e-9)
        np.testing.assert_allclose(found_shift, [c, d], atol=1e-9)


def test_means_look_forward_and_the_last_is_held() -> None:
    values = np.arange(20.0)[:, None]
    means = mouth.forward_mean(values, 12)[:, 0]
    np.testing.assert_allclose(means, [*np.arange(9) + 5.5, *[13.5] * 11])
    np.testing.assert_allclose(mouth.forward_mean(values[:5], 12)[:, 0], [2.0] * 5)


def test_a_track_of_another_video() -> None:
    frames, track = drawn()
    with pytest.raises(VisualError, match="14 frames, but landmarks for 15"):
        mouth.lip_crops(frames[:14], track)


def test_real_mouths(shared_data: Path) -> None:
    """Lips are darker than the skin around them, and lie in the middle third."""
    pytest.importorskip("mediapipe")
    frames = read_frames(next(iter(sorted((shared_data / "grid" / "s1").glob("*.mpg")))))[:20]
    crops = mouth.lip_crops(frames, find_landmarks(frames)).astype(float)
    assert crops[:, 30:58, 24:64].mean() < crops[:, 66:80, 24:64].mean()
    rows = crops[:, :, 30:58].mean((0, 2))
    assert 30 <= np.argmin(rows[25:65]) + 25 <= 58
