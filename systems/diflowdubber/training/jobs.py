"""The work behind the training verbs: features of data sets, and a codec fitted on them."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dubbench.datasets.base import Dataset
from dubbench.datasets.roots import open_dataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.codec.world import WorldCodec
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.making import Recipe, Source, dataset_sources, make_cache
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.training.features import hold_out

__all__ = ["features_of", "fit_codec", "make_features", "open_dataset", "recordings", "sources_of"]


def sources_of(
    data: Dataset,
    split: str,
    limit: int | None = None,
    textgrids: Path | None = None,
    lips: Path | None = None,
    face: Path | None = None,
) -> list[Source]:
    """The clips of a split as sources of features; where the split comes from is said on standard error."""
    chosen = select(data, split, limit)
    if chosen.note:
        print(chosen.note, file=sys.stderr)
    return dataset_sources(data, chosen.clips, textgrids, lips, face)


def make_features(
    name: str, split: str, sources: list[Source], out: Path, codec: str, visual: str, workers: int, timeout: float
) -> list[str]:
    """Make a cache, say how it went, and return a line for each clip that failed.

    Raises:
        DubbenchError: unknown kind of visual features, no such codec, or not one clip could be done.
    """
    if visual not in ("landmarks", "npy", "none"):
        raise DubbenchError(f"no visual features {visual!r}; there are landmarks, npy and none")
    recipe = Recipe(name, Path(split).stem, codec, open_codec(codec).digest, visual, configuration("paper"))
    made, problems = make_cache(sources, recipe, out, workers or os.cpu_count() or 1, timeout)
    size = out.stat().st_size / 2**20
    aligned = Counter(row[3] for row in made.info.clips)
    timed = ", ".join(f"{name} {count}" for name, count in sorted(aligned.items()))
    told = (
        f"{out}: {len(made)} clips (phones in time: {timed}), {len(problems)} failed, {size:.1f} MiB, "
        f"sha256 {made.digest[:12]}"
    )
    print("\n".join([*problems, told]), file=sys.stderr)
    return problems


def features_of(name: str, roots: dict[str, Path], split: str, codec: str, workers: int) -> Path:
    """Features of a data set in dubbench's own cache, made if they are not there."""
    from dubbench.runtime.cache_dir import cache_dir
    from dubbench.runtime.digests import digest

    data = open_dataset(name, roots)
    key = digest([str(data.root), split, open_codec(codec).digest])[:12]
    path = cache_dir() / "features" / f"{name}-{Path(split).stem}-{key}.safetensors"
    make_features(name, split, sources_of(data, split), path, codec, "landmarks", workers, 300.0)
    return path


def recordings(
    datasets: Sequence[str],
    roots: dict[str, Path],
    split: str,
    folders: Sequence[Path],
    limit: int | None,
    aside: int,
) -> list[Path]:
    """Sound files to fit a codec on: of data sets, less the ``aside`` clips each that training holds out, and folders.

    Raises:
        DubbenchError: there is none.
    """
    paths: list[Path] = []
    for name in datasets:
        clips = [c for c in select(open_dataset(name, roots), split, limit).clips if c.audio is not None]
        left_out = set(hold_out([c.id for c in clips], min(aside, len(clips) // 10)))
        paths += [c.audio for c in clips if c.audio is not None and c.id not in left_out]
    for folder in folders:
        if not folder.is_dir():
            raise DubbenchError(f"{folder}: no such folder of speech")
        paths += sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".wav", ".flac"))[:limit]
    if not paths:
        raise DubbenchError("nothing to fit the codec on: give --dataset or --speech")
    return paths


def fit_codec(paths: Sequence[Path], seed: int) -> tuple[WorldCodec, list[str]]:
    """The codec fitted on recordings, and a line for each that could not be read."""
    from dubbench.errors import MediaError
    from dubbench.runtime.progress import progress
    from dubbench.signal.media import read_audio

    wavs, problems = [], []
    with progress("reading recordings", len(paths)) as advance:
        for path in paths:
            try:
                wavs.append(read_audio(path))
            except MediaError as error:
                problems.append(str(error))
            advance(bool(problems and str(path) in problems[-1]))
    return WorldCodec.fit(wavs, seed), problems
