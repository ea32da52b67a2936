"""From a video to face crops, once a clip; from a dub and those crops to numbers, once a dub."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dubbench.metrics.syncnet import pictures
from dubbench.metrics.syncnet.distance import Sync, sync
from dubbench.metrics.syncnet.mfcc import mfcc
from dubbench.metrics.syncnet.network import SPAN, Embedder
from dubbench.metrics.syncnet.s3fd import Detector
from dubbench.metrics.syncnet.scenes import scenes
from dubbench.metrics.syncnet.tracks import Boxes, crops, face_tracks

PER_FRAME = 640
"""Samples at 16 kHz."""
LEAST = SPAN + 1
"""Frames that picture and sound must share: the original leaves out the last possible window."""
_WINDOW = 3440  # samples that a window of 20 cepstra hears: 19 steps of 160, and 400
_BLOCK = 64  # windows at a time, so that an hour of film needs no gigabytes

Number = TypeVar("Number", bound=np.generic)
FindFaces = Callable[[Sequence[bytes]], list[Boxes]]


@dataclass(frozen=True, slots=True)
class Lips:
    """One face track as SyncNet sees it: its first frame, its number of frames, and (frames - 5, 1024) embeddings."""

    start: int
    frames: int
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to see in a clip.

    Attributes:
        tracks: face tracks that can be compared with sound, in the order of the original's output lines.
        frames: of the video at 25 a second.
        seen: frames with at least one face.
        problem: why there is no track; empty if there is one.
        uncropped: further tracks, of which no crop can be cut (6 frames are too short to be smoothed).
    """

    tracks: tuple[Lips, ...]
    frames: int
    seen: int
    problem: str = ""
    uncropped: int = 0


def look(path: Path, embedder: Embedder, find_faces: FindFaces, shortest: int) -> Look:
    """All face tracks of a video, through detection, scenes, tracking and cropping.

    Args:
        shortest: a scene needs at least, a track more than so many frames.

    Raises:
        MediaError: the video cannot be read.
    """
    jpegs = list(pictures.jpegs(path))
    faces = find_faces(jpegs)
    found = []
    for first, end in scenes(map(pictures.decoded, jpegs)):
        if end - first >= shortest:
            found += face_tracks(faces[first:end], first, shortest)
    tracks = []
    for track in found:
        if len(track.boxes) < LEAST:
            continue
        cut = crops(track, map(pictures.decoded, jpegs[track.start : track.end]))
        try:
            embeddings = embed(pictures.through_film(cut), embedder)
        except ValueError:  # a box without extent; the original stops there with an error
            continue
        tracks.append(Lips(track.start, len(track.boxes), embeddings))
    seen = sum(1 for boxes in faces if len(boxes))
    problem = "" if tracks else _why(seen, len(jpegs), len(found), shortest)
    return Look(tuple(tracks), len(jpegs), seen, problem, len(found) - len(tracks))


def look_direct(path: Path, embedder: Embedder) -> Look:
    """A video that is one cropped face from beginning to end.

    Raises:
        MediaError: the video cannot be read.
    """
    counted: list[int] = []

    def counting() -> Iterator[NDArray[np.uint8]]:
        for picture in pictures.direct(path):
            counted.append(1)
            yield picture

    embeddings = embed(counting(), embedder)
    count = len(counted)
    if count < LEAST:
        return Look((), count, count, f"the video has {count} frames at 25 a second; SyncNet needs {LEAST}")
    return Look((Lips(0, count, embeddings),), count, count)


def _why(seen: int, frames: int, found: int, shortest: int) -> str:
    if frames < LEAST:
        return f"the video has {frames} frames at 25 a second; SyncNet needs {LEAST}"
    if not seen:
        return f"no face found in any of the video's {frames} frames"
    if found:
        return "every face track is too short to be smoothed and cropped (7 frames are needed)"
    return (
        f"no face track of more than {shortest} detections and 100 px ({seen} of {frames} frames show a face): "
        "the faces are too small, or seen too seldom"
    )


def embed(crops_of_a_track: Iterable[NDArray[np.uint8]], embedder: Embedder) -> NDArray[np.float32]:
    """(F - 5, 1024) lips of F crops, all windows but the last; (0, 1024) of 5 and fewer."""
    source = iter(crops_of_a_track)
    held = list(islice(source, SPAN - 1 + _BLOCK))
    rows = []
    while len(held) >= SPAN:
        rows.append(embedder.lips(np.stack(held)))
        held = held[-(SPAN - 1) :] + list(islice(source, _BLOCK))
    every = np.concatenate(rows) if rows else np.empty((0, 1024), np.float32)
    return every[:-1]


def heard(lips: Lips, samples: NDArray[Number]) -> NDArray[Number]:
    """What of a dub's (T,) samples at 16 kHz on the video's clock is compared with a track; (0,) where they share fewer
    than 6 frames. Sound beyond the track is cut, and where the sound ends first the track ends with it."""
    under = samples[PER_FRAME * lips.start : PER_FRAME * (lips.start + lips.frames)]
    count = min(lips.frames, len(under) // PER_FRAME) - SPAN
    return under[: PER_FRAME * (count - 1) + _WINDOW] if count > 0 else under[:0]


def compare(lips: Lips, pcm: NDArray[np.int16], embedder: Embedder) -> Sync | None:
    """One track against a dub's 16-bit samples at 16 kHz on the video's clock; None where they share fewer than 6
    frames (`heard`)."""
    sound = heard(lips, pcm)
    if not len(sound):
        return None
    count = (len(sound) - _WINDOW) // PER_FRAME + 1
    return sync(lips.embeddings[:count], embedder.sound(mfcc(sound), count))


def s3fd_faces(detector: Detector) -> FindFaces:
    """A detector as `look` wants it."""

    def find(jpegs: Sequence[bytes]) -> list[Boxes]:
        batches = (jpegs[at : at + detector.batch] for at in range(0, len(jpegs), detector.batch))
        return [boxes for batch in batches for boxes in detector([pictures.decoded(j) for j in batch])]

    return find


def mediapipe_faces(jpegs: Sequence[bytes]) -> list[Boxes]:
    """Mediapipe's faces as `look` wants them."""
    from dubbench.metrics.syncnet.landmark_boxes import landmark_boxes

    return landmark_boxes(_Decoded(jpegs))


class _Decoded:
    """JPEGs as RGB pictures, each decoded when it is looked at."""

    def __init__(self, jpegs: Sequence[bytes]) -> None:
        self._jpegs = jpegs

    def __len__(self) -> int:
        return len(self._jpegs)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (np.ascontiguousarray(pictures.decoded(jpeg)[..., ::-1]) for jpeg in self._jpegs)

    def __reversed__(self) -> Iterator[NDArray[np.uint8]]:
        return iter(_Decoded(self._jpegs[::-1]))
