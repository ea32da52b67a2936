"""The cost of each part of the model: its tokens in place of the true ones, part by part, decoded and scored.

With the true durations: content from the content predictor beside true prosody and acoustic tokens; then the model's
prosody too, then its acoustic tokens too; at last its own durations (stage 2: MAS on text and video; stage 1: the
duration predictor, so that the length is the model's as well). ``copy`` is the codec's ceiling, ``ground_truth`` the
recording. All are decoded with the clip's own speaker vector. Held-out clips of the features only.

    python benchmarks/probe_content.py RUN --features grid-s1.safetensors --codec codec.safetensors \\
        --dataset grid --root DIR --out runs/probe
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dubbench.api.run_to_board import run_cell, show
from dubbench.core.identity import clip_seed
from dubbench.core.spec import parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Cell, Resources
from dubbench.runtime.progress import progress
from dubbench.signal.media import write_wav
from dubbench.systems.diflowdubber.codec.base import RATE, Codec, Tokens
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.stage1 import Stage1
from dubbench.systems.diflowdubber.stage2 import Stage2
from dubbench.systems.diflowdubber.training.data import Corpus
from dubbench.systems.diflowdubber.training.objective import Objective
from dubbench.training import checkpoint
from dubbench.training.features import Cache, Features, hold_out

CONDITIONS = ("copy", "content", "content+prosody", "content+prosody+acoustic", "own-durations")


def conditions(
    objective: Objective, corpus: Corpus, place: int, nfe: int, rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Each condition's tokens (6, L) for one clip."""
    config, model = objective.config, objective.model
    m, n = config.prosody, config.content
    clip = corpus[place]
    truth = clip.tokens.astype(np.int64)
    batch: Any = objective.batch(corpus, [place], rng)
    seed = [clip_seed(0, clip.clip)]
    spans = batch.token_spans if isinstance(model, Stage1) else batch.frame_spans
    made = model.generate(batch, nfe, seed, spans).tokens[0].numpy()
    mixed = truth.copy()
    yield "copy", truth
    for name, rows in zip(CONDITIONS[1:4], (slice(m, m + n), slice(0, m), slice(m + n, None)), strict=True):
        mixed[rows] = made[rows]
        yield name, mixed.copy()
    yield "own-durations", model.generate(batch, nfe, seed).tokens[0].numpy()


def write_dubs(run: Path, cache: Cache, codec: Codec, count: int, nfe: int, out: Path) -> list[str]:
    """Wavs of all conditions under ``out``; the ids of the clips."""
    folder = checkpoint.find(run)
    stage = checkpoint.read_meta(folder)["stage"]
    model, meta = checkpoint.load_model(folder, stage)
    for name, digest in (("features", cache.info.codec_digest), ("codec", codec.digest)):
        if digest != meta["codec"]["digest"]:
            raise DubbenchError(f"the {name} and the checkpoint {folder} belong to different codecs")
    objective = Objective(stage, model.config)
    objective.model = model
    assert isinstance(model, Stage1 | Stage2)
    known = set(meta["held_out"])
    ids = hold_out([row[0] for row in cache.info.clips if row[0] in known], count)
    if not ids:
        raise DubbenchError("none of these features' clips was held out in that training; the probe needs unseen clips")
    corpus = Corpus.of([cache], frozenset(ids), only=True)
    with progress("speaking", len(corpus)) as advance, torch.no_grad():
        for place in range(len(corpus)):
            clip: Features = corpus[place]
            rng = np.random.default_rng(clip_seed(1, clip.clip))
            for name, tokens in conditions(objective, corpus, place, nfe, rng):
                sound = codec.decode(Tokens.of(tokens, clip.voice))
                write_wav(out / name / f"{clip.clip}.wav", sound, RATE)
            advance()
    return ids


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run or checkpoint, of either stage")
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--codec", required=True)
    parser.add_argument("--dataset", required=True, help="of the features; its clips are the ground truth")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--limit", type=int, default=50)
    parser.add_argument("--nfe", type=int, default=32)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    dubs = given.out / "dubs"
    cache = Cache.load(given.features)
    ids = write_dubs(given.run, cache, open_codec(given.codec), given.limit, given.nfe, dubs)
    split = given.out / "probe.txt"
    split.write_text("".join(f"{clip}\n" for clip in ids), "utf-8")
    specs = [f'{name}=precomputed("{(dubs / name).resolve()}")' for name in CONDITIONS]
    cell = Cell(given.dataset, str(split), "1.0")
    resources = Resources(given.workers, "cpu")
    roots = {given.dataset: given.root} if given.root else {}
    show(run_cell(cell, roots, [parse_spec(text) for text in ("ground_truth", *specs)], given.out / "run", resources))


if __name__ == "__main__":
    try:
        main()
    except DubbenchError as error:
        sys.exit(f"dubbench: {error}")
