"""The objective of each stage: its model, its batches, its losses, and its quality on held-out clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.training import checkpoint

from ..batch import DubBatch, TtsBatch, collate_dub, collate_tts
from ..config import Config, Training
from ..flow.loss import FlowNoise
from ..geometry import Books, Geometry, begin_head
from ..stage1 import Generated, Stage1
from ..stage2 import Stage2
from .data import Corpus, dub_item, tts_item
from .load import load_model

Stage = Literal["tts", "dub"]
Batch = TtsBatch | DubBatch


class Given:
    """A batch and its noise, closed to the wrappers of a distributed module, which would take tensors apart."""

    def __init__(self, batch: Batch, noise: FlowNoise) -> None:
        self.batch, self.noise = batch, noise


class Objective(nn.Module):
    """A stage's model, called with a batch and its noise for the losses (so that it can be distributed).

    Args:
        stage: ``tts`` or ``dub``.
        config: with the widths of the features.
        teacher: of stage 2; kept out of the module's own parameters.
    """

    def __init__(self, stage: Stage, config: Config, teacher: Stage1 | None = None) -> None:
        super().__init__()
        self.stage, self.config = stage, config
        self.model: Stage1 | Stage2 = Stage1(config) if stage == "tts" else Stage2(config)
        self._teacher = [teacher.requires_grad_(False).eval()] if teacher is not None else []
        if isinstance(self.model, Stage2) and teacher is not None:
            self.model.initialise(teacher)

    def learn_geometry(self, books: Books) -> None:
        """Let the model know what the codec's codes stand for, as far as its configuration asks for it."""
        config = self.config
        if not config.needs_geometry:
            return
        self.model.geometry = geometry = Geometry(books, config)
        if config.codebook_start and not self._teacher:
            dfpa, content = self.model.dfpa, self.model.content
            geometry.start(list(dfpa.embedders), list(dfpa.heads.heads), dfpa.flow_slots)  # type: ignore[arg-type]
            for head, slot in zip(content.head.heads, dfpa.content_slots, strict=True):
                begin_head(head, books.vectors[slot], slot)

    @property
    def training_settings(self) -> Training:
        """How this stage is optimised."""
        return self.config.tts if self.stage == "tts" else self.config.dub

    def teacher_to(self, device: torch.device) -> None:
        """The teacher does not move with the module."""
        for teacher in self._teacher:
            teacher.to(device)

    def forward(self, given: Given) -> dict[str, Tensor]:
        return losses_of(self.model, given.batch, self._teacher[0] if self._teacher else None, given.noise)

    def batch(self, corpus: Corpus, places: Sequence[int], rng: np.random.Generator) -> Batch:
        """Clips of ``corpus`` with references drawn from ``rng``."""
        if self.stage == "tts":
            return collate_tts([tts_item(corpus, p, rng, self.config) for p in places], self.config)
        return collate_dub([dub_item(corpus, p, rng, self.config) for p in places], self.config)

    def noise(self, batch: Batch, seeds: Sequence[int] | None = None) -> FlowNoise:
        """Equation 1's draws; of the global generator without ``seeds``."""
        assert batch.token_lengths is not None
        return FlowNoise.draw(batch.token_lengths.tolist(), self.config.flow_books, seeds)

    def fit_statistics(self, corpus: Corpus) -> None:
        """Let the model standardise visual features by the training clips'."""
        if not isinstance(self.model, Stage2):
            return
        found = {name: [torch.from_numpy(x) for x in pair] for name, pair in corpus.visual_statistics().items()}
        self.model.synchronizer.visual.fit(*found["lips"])
        if self.model.fapro is not None:
            self.model.fapro.visual.fit(*found["face"])


def losses_of(model: Stage1 | Stage2, batch: Batch, teacher: Stage1 | None, noise: FlowNoise) -> dict[str, Tensor]:
    """Losses of either stage."""
    if isinstance(model, Stage1):
        return model.losses(cast(TtsBatch, batch), noise)
    return model.losses(cast(DubBatch, batch), teacher, noise)


