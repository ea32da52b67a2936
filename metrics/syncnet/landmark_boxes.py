"""Face boxes without S3FD weights: the box around mediapipe's landmarks, moved to the place of S3FD's.

The box around the mesh ends at the hairline and the chin. In the one crop that SyncNet's authors published (their
``example.avi``) the detector's box must have been 160 pixels high with its top at the picture's edge; mediapipe's is
154 high and begins 8.5 pixels lower. So top and bottom are moved up by these shares of its height. Only the longer
side and the centre count afterwards. One face a picture, the most prominent one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.film import Pictures

Boxes = NDArray[np.float64]

RAISE_TOP = 0.055
RAISE_BOTTOM = 0.017


def landmark_boxes(pictures: Pictures) -> list[Boxes]:
    """For each of (H, W, 3) pictures, red green blue: (1, 4) left, top, right, bottom in pixels, or (0, 4).

    Raises:
        DubbenchError: mediapipe is not installed.
    """
    from dubbench.signal.face_mesh import find_face

    points = find_face(pictures)[..., :2].astype(np.float64)
    return [around(mesh) for mesh in points]


def around(mesh: NDArray[np.float64]) -> Boxes:
    """(1, 4) box of (P, 2) landmarks; (0, 4) where they are NaN."""
    if not np.isfinite(mesh).all():
        return np.empty((0, 4))
    (left, top), (right, bottom) = mesh.min(axis=0), mesh.max(axis=0)
    height = bottom - top
    return np.array([[left, top - RAISE_TOP * height, right, bottom - RAISE_BOTTOM * height]])
