"""Face tracks, and the crops of them that SyncNet reads, both as its ``run_pipeline.py`` makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.metrics.syncnet.network import SIZE

Boxes = NDArray[np.float64]

MISSED = 25
"""Frames without the face that a track may span."""
OVERLAP = 0.5
"""Intersection over union above which two boxes are one face's."""
SMALLEST = 100.0
"""Pixels: the mean longer side of a track's boxes must be above."""
MARGIN = 0.40
"""Of half a box, by which the crop is wider to the left and right; twice that below."""
GREY = 110
SMOOTH = 13
"""Frames of the median that smooths a track; beyond its ends it sees zeros, as scipy's ``medfilt`` does."""


@dataclass(frozen=True, slots=True)
class Track:
    """One face from ``start`` on, ``boxes`` (F, 4) left, top, right, bottom in pixels, one a frame, gaps filled."""

    start: int
    boxes: Boxes

    @property
    def end(self) -> int:
        """One past the last frame."""
        return self.start + len(self.boxes)


def face_tracks(faces: Sequence[Boxes], first: int, shortest: int) -> list[Track]:
    """The tracks of one scene.

    Args:
        faces: for every frame of the scene (K, 4) boxes.
        first: number of the scene's first frame.
        shortest: a track needs more detections than that.
    """
    left = [[tuple(map(float, box)) for box in boxes] for boxes in faces]
    tracks = []
    while taken := _one_track(left):
        if len(taken) <= shortest:
            continue
        numbers = np.array([number for number, _ in taken])
        known = np.array([box for _, box in taken])
        every = np.arange(numbers[0], numbers[-1] + 1)
        boxes = np.stack([np.interp(every, numbers, known[:, side]) for side in range(4)], axis=1)
        if max(np.mean(boxes[:, 2] - boxes[:, 0]), np.mean(boxes[:, 3] - boxes[:, 1])) > SMALLEST:
            tracks.append(Track(first + int(numbers[0]), boxes))
    return tracks


def _one_track(left: list[list[tuple[float, ...]]]) -> list[tuple[int, tuple[float, ...]]]:
    """Take the next track's boxes out of ``left``. The original removes from a list while it walks along it, so that
    the face after one just taken is passed over; that decides which of several faces are joined, and is kept."""
    track: list[tuple[int, tuple[float, ...]]] = []
    for number, boxes in enumerate(left):
        at = 0
        while at < len(boxes):
            if track and number - track[-1][0] > MISSED:
                break
            if not track or overlap(boxes[at], track[-1][1]) > OVERLAP:
                track.append((number, boxes.pop(at)))
            at += 1
    return track


def overlap(one: Sequence[float], two: Sequence[float]) -> float:
    """Intersection over union of two boxes; 0 where both are empty."""
    wide = max(0.0, min(one[2], two[2]) - max(one[0], two[0]))
    high = max(0.0, min(one[3], two[3]) - max(one[1], two[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    union = areas - wide * high
    return wide * high / union if union else 0.0


def smooth(boxes: Boxes) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Half side, centre x and centre y of (F, 4) boxes, each (F,), by a running median of 13."""
    sides = np.maximum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]) / 2
    return _median(sides), _median((boxes[:, 0] + boxes[:, 2]) / 2), _median((boxes[:, 1] + boxes[:, 3]) / 2)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, SMOOTH // 2), SMOOTH)
    return np.asarray(np.median(windows, axis=1))


def crops(track: Track, pictures: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """(224, 224, 3) around the face for each of the track's (H, W, 3) pictures: from the box's top down to 0.8 of half
    a box below it, and 0.4 of that to either side.

    Raises:
        ValueError: a box without extent: the median of a track of 6 frames is zero.
    """
    import cv2

    for half, x, y, picture in zip(*smooth(track.boxes), pictures, strict=True):
        border = int(half * (1 + 2 * MARGIN))
        height, width = picture.shape[:2]
        padded = np.full((height + 2 * border, width + 2 * border, 3), GREY, np.uint8)
        padded[border : border + height, border : border + width] = picture
        x, y = x + border, y + border
        rows = slice(int(y - half), int(y + half * (1 + 2 * MARGIN)))
        columns = slice(int(x - half * (1 + MARGIN)), int(x + half * (1 + MARGIN)))
        face = padded[rows, columns] if min(rows.start, columns.start) >= 0 else padded[:0]
        if not face.size:
            raise ValueError("a face of no size, or outside of the picture")
        yield cv2.resize(face, (SIZE, SIZE))
