"""Mouth crops in the format of the lip-reading networks of the LRW family (AV-HuBERT among them).

Their recipe: five points that speech hardly moves (the corners of the eyes, the base of the nose), averaged over twelve
frames, are brought onto a mean face by a similarity; around the middle of the mouth in that picture a square is cut,
96 pixels wide, of which the network sees the inner 88. We place the same points with mediapipe's mesh instead of
dlib's 68 landmarks, and the mean face by its distances alone, made symmetric. No picture is encoded again on the way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.film import Pictures
from dubbench.signal.landmarks import LandmarkTrack, VisualError

SIDE = 88
WINDOW = 12
"""Frames over which the head's place is averaged: the frame itself and those after it."""
CANVAS = 256

# The mean face in its 256 x 256 picture: corners of the eyes 74 and 33 px apart in one line, the base of the nose 43 px
# below their middle.
_STABLE = [33, 133, 362, 263, 2]  # right outer, right inner, left inner, left outer corner; base of the nose
_MEAN_FACE = np.add((129.4, 94.3), [(-37.1, 0), (-16.4, 0), (16.4, 0), (37.1, 0), (0, 43)])
# The twenty points of the mouth among the 68, in the mesh: outer lip, then inner.
_MOUTH = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178]

Floats = NDArray[np.float64]


def lip_crops(frames: NDArray[np.uint8] | Pictures, track: LandmarkTrack) -> NDArray[np.uint8]:
    """(F, 88, 88) grey crops of the mouth; black where they reach beyond the picture.

    Args:
        frames: (F, H, W, 3) RGB, or the same one after another.
        track: of these frames.

    Raises:
        VisualError: the track is of another number of frames.
    """
    from scipy.ndimage import map_coordinates

    if len(frames) != len(track.points):
        raise VisualError(f"{len(frames)} frames, but landmarks for {len(track.points)}")
    points = track.points[:, :, :2].astype(np.float64)
    turns = similarity(forward_mean(points[:, _STABLE], WINDOW), _MEAN_FACE)
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), axis=-1)  # (88, 88, 2) x, y
    crops = np.empty((len(frames), SIDE, SIDE), np.uint8)
    for index, (frame, turn, shift) in enumerate(zip(frames, *turns, strict=True)):
        centre = (points[index, _MOUTH] @ turn.T + shift).mean(0).clip(48, CANVAS - 48)
        where = (grid + np.rint(centre) - SIDE / 2 - shift) @ np.linalg.inv(turn).T
        grey = frame @ np.array([0.299, 0.587, 0.114])
        crops[index] = map_coordinates(grey, (where[..., 1], where[..., 0]), order=1, cval=0.0)
    return crops


def forward_mean(values: Floats, window: int) -> Floats:
    """(F, ...) each row the mean of itself and the ``window`` - 1 after it; the last rows share the last whole mean."""
    window = min(window, len(values))
    total = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    means = (total[window:] - total[:-window]) / window
    return np.concatenate([means, np.repeat(means[-1:], window - 1, axis=0)])


def similarity(source: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Least-squares similarity of (F, K, 2) points onto (K, 2): (F, 2, 2) and (F, 2), so that
    ``source @ turn.T + shift`` comes closest to ``target`` (Umeyama 1991; the faces are upright enough that no
    mirror image ever fits better)."""
    middle, goal = source.mean(1, keepdims=True), target.mean(0)
    x, y = np.moveaxis(source - middle, -1, 0)  # (F, K)
    u, v = (target - goal).T
    size = (x**2 + y**2).sum(1)
    along, across = (x * u + y * v).sum(1) / size, (x * v - y * u).sum(1) / size
    turn = np.stack([np.stack([along, -across], -1), np.stack([across, along], -1)], 1)
    shift = goal - np.einsum("fij,fj->fi", turn, middle[:, 0])
    return turn, shift
