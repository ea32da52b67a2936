"""Scene cuts of a video: PySceneDetect 0.5.1's content detector with its defaults, the version that SyncNet's pipeline
was published with.

A cut is where the mean absolute change of hue, saturation and value (OpenCV's 8-bit scales, on every n-th pixel) from
one picture to the next reaches 30, at least 15 frames after the cut before.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 30.0
SHORTEST = 15
_STEPS = ((3200, 12), (2100, 8), (1700, 6), (1200, 5), (900, 4), (600, 3), (400, 2))  # width from which on, every n-th


def scenes(pictures: Iterable[NDArray[np.uint8]]) -> list[tuple[int, int]]:
    """First frame and one past the last of every scene of (H, W, 3) pictures, blue green red; they cover them all."""
    import cv2

    cuts: list[int] = []
    before: NDArray[np.int16] | None = None
    count = 0
    for picture in pictures:
        step = next((n for width, n in _STEPS if picture.shape[1] >= width), 1)
        now = cv2.cvtColor(np.ascontiguousarray(picture[::step, ::step]), cv2.COLOR_BGR2HSV).astype(np.int16)
        if (
            before is not None
            and np.abs(now - before).mean() >= THRESHOLD
            and (not cuts or count - cuts[-1] >= SHORTEST)
        ):
            cuts.append(count)
        before = now
        count += 1
    edges = [0, *cuts, count]
    return list(itertools.pairwise(edges)) if count else []
