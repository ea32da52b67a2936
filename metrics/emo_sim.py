"""Emo-SIM: cosine of emotion2vec embeddings of the dub and the ground truth, mean over clips, a fraction.

The embedding of an utterance is the mean over time (50 Hz) of the last layer's features: funasr's
``generate(granularity="utterance", extract_embedding=True)``. The network is written anew
(`dubbench.metrics.models.emotion2vec`), so that no code comes with the weights; with equal weights the features are
funasr's to 1e-6. Level leaves no trace: the network brings each sound to mean 0 and variance 1.

Two things bear this name. CoSync-DiT's and others' compares scores of nine emotions; the paper's values (0.96 to 0.98)
can only be cosines of embeddings, and of the ``base`` model, as that of ``plus-large`` spreads wider: so ``emo-sim``
takes ``base``, and ``emo-sim-plus`` the other. They are never mixed.

The cosine of ``base`` hardly falls below 0.9 between any two clips. Where it starts is the Emo-SIM of the control
``another_clip``: the set's clips in pairs, each ground truth against another sentence of its speaker, drawn by a hash
of the clip's id. Boards print it in the heading as the floor. ``Emo-SIM-floor`` needs no control where the prompt
is another utterance than the ground truth: it is the ground truth against the prompt, which in Setting 2.0 is the very
clip that ``another_clip`` takes (there cut or filled to the video's length), and in Setting 3.0 another voice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import QUIET_DB
from dubbench.metrics.parts.speaker import SHORTEST, Embedding, cosine, unheard
from dubbench.runtime.provenance import versions
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import asset_digest, asset_path

RATE = 16000


def embed(network: Any, samples: NDArray[np.floating]) -> Embedding | str:
    """(768,) or (1024,) embedding of (T,) samples at 16 kHz by an `Emotion2vec`, or why there is none."""
    import torch

    from dubbench.metrics.models.running import exact

    why = unheard(samples, RATE)
    if why is not None:
        return why
    with exact():
        x = torch.from_numpy(np.asarray(samples, dtype=np.float32))[None].to(network.blocks[0].norm1.weight.device)
        return np.asarray(network(x)[0].mean(0).cpu().numpy(), dtype=np.float64)


def _columns() -> tuple[Column, Column]:
    return (
        Column(
            name="Emo-SIM",
            direction="up",
            aggregate=Mean(value="emo_sim"),
            digits=3,
            best=1.0,
            tolerance=0.005,
            expects={
                "ground_truth": "perfect",
                "another_clip": "worse",
                "shuffled": "worse",
                "silence": "undefined",
                "noise": "worse",
                "gain(db=-12)": "invariant",
                "noisy(snr=10)": "worse",
            },
        ),
        Column(name="Emo-SIM-floor", direction="none", aggregate=Mean(value="emo_floor"), digits=3, headline=False),
    )


class EmoSIM(MetricBase):
    """Similarity of expressed emotion to the ground truth through emotion2vec base."""

    name = "emo-sim"
    model = "emotion2vec-base"
    profiles = frozenset({"paper"})
    assets = ("emotion2vec-base",)
    columns = _columns()

    def __init__(self) -> None:
        self.info = MetricInfo(
            name=self.name,
            recipe=f"emo-sim/{self.model}",
            settings={
                **versions("torch", "numpy"),
                "model": self.model,
                "rate": RATE,
                "loudness": "as is; mean 0 and variance 1 inside the network",
                "embedding": "mean over time of the last layer",
                "shortest_s": SHORTEST,
                "silent_below_dbfs": QUIET_DB,
                "precision": "float32",
                "batch": 1,
                "aggregation": "mean of utterance cosines",
            },
            weights={self.model: asset_digest(self.model)},
            needs=frozenset({"truth"}),
            summary=f"Cosine of {self.model} embeddings of the dub and the ground truth",
            source="Ma et al., ACL Findings 2024; DiFlowDubber, appendix D.3",
            licence="FunASR Model License 1.1 (emotion2vec's weights)",
        )

    def load(self, device: str) -> None:
        """Load the network onto ``device``."""
        require("torch", "metrics", "Emo-SIM")
        require("safetensors", "metrics", "Emo-SIM")
        from dubbench.metrics.models.emotion2vec import load_emotion2vec

        self._model = load_emotion2vec(asset_path(self.model), device)

    def score(self, item: Item) -> Stats | Unscored:
        """``emo_sim`` in [-1, 1]; ``emo_floor`` where the prompt is another utterance than the ground truth."""
        assert item.truth is not None
        self.ready()
        dub, truth = self._embedding(item.dub), self._embedding(item.truth)
        if isinstance(dub, str):
            return Unscored(f"{dub} in the dub")
        if isinstance(truth, str):
            return Unscored(f"{truth} in the ground truth")
        stats = {"emo_sim": cosine(dub, truth)}
        if item.reference is not None and not _same(item.reference, item.truth):
            prompt = self._embedding(item.reference)
            if not isinstance(prompt, str):
                stats["emo_floor"] = cosine(truth, prompt)
        return stats

    def _embedding(self, sound: Sound) -> Embedding | str:
        return sound.derive(self.info.recipe, lambda: embed(self._model, sound.at(RATE)))


class EmoSIMPlus(EmoSIM):
    """The same through emotion2vec+ large."""

    name = "emo-sim-plus"
    model = "emotion2vec-plus-large"
    profiles = frozenset[str]()
    assets = ("emotion2vec-plus-large",)


def _same(a: Sound, b: Sound) -> bool:
    return a is b or (a.rate == b.rate and np.array_equal(a.samples, b.samples))
