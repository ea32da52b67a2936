"""Masked negative log-likelihood of each stream by time, beside the unigram, for one checkpoint.

    python benchmarks/nll.py CHECKPOINT --features VALIDATION.safetensors [--unigram TRAIN.safetensors] [--limit 36]

For each time t a token of a clip is hidden with probability 1 - t², as in training; the table has the mean NLL (nats)
of the hidden ones, given the true rest. Content is predicted without the flow, so it has one column. ``entropy`` is the
cross-entropy of these clips under the unigram of --unigram's tokens with one more of each code (of the clips' own
without it, which flatters the unigram). A stream that is really learnt lies below it and falls with t.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.flow.path import MixturePath
from dubbench.systems.diflowdubber.layers.masking import length_mask
from dubbench.systems.diflowdubber.stage2 import Stage2
from dubbench.systems.diflowdubber.training.data import Corpus
from dubbench.systems.diflowdubber.training.load import load_model
from dubbench.systems.diflowdubber.training.objective import Objective
from dubbench.training import checkpoint
from dubbench.training.features import Cache

TIMES = (0.0, 0.3, 0.5, 0.7, 0.9)
STREAMS = ("prosody", "content 1", "content 2", "acoustic 1", "acoustic 2", "acoustic 3")
PROMPTS = 5
"""Seed of the references."""


def unigram(tokens: list[NDArray[np.int64]], vocab: int) -> NDArray[np.float64]:
    """(6, vocab) probabilities with one more of each code."""
    counts = np.ones((len(STREAMS), vocab))
    for clip in tokens:
        for row, codes in enumerate(clip):
            counts[row] += np.bincount(codes, minlength=vocab)
    shares: NDArray[np.float64] = counts / counts.sum(1, keepdims=True)
    return shares


@torch.no_grad()
def measure(objective: Objective, corpus: Corpus) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """NLL (6, times) in nats a token, and the accuracy (6,) at t = 0."""
    model = objective.model
    assert isinstance(model, Stage2)
    config, dfpa = model.config, model.dfpa
    total, count = np.zeros((2, len(STREAMS), len(TIMES)))
    right, seen = np.zeros((2, len(STREAMS)))
    for place in range(len(corpus)):
        batch = objective.batch(corpus, [place], np.random.default_rng([PROMPTS, place]))
        made = model.adapt(batch)  # type: ignore[arg-type]
        truth = batch.tokens
        assert truth is not None
        valid = length_mask(batch.token_lengths, truth.shape[2])  # type: ignore[arg-type]
        x1 = truth[:, dfpa.flow_slots]
        u = torch.rand(x1.shape, generator=torch.Generator().manual_seed(place))
        for column, time in enumerate(TIMES):
            t = torch.tensor([time])
            xt = MixturePath(config.vocab).sample(x1, t, u)
            log_p = dfpa(xt, t, made.context).log_softmax(-1)
            loss = -log_p.gather(-1, x1[..., None])[..., 0]
            hidden = (xt == config.vocab) & valid[:, None]
            for stream, slot in enumerate(dfpa.flow_slots):
                total[slot, column] += float(loss[:, stream][hidden[:, stream]].sum())
                count[slot, column] += int(hidden[:, stream].sum())
                if time == 0:
                    right[slot] += int((log_p[:, stream].argmax(-1) == x1[:, stream])[valid].sum())
                    seen[slot] += int(valid.sum())
        log_p = made.logits.log_softmax(-1)
        target = truth[:, dfpa.content_slots]
        for stream, slot in enumerate(dfpa.content_slots):
            loss = -log_p[:, stream].gather(-1, target[:, stream, :, None])[..., 0][valid]
            total[slot] += float(loss.sum())
            count[slot] += len(loss)
            right[slot] += int((log_p[:, stream].argmax(-1) == target[:, stream])[valid].sum())
            seen[slot] += int(valid.sum())
    return total / np.maximum(count, 1), right / np.maximum(seen, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="or a run, of stage 2")
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--unigram", type=Path, action="append", default=[], help="features of the training clips")
    parser.add_argument("--limit", type=int, default=36)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = checkpoint.find(given.checkpoint)
    cache = Cache.load(given.features)
    meta = checkpoint.read_meta(folder)
    if cache.info.codec_digest != meta["codec"]["digest"]:
        raise DubbenchError("the features and the checkpoint belong to different codecs")
    held = set(meta["held_out"])
    ids = [row[0] for row in cache.info.clips if row[0] in held][: given.limit]
    if not ids:
        raise DubbenchError("none of these features' clips was held out in that training; the probe needs unseen clips")
    model, _ = load_model(folder, "dub")
    objective = Objective("dub", model.config)
    objective.model = model
    corpus = Corpus.of([cache], frozenset(ids), only=True)
    nll, accuracy = measure(objective, corpus)
    clips = [corpus[place].tokens.astype(np.int64) for place in range(len(corpus))]
    known = [Cache.load(path) for path in given.unigram]
    learnt = [c[i].tokens.astype(np.int64) for c in known for i in range(len(c)) if c.info.clips[i][0] not in held]
    shares = unigram(learnt or clips, model.config.vocab)
    print(f"{len(corpus)} clips of {cache.info.dataset}; nats a hidden token\n")
    print("| stream | entropy | " + " | ".join(f"t = {t:g}" for t in TIMES) + " | right at t = 0 |")
    print("| --- |" + " ---: |" * (len(TIMES) + 2))
    for row, name in enumerate(STREAMS):
        entropy = float(np.mean([-np.log(shares[row][codes]) for codes in np.concatenate([c[row] for c in clips])]))
        cells = [f"{x:.2f}" for x in nll[row]] if "content" not in name else [f"{nll[row, 0]:.2f}", *[""] * 4]
        print(f"| {name} | {entropy:.2f} | {' | '.join(cells)} | {100 * accuracy[row]:.1f} % |")


if __name__ == "__main__":
    try:
        main()
    except (DubbenchError, OSError) as error:
        sys.exit(f"dubbench: {error}")
