"""Input features of these systems, made once for all of them in place of pictures and sound.

Kept by the digest of the file that it was made from (`dubbench.runtime.store`), so that no two systems compute one
feature twice. Lip and face features come from a feature pack of the authors' (``features=FOLDER``); with
``weights=random`` they are random numbers of the right shape, the same for the same video.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.request import DubRequest
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.provenance import versions
from dubbench.runtime.store import kept

from .recipe import Feature, Recipe

RATE = 25.0
"""Hz of lips and face."""
SIZES = {"lips": 512, "face": 256}
"""Width of a frame: LRW ResNet-18's last layer, EmoNet's."""
SLACK = 3
"""Frames that a pack's feature may have more or fewer than the video; the last one is repeated, the excess is cut."""

Floats = NDArray[np.float32]


def frames_of(request: DubRequest) -> int:
    """Frames at 25 Hz of a clip's video."""
    return max(1, round(request.duration * RATE))


def voice(reference: Path) -> Floats:
    """(256,) unit vector of GE2E (Resemblyzer) for a reference wav.

    Raises:
        DubbenchError: Resemblyzer is not installed, or there is no voice in it.
    """
    version = versions("Resemblyzer", extra="metrics")["Resemblyzer"]

    def make() -> Floats:
        from dubbench.signal.media import read_audio
        from dubbench.signal.voice_encoder import resemblyzer, voice_encoder

        samples = resemblyzer("metrics", "the reference's speaker vector").preprocess_wav(read_audio(reference))
        if len(samples) < 1600:
            raise DubbenchError("the reference has no voice in it; give another one")
        return np.asarray(voice_encoder().embed_utterance(samples), np.float32)

    return np.asarray(kept("ge2e", version, file_digest(reference), make), np.float32)


def from_pack(feature: Feature, pack: Path, request: DubRequest) -> Floats:
    """(T, width) of a feature pack.

    Raises:
        DubbenchError: no file by any of the authors' names, or one of another shape.
    """
    speaker, _, name = request.clip.partition("-")
    tried = [pack / f.format(id=request.clip, speaker=speaker, name=name or speaker) for f in feature.files]
    path = next((path for path in tried if path.is_file()), None)
    if path is None:
        raise DubbenchError(f"no {feature.name} features: {tried[0]} is not there")
    return fit(_read(path), frames_of(request), SIZES[feature.name], path)


def _read(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DubbenchError(f"{path}: not readable as an array ({error})") from error
    return np.asarray(array).squeeze()


def fit(array: NDArray[Any], frames: int, width: int, where: Path) -> Floats:
    """``array`` with as many frames as the video.

    Raises:
        DubbenchError: another width, more than `SLACK` frames too many or too few, or numbers that are not finite.
    """
    if array.ndim != 2 or array.shape[1] != width or abs(len(array) - frames) > SLACK:
        raise DubbenchError(f"{where}: shape {array.shape}; expected ({frames}, {width}) for this video")
    if not np.isfinite(array).all():
        raise DubbenchError(f"{where}: NaN or Inf in it")
    more = np.repeat(array[-1:], max(0, frames - len(array)), axis=0)
    return np.asarray(np.concatenate([array[:frames], more]), np.float32)


def random_frames(name: str, request: DubRequest) -> Floats:
    """(T, width) random numbers, from the video's bytes alone."""
    content = file_digest(request.video)
    frames = frames_of(request)

    def make() -> Floats:
        rng = np.random.default_rng(int(digest([name, content])[:16], 16))
        return rng.standard_normal((frames, SIZES[name])).astype(np.float32)

    return np.asarray(kept(f"random-{name}", f"{frames}", content, make), np.float32)


def gather(recipe: Recipe, request: DubRequest, pack: Path | None, random: bool) -> Mapping[str, Floats]:
    """All features that a system reads of one clip.

    Raises:
        DubbenchError: one is missing; it names the file that is expected.
    """
    found: dict[str, Floats] = {}
    for feature in recipe.features:
        if feature.name == "voice":
            found["voice"] = voice(request.reference)
        elif pack is not None:
            found[feature.name] = from_pack(feature, pack, request)
        elif random:
            found[feature.name] = random_frames(feature.name, request)
        else:
            raise DubbenchError(
                f"no {feature.name} features for {request.clip}: give the authors' pack with features=FOLDER "
                f"(FOLDER/{feature.files[0].format(id='ID', speaker='SPEAKER', name='NAME')})"
            )
    return found
