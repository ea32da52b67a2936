"""Making of features: each clip in a process of its own, finished clips are kept, failed ones are listed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dubbench.datasets.base import Dataset
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import digest
from dubbench.runtime.files import atomic
from dubbench.runtime.progress import progress
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import RATE, read_audio
from dubbench.training.features import VERSION, Cache, CacheInfo, Features, pack

from .codec.base import HOP, Codec, frames_of
from .codecs import open_codec
from .config import Config
from .frontend import FRAMES, find_features, read_features, visual_features
from .timing import Hints, align

NO_HINTS = Hints()


@dataclass(frozen=True)
class Source:
    """One utterance to make features of.

    Attributes:
        clip, speaker, text: as in `dubbench.core.clip.Clip`.
        audio: its speech; on the video's clock where there is a video.
        video: None for speech alone.
        lips, face: folders of .npy features of the videos.
        hints: where the timing may come from.
    """

    clip: str
    speaker: str
    text: str
    audio: Path
    video: Path | None = None
    lips: Path | None = None
    face: Path | None = None
    hints: Hints = NO_HINTS


@dataclass(frozen=True)
class Recipe:
    """What all clips of a cache have in common.

    Attributes:
        dataset, split: for the cache's own account.
        codec: as `open_codec` takes it.
        codec_digest: of that codec.
        visual: ``landmarks``, ``npy`` or ``none``.
        config: rates and the limit of length.
    """

    dataset: str
    split: str
    codec: str
    codec_digest: str
    visual: str
    config: Config


def dataset_sources(
    dataset: Dataset,
    clips: Sequence[Any],
    textgrids: Path | None = None,
    lips: Path | None = None,
    face: Path | None = None,
) -> list[Source]:
    """Sources of a data set's ``clips``; those without speech are left to fail with a reason.

    Args:
        textgrids: folder of MFA's TextGrids; the one named after the clip, or after its video, is taken.
        lips: folder of .npy lip features (`find_features`).
        face: folder of .npy face features.
    """
    grids = {p.stem: p for p in sorted(textgrids.rglob("*.TextGrid"))} if textgrids else {}
    words = getattr(dataset, "alignment", lambda clip: None)
    sources = []
    for clip in clips:
        grid = grids.get(clip.id) or grids.get(clip.video.stem)
        hints = Hints(clip.phones, grid, words(clip))
        sources.append(
            Source(clip.id, clip.speaker, clip.text, clip.audio or clip.video, clip.video, lips, face, hints)
        )
    return sources


@dataclass(frozen=True)
class _Task:
    source: Source
    recipe: Recipe
    part: Path


def make_cache(
    sources: Sequence[Source], recipe: Recipe, path: Path, workers: int, timeout: float = 300.0
) -> tuple[Cache, list[str]]:
    """Features of all ``sources`` at ``path``; a cache of the same clips and recipe there is kept.

    Every clip's features are written when they are done, to a folder beside ``path`` that goes away at the end: given
    again after an interruption, it goes on where it was.

    Returns:
        the cache, and one line for each clip that failed (also in ``info.problems``).

    Raises:
        DubbenchError: not one clip could be done.
    """
    wanted = _key(recipe, sources)
    marker = path.with_name(f"{path.name}.key")
    if path.is_file() and marker.is_file() and marker.read_text("utf-8") == wanted:
        cached = Cache.load(path)
        return cached, [f"{clip}: {why}" for clip, why in cached.info.problems.items()]
    folder = path.with_name(f"{path.name}.parts")
    folder.mkdir(parents=True, exist_ok=True)
    tasks = [_Task(source, recipe, folder / f"{_key(recipe, [source])[:32]}.npz") for source in sources]
    left = [task for task in tasks if not task.part.is_file()]
    problems: dict[str, str] = {}
    with progress(f"features of {recipe.dataset} {recipe.split}", len(left)) as advance:
        for task, result in each(_extract, left, workers=workers, timeout=timeout):
            reason = result.reason if isinstance(result, Crash) else result
            if reason:
                problems[task.source.clip] = reason
            advance(bool(reason))
    done = [_read(task) for task in tasks if task.part.is_file()]
    info = CacheInfo(
        recipe.dataset,
        recipe.split,
        recipe.codec,
        recipe.codec_digest,
        recipe.visual,
        problems=dict(sorted(problems.items())),
    )
    made = pack(done, replace(info, codec=_codec(recipe.codec).name))
    made.save(path)
    with atomic(marker) as temporary:
        temporary.write_text(wanted, "utf-8")
    shutil.rmtree(folder)
    return made, [f"{clip}: {why}" for clip, why in made.info.problems.items()]


def _key(recipe: Recipe, sources: Sequence[Source]) -> str:
    """Everything that may change the features; files by size and time of change."""
    rates = (recipe.config.token_rate, recipe.config.frame_rate, recipe.config.max_length)
    rows = [
        [s.clip, s.speaker, s.text, [_stat(p) for p in (s.audio, s.video, s.lips, s.face, *_paths(s.hints))]]
        for s in sources
    ]
    return digest([VERSION, recipe.codec_digest, recipe.visual, rates, rows])


def _paths(hints: Hints) -> list[Path | None]:
    return [getattr(hints, f.name) for f in fields(hints)]


def _stat(path: Path | None) -> list[Any] | None:
    if path is None or not path.is_file():
        return None if path is None else [str(path)]
    about = path.stat()
    return [str(path), about.st_size, about.st_mtime_ns]


@cache
def _codec(spec: str) -> Codec:
    return open_codec(spec)


def _extract(task: _Task) -> str:
    """In a process of its own: write the part; the reason if that cannot be."""
    try:
        found = extract(task.source, _codec(task.recipe.codec), task.recipe)
    except DubbenchError as error:
        return " ".join(str(error).split())
    arrays: dict[str, Any] = {k: v for k, v in asdict(found).items() if isinstance(v, np.ndarray)}
    with atomic(task.part) as temporary, temporary.open("wb") as file:
        np.savez(file, aligned=np.array(found.aligned), **arrays)
    return ""


def _read(task: _Task) -> Features:
    with np.load(task.part, allow_pickle=False) as part:
        arrays = {name: part[name] for name in part.files if name != "aligned"}
        return Features(task.source.clip, task.source.speaker, task.source.text, str(part["aligned"]), **arrays)


def extract(source: Source, codec: Codec, recipe: Recipe) -> Features:
    """Features of one utterance.

    The sound is cut or padded with zeros to the tokens that the video's frames stand for, or to whole tokens.

    Raises:
        DubbenchError: anything about the clip that cannot be used.
    """
    from .text import phone_ids

    config = recipe.config
    samples = read_audio(source.audio, RATE)
    lips = face = None
    if recipe.visual == "none":
        length = frames_of(len(samples))
    else:
        lips, face = _visual(source, recipe)
        length = config.tokens(len(lips))
    if length > config.max_length:
        raise DubbenchError(f"{length / config.token_rate:.1f} s are more than the limit of {config.seconds:.1f} s")
    samples = np.pad(samples[: length * HOP], (0, max(0, length * HOP - len(samples))))
    phones, durations, aligned = align(samples, source.text, length * HOP / RATE, source.hints)
    tokens = codec.encode(samples)
    return Features(
        clip=source.clip,
        speaker=source.speaker,
        text=source.text,
        aligned=aligned,
        tokens=tokens.stacked.astype(np.int16),
        phonemes=phone_ids(phones).astype(np.uint8),
        durations=durations,
        voice=tokens.speaker,
        lips=lips,
        face=face,
    )


def _visual(source: Source, recipe: Recipe) -> tuple[Any, Any]:
    if source.video is None:
        raise DubbenchError("there is no video; use --visual none")
    if recipe.visual == "landmarks":
        seen = visual_features(source.video, recipe.config.seconds)
        return seen.lips, seen.face
    if source.lips is None or source.face is None:
        raise DubbenchError("no folders of .npy features of lips and face were given")
    from dubbench.signal.media import probe

    frames = max(1, round(probe(source.video).duration * FRAMES))
    found = (find_features(folder, source.clip, source.speaker) for folder in (source.lips, source.face))
    lips, face = (read_features(path, frames) for path in found)
    return lips, face