@torch.no_grad()
def judge(objective: Objective, corpus: Corpus, device: torch.device) -> dict[str, float]:
    """How the objective's model does on ``corpus``.

    Returns:
        mean losses, ``accuracy`` (share of right content tokens), and for stage 2 ``boundary_ms``, the mean distance of
        MAS's phone boundaries from the true ones.
    """
    model = objective.model
    was = model.training
    model.eval()
    sums: dict[str, float] = {}
    weights = 0.0
    boundaries: list[np.ndarray[Any, Any]] = []
    order = np.argsort(corpus.lengths, kind="stable")
    size = min(objective.training_settings.batch, 32)
    teacher = objective._teacher[0] if objective._teacher else None
    for start in range(0, len(order), size):
        places = [int(p) for p in order[start : start + size]]
        batch = objective.batch(corpus, places, np.random.default_rng([3, start])).to(device)
        noise = objective.noise(batch, places)
        found = {name: loss.item() for name, loss in losses_of(model, batch, teacher, noise).items()}
        made = generate(model, batch, 1, places, known=True)
        found["accuracy"] = _accuracy(made, batch, objective.config)
        if isinstance(batch, DubBatch) and made.frame_durations is not None and batch.frame_spans is not None:
            error = (made.frame_durations.cumsum(1) - batch.frame_spans.cumsum(1)).abs()[:, :-1]
            inner = batch.phoneme_mask[:, 1:]
            boundaries.append((error[inner] * 1000 / objective.config.frame_rate).cpu().numpy())
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value * len(places)
        weights += len(places)
    model.train(was)
    scores = {name: value / weights for name, value in sums.items()}
    if boundaries:
        scores["boundary_ms"] = float(np.mean(np.concatenate(boundaries)))
    return scores


def generate(model: Stage1 | Stage2, batch: Batch, nfe: int, seeds: Sequence[int], known: bool = False) -> Generated:
    """Tokens for a batch; with ``known`` stage 1 takes the true durations, so that lengths fit."""
    if isinstance(model, Stage1):
        tts = cast(TtsBatch, batch)
        return model.generate(tts, nfe, seeds, tts.token_spans if known else None)
    return model.generate(cast(DubBatch, batch), nfe, seeds)


def _accuracy(made: Generated, batch: Batch, config: Config) -> float:
    assert batch.tokens is not None
    content = slice(config.prosody, config.prosody + config.content)
    same = (made.tokens == batch.tokens)[:, content]
    valid = torch.arange(same.shape[2], device=same.device) < made.lengths[:, None]
    return float((same & valid[:, None]).sum() / (valid.sum() * config.content))


def with_widths(config: Config, corpus: Corpus, stage: Stage) -> Config:
    """``config`` with the widths of the corpus's visual features.

    Raises:
        DubbenchError: stage 2 on features without video, or caches of different features.
    """
    widths = {(cache.lip_dim, cache.face_dim) for cache in corpus.caches}
    if stage == "tts":
        return config
    if len(widths) != 1 or (0, 0) in widths:
        raise DubbenchError("stage 2 needs lips and face of one kind in all caches; make them with --visual landmarks")
    lips, face = widths.pop()
    return replace(config, lip_dim=lips, face_dim=face)


def read_teacher(path: Path | None, config: Config, codec: str = "") -> tuple[Stage1 | None, dict[str, Any] | None]:
    """The stage 1 model at ``path`` (a checkpoint or a run), its digest and its features; nothing for None.

    Args:
        codec: digest of the codec whose tokens stage 2 learns; any for an empty one.

    Raises:
        DubbenchError: there is none, one is needed and not given or the reverse, or it speaks another codec's tokens.
    """
    if path is None:
        if config.pretraining:
            raise DubbenchError(
                "stage 2 starts from a pre-trained stage 1: give it with --teacher; to train without one (Table 3, row "
                "2) say --preset no-pretraining"
            )
        return None, None
    if not config.pretraining:
        raise DubbenchError(
            "no-pretraining trains without a stage 1: leave --teacher out; to start from it and only not distil it say "
            "--preset no-distill"
        )
    folder = checkpoint.find(path)
    model, meta = load_model(folder, "tts")
    _same_codec(folder, meta, codec)
    return cast(Stage1, model), _origin(folder, meta)


def read_init(path: Path | None, objective: Objective, codec: str = "") -> dict[str, Any] | None:
    """Give the model the weights (their average) and visual statistics of the run or checkpoint at ``path``, and return
    whose they are; nothing for None.

    Raises:
        DubbenchError: there is none, it is of another stage or configuration, released (what only training needs is
            left out there), or it speaks the tokens of another codec.
    """
    if path is None:
        return None
    folder = checkpoint.find(path)
    model, meta = load_model(folder, objective.stage)
    _same_codec(folder, meta, codec)
    checkpoint.load_state(objective.model, model.state_dict(), str(folder))
    return _origin(folder, meta)


def _same_codec(folder: Path, meta: dict[str, Any], codec: str) -> None:
    if codec and meta["codec"]["digest"] != codec:
        raise DubbenchError(
            f"{folder}: speaks tokens of the codec {meta['codec']['digest'][:12]}, but the features are of "
            f"{codec[:12]}; train it on features of the same codec"
        )


def _origin(folder: Path, meta: dict[str, Any]) -> dict[str, Any]:
    rows = [*meta.get("features", []), *(meta.get("init") or {}).get("features", [])]  # all that its weights have seen
    return {
        "sha256": checkpoint.weights_digest(folder),
        "step": meta.get("step"),
        "features": list({row["sha256"]: row for row in rows}.values()),
    }
