"""Face detection frame by frame: mediapipe's face mesh (its models are in the wheel, nothing is downloaded)."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import require
from dubbench.signal.film import Chosen, Pictures

POINTS = 468
"""Landmarks of a face: mediapipe's mesh without the irises."""

_SETTLE = 5  # tracking moves the landmarks by up to 2 px on the frames after a detection
_PROBES = 12  # frames in which a small face is looked for
_MARGIN = 1.0  # of the face's box, on each side of it


def find_face(frames: NDArray[np.uint8] | Pictures) -> NDArray[np.float32]:
    """Landmarks of the one most prominent face.

    Attention mesh (its lips return to the same closed shape, those of the plain mesh do not) in tracking mode, created
    anew for each clip, so that a clip's result depends on that clip alone. Frames in which the face was not found
    going forward are tried again going backward. Where that leaves most frames empty, the face may be too small for
    the mesh's detector (less than about a sixth of the picture): mediapipe's full-range detector finds it, and the
    mesh is tried again on the crop.

    Args:
        frames: (F, H, W, 3) RGB, or the same one after another.

    Returns:
        (F, 468, 3) x, y and z in pixels (z has x's scale and is negative towards the camera); NaN where no face was
        found.

    Raises:
        DubbenchError: mediapipe is not installed.
    """
    if isinstance(frames, np.ndarray):
        frames = list(frames)
    with _quiet():
        solutions = require("mediapipe", "face", "finding lips and face").solutions
        points = _mesh(solutions, frames)
        if np.isfinite(points[:, 0, 0]).mean() < 0.5:
            box = _distant_face(solutions, frames)
            if box is not None:
                left, top, _, _ = box
                near = _mesh(solutions, Chosen(frames, box=box))
                if np.isfinite(near).sum() > np.isfinite(points).sum():
                    points = near + np.array([left, top, 0], np.float32)
    return points


def _mesh(solutions: Any, frames: Pictures) -> NDArray[np.float32]:
    """(F, 468, 3) in pixels of these frames, NaN where nothing was found."""
    nothing = np.full((POINTS, 3), np.nan, np.float32)
    with solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True) as mesh:

        def look(frame: NDArray[np.uint8]) -> NDArray[np.float32] | None:
            faces = mesh.process(frame).multi_face_landmarks
            if not faces:
                return None
            found = np.array([(p.x, p.y, p.z) for p in faces[0].landmark[:POINTS]], np.float32)
            height, width = frame.shape[:2]
            return found * np.array([width, height, width], np.float32)

        def follow(sequence: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
            tracking = False
            for frame in sequence:
                found = look(frame)
                if found is not None and not tracking:
                    for _ in range(_SETTLE):
                        found = look(frame)
                tracking = found is not None
                yield nothing if found is None else found

        points = np.stack(list(follow(frames)))
        empty = ~np.isfinite(points[:, 0, 0])
        if empty.any() and not empty.all():
            back = np.stack(list(follow(reversed(frames))))[::-1]
            points[empty] = back[empty]
    return points


def count_faces(frames: NDArray[np.uint8] | Pictures) -> int:
    """How many faces are seen at once in most of some pictures (median), by mediapipe's full-range detector.

    Raises:
        DubbenchError: mediapipe is not installed.
    """
    if isinstance(frames, np.ndarray):
        frames = list(frames)
    with _quiet():
        solutions = require("mediapipe", "face", "finding faces").solutions
        return int(np.median([len(boxes) for boxes in _boxes(solutions, frames)]))


def _boxes(solutions: Any, frames: Pictures) -> list[list[tuple[float, float, float, float]]]:
    """left, top, width and height, in pixels, of the faces in each of some pictures."""
    probes = set(np.linspace(0, len(frames) - 1, _PROBES).astype(int).tolist())
    found = []
    with solutions.face_detection.FaceDetection(model_selection=1) as detector:
        for index, frame in enumerate(frames):
            if index in probes:
                height, width = frame.shape[:2]
                faces = detector.process(frame).detections or ()
                boxes = [f.location_data.relative_bounding_box for f in faces]
                found.append([(b.xmin * width, b.ymin * height, b.width * width, b.height * height) for b in boxes])
    return found


def _distant_face(solutions: Any, frames: Pictures) -> tuple[int, int, int, int] | None:
    """left, top, right, bottom in pixels around a small face (median over some frames), with a margin."""
    height, width = next(iter(frames)).shape[:2]
    found = [boxes[0] for boxes in _boxes(solutions, frames) if boxes]
    if not found:
        return None
    x, y, w, h = np.median(np.array(found), axis=0)
    side = max(w, h)
    left, top = max(0, int(x - _MARGIN * side)), max(0, int(y - _MARGIN * side))
    right, bottom = min(width, int(x + w + _MARGIN * side)), min(height, int(y + h + _MARGIN * side))
    return (left, top, right, bottom) if right - left > 8 and bottom - top > 8 else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what TFLite and absl write to the process's stderr off the terminal; shown after all if the block fails."""
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    sink: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after stderr is back
    os.dup2(sink.fileno(), 2)
    failed = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # protobuf's, on its own deprecations
            yield
    except BaseException:
        failed = True
        raise
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        if failed:
            sink.seek(0)
            os.write(2, sink.read())
        sink.close()
