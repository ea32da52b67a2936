"""Clips for the training of the expert: lips from feature caches, sound from the data sets, windows of both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError
from dubbench.signal.landmarks import LIP_FEATURES
from dubbench.signal.media import read_audio

from .curve import REACH
from .signals import BANDS, LIP_WIDTH, PER_FRAME, SPEECH_DB, Floats, framed, lip_input, mel, mel_input, sounded


@dataclass(frozen=True, eq=False)
class Seen:
    """One clip.

    Attributes:
        clip, dataset, speaker: whose.
        lips: (F, 71) from `lip_input`.
        power: (N, 32) mel power, N about 4 F.
        level: of the sound in dB.
    """

    clip: str
    dataset: str
    speaker: str
    lips: Floats
    power: Floats
    level: float


@dataclass(frozen=True)
class Corpus:
    """Clips to train on.

    Attributes:
        clips: all of them.
        problems: a line for each clip that could not be used.
        digests: data set and split -> sha256 over the ids and landmarks of its clips; codec and texts, which the
            files hold too, have no part in it.
        licences: data set -> its licence and whom to cite.
    """

    clips: list[Seen]
    problems: list[str]
    digests: dict[str, str]
    licences: dict[str, str]


def read_clips(caches: Sequence[Path], roots: Mapping[str, Path], speakers: Mapping[str, Sequence[str]]) -> Corpus:
    """Every clip of the caches with its sound.

    Args:
        caches: files of ``dubbench train features`` with landmarks.
        roots: data set -> where it lies.
        speakers: data set -> the only speakers to take.

    Raises:
        DubbenchError: a cache that cannot be read or has no landmarks, or no clip.
    """
    from dubbench.datasets.roots import open_dataset
    from dubbench.runtime.progress import progress
    from dubbench.training.features import Cache

    corpus = Corpus([], [], {}, {})
    for path in caches:
        cache = Cache.load(path)
        if cache.info.visual != "landmarks":
            raise DubbenchError(f"{path}: its visual features are {cache.info.visual!r}; the expert reads landmarks")
        name = cache.info.dataset
        data = open_dataset(name, dict(roots))
        clips = {clip.id: clip for clip in data.clips()}
        only = set(speakers.get(name, ()))
        rows = [i for i, row in enumerate(cache.info.clips) if not only or row[1] in only]
        seen = hashlib.sha256()
        with progress(f"sound of {name}", len(rows)) as advance:
            for i in rows:
                features = cache[i]
                assert features.lips is not None
                try:
                    corpus.clips.append(_with_sound(name, features.clip, features.lips, clips.get(features.clip)))
                except DubbenchError as error:
                    corpus.problems.append(f"{features.clip}: {error}")
                    advance(True)
                    continue
                seen.update(features.clip.encode() + np.ascontiguousarray(features.lips[:, :LIP_FEATURES]).tobytes())
                advance()
        corpus.digests[f"{name} {cache.info.split}"] = seen.hexdigest()
        corpus.licences[name] = "; ".join(filter(None, [data.info.licence, data.info.citation]))
    if not corpus.clips:
        raise DubbenchError("; ".join(["no clip to train the sync expert on", *corpus.problems[:1]]))
    return corpus


def _with_sound(dataset: str, name: str, lips: Floats, clip: Clip | None) -> Seen:
    if clip is None or clip.audio is None:
        raise DubbenchError("its sound is not in the data set")
    heard = mel(read_audio(clip.audio))
    if not heard.speech:
        raise DubbenchError("no speech in it")
    seen = lip_input(lips)
    return Seen(name, dataset, clip.speaker, seen, heard.power[: len(seen) * PER_FRAME], heard.level)


def window(clip: Seen, length: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A window of ``length`` frames whose middle lies in speech, made another's by chance.

    Returns:
        lips (length + 10, 71), and log-mels of the same frames and 15 more on both sides (4 (length + 30) + 36, 32).
    """
    frames = len(clip.lips)
    x = mel_input(_other_voice(clip, rng), clip.level)
    total = 10 * np.log10(clip.power.sum(1) + 1e-14)
    loud = np.flatnonzero(total > clip.level - SPEECH_DB) // PER_FRAME
    middle = int(rng.choice(loud)) if len(loud) else frames // 2
    start = int(np.clip(middle - int(rng.integers(0, length)), min(0, frames - length), max(0, frames - length)))
    return _other_face(framed(clip.lips, start, length), rng), sounded(x, start - REACH, length + 2 * REACH)


def _other_voice(clip: Seen, rng: np.random.Generator) -> Floats:
    """The clip's power with another vocal tract (frequencies stretched), another dynamic and another noise floor."""
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    at = np.clip(np.arange(BANDS) * stretch, 0, BANDS - 1.001)
    low = at.astype(int)
    share = (at - low).astype(np.float32)
    power = clip.power[:, low] * (1 - share) + clip.power[:, low + 1] * share
    top = 10 ** (clip.level / 10)
    power = top * (power / top) ** np.float32(rng.uniform(0.8, 1.25))
    depth = rng.uniform(12, 60)
    slope = np.exp(rng.normal(0, 0.1) * (np.arange(BANDS) - BANDS / 2))
    noise = top / BANDS * 10 ** (-depth / 10) * slope / slope.mean()
    return np.asarray(power + noise * rng.gamma(4, 0.25, power.shape), np.float32)


def _other_face(lips: Floats, rng: np.random.Generator) -> Floats:
    """The lips moving more or less, mixed a little by chance, with noise."""
    mixed = np.eye(LIP_WIDTH) * rng.uniform(0.7, 1.4) + rng.normal(0, 0.15 / np.sqrt(LIP_WIDTH), (LIP_WIDTH, LIP_WIDTH))
    shaky: NDArray[np.float64] = rng.normal(0, rng.uniform(0, 0.15), lips.shape)
    return np.asarray(lips @ mixed + shaky, np.float32)
