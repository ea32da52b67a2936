"""Face landmarks of a video, head-normalised features of lips and face, and face and mouth crops.

Normalised coordinates: the similarity transform (rotation in three dimensions, scale, translation) that brings the
corners of the eyes and the bridge of the nose, which speech does not move, onto a fixed template. The origin is the
middle of the four eye corners, x points to the picture's right, y down, z away from the camera; the unit is the
distance between the outer corners of the eyes (about 9 cm).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from dubbench.signal.film import Pictures

Floats = NDArray[np.float32]
Reals = TypeVar("Reals", NDArray[np.float32], NDArray[np.float64])

# Indices into the mesh.
_RIGID = [33, 133, 362, 263, 168, 6, 197, 195]  # outer and inner corners of the right and the left eye, nose bridge
_OUTER_LIP = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
_INNER_LIP = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191]
LIPS = _OUTER_LIP + _INNER_LIP
_NOSE = [1, 2, 98, 327]  # tip, base, wings
_EYE_CORNERS = [33, 133, 362, 263]
_BROWS = [70, 63, 105, 66, 107, 336, 296, 334, 293, 300]
_EYES = [33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380]
_MOUTH = [61, 39, 0, 269, 291, 405, 17, 181, 13, 14]
_LID_PAIRS = ((160, 144), (158, 153), (385, 380), (387, 373))  # upper and lower eyelid

# Mean over twelve GRID speakers (deviations between them 0.003-0.008), made symmetric; rows as in _RIGID.
_TEMPLATE = np.array(
    [
        (-0.500, -0.025, 0.020),
        (-0.191, 0.025, -0.020),
        (0.191, 0.025, -0.020),
        (0.500, -0.025, 0.020),
        (0.000, 0.072, -0.215),
        (0.000, 0.174, -0.206),
        (0.000, 0.275, -0.207),
        (0.000, 0.375, -0.215),
    ]
)

LIP_FEATURES = 3 * len(LIPS + _NOSE + _EYE_CORNERS)
"""Width of `lip_features` without deltas: 144."""
FACE_FEATURES = 2 * len(_BROWS + _EYES + _MOUTH) + 4 + 7
"""Width of `face_features`: 75."""


class VisualError(DubbenchError):
    """A video without a usable face."""


@dataclass(frozen=True, slots=True)
class LandmarkTrack:
    """The landmarks of one face.

    Attributes:
        points: (F, 468, 3) x, y and z in pixels, all finite; frames without a face are interpolated.
        found: (F,) whether the face was found in that frame.
    """

    points: Floats
    found: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Normalised:
    """A track in normalised coordinates.

    Attributes:
        points: (F, 468, 3) in units of the distance between the outer eye corners.
        rotation: (F, 3) pitch, yaw and roll of the head in radians.
        position: (F, 3) the middle of the eye corners in pixels.
        size: (F,) the unit in pixels.
    """

    points: Floats
    rotation: Floats
    position: Floats
    size: Floats


def find_landmarks(frames: NDArray[np.uint8] | Pictures, where: str = "the video", least: float = 0.5) -> LandmarkTrack:
    """Landmarks of the one most prominent face, frame by frame (`dubbench.signal.face_mesh`).

    Frames without a face get points interpolated linearly in time, and those before the first and after the last
    found the nearest one's.

    Args:
        frames: (F, H, W, 3) RGB, or the same one after another.
        where: what to call the video in an error.
        least: the least share of frames in which a face must be found, 0 to 1.

    Raises:
        VisualError: no face in any frame, or in fewer than ``least`` of them.
        DubbenchError: mediapipe is not installed.
    """
    from dubbench.signal.face_mesh import find_face

    if isinstance(frames, np.ndarray) and (frames.ndim != 4 or frames.shape[3] != 3 or not len(frames)):
        raise VisualError(f"{where}: frames of shape {frames.shape}; expected (F, H, W, 3)")
    points = find_face(frames)
    found = np.asarray(np.isfinite(points[:, 0, 0]))
    if not found.any():
        raise VisualError(f"no face found in {where} ({len(found)} frames); dubbing needs a visible face")
    if found.mean() < least:
        raise VisualError(
            f"a face in only {int(found.sum())} of the {len(found)} frames of {where}; {least:.0%} must show one"
        )
    return LandmarkTrack(fill_gaps(points, found), found)


def fill_gaps(values: Floats, found: NDArray[np.bool_]) -> Floats:
    """(F, ...) with the rows that were not ``found`` (F,) interpolated linearly, or held at the ends."""
    if found.all():
        return values
    known = np.flatnonzero(found)
    return rows_at(values[known], np.interp(np.arange(len(found)), known, np.arange(len(known))))


def at_25(features: Reals, fps: float, count: int) -> Reals:
    """(F, D) at ``fps`` to (count, D) at 25 Hz, linear in time; the last value is held."""
    if len(features) == count and abs(fps - 25) < 0.01:
        return features
    return rows_at(features, np.arange(count) / 25 * fps)


def rows_at(values: Reals, at: NDArray[np.float64]) -> Reals:
    """(F, ...) read at places (N,) between its rows, linear and in its own precision; the last row is held."""
    at = np.minimum(at, len(values) - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(values) - 1)
    share = (at - low).reshape(-1, *[1] * (values.ndim - 1)).astype(values.dtype)
    return np.asarray(values[low] * (1 - share) + values[high] * share, values.dtype)


def normalise(track: LandmarkTrack) -> Normalised:
    """The track without the head's movement: the least-squares similarity of each frame onto the template (Umeyama
    1991), fitted on the points that speech does not move.
    """
    points = track.points.astype(np.float64)
    rigid = points[:, _RIGID]
    centre, origin = rigid.mean(1, keepdims=True), _TEMPLATE.mean(0)
    spread = rigid - centre
    u, values, vt = np.linalg.svd(np.einsum("fni,nj->fij", spread, _TEMPLATE - origin))
    signs = np.ones_like(values)
    signs[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * signs[:, None]) @ vt  # for row vectors: (picture) @ rotation is at rest
    scale = (values * signs).sum(1) / (spread**2).sum((1, 2))
    rest = scale[:, None, None] * ((points - centre) @ rotation) + origin
    position = centre[:, 0] - (rotation @ origin) / scale[:, None]
    x, y, z = rotation[:, 0], rotation[:, 1], rotation[:, 2]  # roll after yaw after pitch
    angles = np.stack([np.arctan2(z[:, 1], z[:, 2]), np.arcsin(-z[:, 0].clip(-1, 1)), np.arctan2(y[:, 0], x[:, 0])], 1)
    return Normalised(*(np.asarray(a, np.float32) for a in (rest, angles, position, 1 / scale)))


def lip_features(track: LandmarkTrack, deltas: bool = False) -> Floats:
    """(F, 144) x, y and z of the lips (40 points), the nose (4) and the eye corners (4), normalised.

    With ``deltas`` (F, 288): their change per frame (central differences) after them.
    """
    chosen = normalise(track).points[:, LIPS + _NOSE + _EYE_CORNERS].reshape(len(track.points), -1)
    if not deltas:
        return chosen
    change = np.gradient(chosen, axis=0) if len(chosen) > 1 else np.zeros_like(chosen)
    return np.concatenate([chosen, change], axis=1).astype(np.float32)


def face_features(track: LandmarkTrack) -> Floats:
    """(F, 75) the expression: x and y of brows (10 points), eyes (12) and mouth (10), normalised; how far each eyelid
    pair is open (4); pitch, yaw and roll (3); the head's place and log size relative to its mean in the clip (4).
    """
    head = normalise(track)
    shape = head.points[:, _BROWS + _EYES + _MOUTH, :2].reshape(len(head.points), -1)
    lids = np.stack([np.linalg.norm(head.points[:, a] - head.points[:, b], axis=1) for a, b in _LID_PAIRS], 1)
    unit = head.size.mean()
    place = (head.position - head.position.mean(0)) / unit
    return np.concatenate([shape, lids, head.rotation, place, np.log(head.size / unit)[:, None]], 1, dtype=np.float32)


def lip_aperture(track: LandmarkTrack) -> Floats:
    """(F,) distance between the inner edges of the lips in their middle, in units of the eyes' distance; >= 0."""
    points = normalise(track).points
    return np.asarray(np.linalg.norm(points[:, 13] - points[:, 14], axis=1), np.float32)


