"""From files to the model's inputs: pictures to features at 25 Hz, a reference to a speaker vector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError, MediaError
from dubbench.runtime.digests import digest

from .codec.base import RATE, Codec

FRAMES = 25.0
"""Hz of the visual features."""
SHORTEST, LONGEST = 1.6, 20.0
"""Seconds of reference that the speaker encoder gets: repeated up to the one, cut to the other."""
FAINT = 1e-4
"""A reference whose loudest sample is fainter has no voice in it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Visual:
    """What a video shows.

    Attributes:
        lips: (F, Dl) at 25 Hz, without deltas.
        face: (F, Df) at 25 Hz.
        duration: of the video in seconds.
    """

    lips: Floats
    face: Floats
    duration: float


def visual_features(video: Path, longest: float) -> Visual:
    """Landmark features of lips and face.

    Args:
        video: any rate of pictures, constant or not; features are interpolated to 25 Hz.
        longest: seconds; a longer video is refused before it is decoded.

    Raises:
        DubbenchError: unreadable, too long, no face, or mediapipe is not installed.
    """
    from dubbench.signal.clock import timeline
    from dubbench.signal.landmarks import at_25, face_features, lip_features
    from dubbench.signal.picture import Picture

    check_duration(timeline(video).duration, longest, video)
    picture = Picture(video, str(video))
    track, duration = picture.face, picture.duration
    count = max(1, round(duration * FRAMES))
    lips, face = (at_25(x, picture.fps, count) for x in (lip_features(track), face_features(track)))
    return Visual(lips, face, duration)


def check_duration(seconds: float, longest: float, where: Path) -> None:
    """Raise `DubbenchError` for a video that the model cannot take in one piece."""
    if seconds > longest:
        raise DubbenchError(
            f"{where}: {seconds:.1f} s are more than the model's limit of {longest:.1f} s; cut it into shorter clips"
        )


def read_features(path: Path, frames: int | None = None) -> Floats:
    """Visual features that the field shares as .npy, one row a frame at 25 Hz: LRW ResNet-18 (F, 512), EmoNet (F, 256).

    Args:
        path: of the file; axes of size 1 before the frames are dropped.
        frames: wanted length; up to two frames more or fewer are cut or the last one repeated.

    Raises:
        DubbenchError: unreadable, pickled, of another shape or length, or not finite.
    """
    try:
        x = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DubbenchError(f"{path}: not readable as a plain .npy file ({error})") from error
    x = x.reshape(x.shape[-2:]) if x.ndim > 2 and x.size == np.prod(x.shape[-2:]) else x
    if x.ndim != 2 or not len(x) or x.dtype.kind != "f":
        raise DubbenchError(f"{path}: {x.dtype} of shape {x.shape}; expected floats (frames, features)")
    if not np.isfinite(x).all():
        raise DubbenchError(f"{path}: has values that are not numbers")
    if frames is not None and len(x) != frames:
        if abs(len(x) - frames) > 2:
            raise DubbenchError(f"{path}: {len(x)} frames, but the clip has {frames} at 25 Hz")
        x = np.concatenate([x, x[-1:].repeat(2, 0)])[:frames]
    return np.asarray(x, np.float32)


def find_features(folder: Path, clip: str, speaker: str = "") -> Path:
    """The .npy file of a clip below ``folder``, as the field names them.

    ``<clip>.npy``, or a name that ends in ``-<clip>`` or in the clip without its speaker (``s1-face-bbaf2n.npy`` for
    ``s1-bbaf2n``); a name without the clip's whole id needs the speaker in it or in the folder's name, or to be the
    only ``bbaf2n.npy``.

    Raises:
        DubbenchError: none, or several.
    """
    speaker = speaker or clip.partition("-")[0]
    short = clip.removeprefix(f"{speaker}-")
    hits = [p for p in _npy_files(folder) if p.stem in (clip, short) or p.stem.endswith((f"-{clip}", f"-{short}"))]
    own = [p for p in hits if p.stem == clip or p.stem.startswith(f"{speaker}-") or p.parent.name == speaker]
    found = own or [p for p in hits if p.stem == short]
    if len(found) != 1:
        raise DubbenchError(f"{folder}: {len(found)} .npy files fit the clip {clip}; one is needed")
    return found[0]


@cache
def _npy_files(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(folder.rglob("*.npy")))


def npy_state(folder: Path) -> str:
    """Digest of the names, sizes and times of a folder's .npy files; their bytes would take minutes to read."""
    files = [(p.relative_to(folder).as_posix(), p.stat()) for p in _npy_files(folder)]
    return digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in files])[:16]


def speaker_vector(codec: Codec, reference: Path) -> Floats:
    """(256,) the voice of a recording, by the codec's speaker encoder.

    Raises:
        DubbenchError: unreadable, or no voice in it.
    """
    from dubbench.signal.media import read_audio

    return voice_of(codec, read_audio(reference, RATE), str(reference))


def voice_of(codec: Codec, samples: Floats, where: str = "the reference") -> Floats:
    """`speaker_vector` of (T,) samples at 16 kHz. Short sound is repeated, long sound cut to its first 20 s."""
    if not len(samples) or np.abs(samples).max() < FAINT:
        raise MediaError(f"{where}: silent, so there is no voice to follow; give a recording with speech")
    least = round(SHORTEST * RATE)
    if len(samples) < least:
        samples = np.tile(samples, -(-least // len(samples)))[:least]
    samples = samples[: round(LONGEST * RATE)]
    if codec.name == "world":  # the vector alone, without the analysis
        from dubbench.systems.diflowdubber.codec.world_streams import embed

        return embed(samples)
    return codec.encode(samples).speaker