def mouth_crops(
    frames: NDArray[np.uint8] | Pictures, track: LandmarkTrack, size: int = 96, smooth: int = 12
) -> NDArray[np.uint8]:
    """(F, size, size) grey pictures of the mouth, upright and all of one scale: the side is 1.1 units.

    The crop follows the head, not the lips: its centre, angle and scale are averaged over ``smooth`` frames (96 x 96
    and 12 frames are what the field's LRW crops have). Where it reaches beyond the
    picture, the picture's edge is repeated.

    Raises:
        VisualError: the track is not of these frames.
    """
    from scipy.ndimage import uniform_filter1d

    from dubbench.errors import require

    if len(frames) != len(track.points):
        raise VisualError(f"{len(frames)} frames, but landmarks for {len(track.points)}")
    cv2 = require("cv2", "face", "cropping mouths")
    head = normalise(track)
    roll = np.unwrap(head.rotation[:, 2].astype(np.float64))
    centre = track.points[:, _OUTER_LIP, :2].mean(1)
    moves = np.concatenate([centre, roll[:, None], head.size[:, None]], 1).astype(np.float64)
    moves = uniform_filter1d(moves, max(1, smooth), axis=0, mode="nearest")
    crops = np.empty((len(frames), size, size), np.uint8)
    for index, (frame, (x, y, angle, unit)) in enumerate(zip(frames, moves, strict=True)):
        zoom = 1.1 * unit / size  # pixels of the picture a pixel of the crop
        c, s = zoom * np.cos(angle), zoom * np.sin(angle)
        middle = (size - 1) / 2
        inverse = np.array([[c, -s, x - middle * (c - s)], [s, c, y - middle * (s + c)]])
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if zoom > 1.5:  # warpAffine does not average over what it skips
            grey = cv2.GaussianBlur(grey, (0, 0), zoom / 3)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crops[index] = cv2.warpAffine(grey, inverse, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crops


def moving_span(track: LandmarkTrack, fps: float) -> tuple[float, float]:
    """When the lips move as in speech: (start, end) in seconds, 0 <= start < end <= F / fps.

    Activity of a frame is the geometric mean of how fast the lips change shape and how far they are open, each from
    its 15th percentile (rest) and relative to its 90th. The span is the run of frames with the largest sum of
    activity less 0.3 of its 90th percentile: stops stay inside, lone movements far from the rest do not count.

    Held against the word alignments of 60 GRID clips of s1: median error 175 ms at the start (that speaker opens his
    mouth to breathe in just before, and hardly opens it for "bin blue") and 45 ms at the end; against 30 clips of
    ``toon`` 60 and 21 ms.

    Raises:
        VisualError: the lips do not move at all.
    """
    from scipy.ndimage import gaussian_filter1d

    lips = gaussian_filter1d(normalise(track).points[:, LIPS, :2].astype(np.float64), 0.04 * fps, axis=0)
    if len(lips) < 2:
        raise VisualError("one frame cannot show lips that move")
    speed = np.linalg.norm(np.gradient(lips, axis=0), axis=2).mean(1)
    activity = np.sqrt(_from_rest(speed) * _from_rest(lip_aperture(track).astype(np.float64)))
    if not activity.any():
        raise VisualError("the lips do not move")
    start, end = heaviest_run(activity - 0.3 * np.percentile(activity, 90))
    return start / fps, end / fps


def _from_rest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(values - np.percentile(values, 15), 0.0)
    top = float(np.percentile(above, 90))
    return above / top if top > 1e-9 else np.zeros_like(above)


def heaviest_run(weights: NDArray[np.float64]) -> tuple[int, int]:
    """(start, end) of the half-open run of (F,) weights with the largest sum; at least one element (Kadane)."""
    total = np.concatenate([[0.0], np.cumsum(weights)])
    lowest = np.minimum.accumulate(total[:-1])
    end = int(np.argmax(total[1:] - lowest)) + 1
    start = int(np.argmin(total[:end]))
    return start, end
