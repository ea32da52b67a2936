"""Geometry of a codec's codes, for a model that learns to predict them.

Codes of k-means are an unordered thousand; many are near one another, and which of two neighbours a frame got is
chance. Three settings tell the model so, each off by default: ``codebook_start`` (embeddings and heads begin as the
codes' vectors, so that near codes are alike from step 0), ``soft_targets`` (a target's mass is spread over codes near
it), and the weights ``voicing`` and ``pitch`` (auxiliary losses on what prosody's codes say of a frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.errors import DubbenchError

from .config import Config

_NEIGHBOUR = 1
"""Column of a row of sorted distances that holds the nearest other code's."""


@dataclass(frozen=True, eq=False)
class Books:
    """A codec's code vectors.

    Attributes:
        vectors: (v, d) for each of the six books of `Tokens.stacked`, in units in which distances are heard alike.
        voiced: (v,) whether a prosody code is voiced; None where prosody's codes do not say.
        semitones: (v,) pitch of a prosody code; None likewise.
    """

    vectors: Sequence[NDArray[np.float32]]
    voiced: NDArray[np.bool_] | None = None
    semitones: NDArray[np.float32] | None = None


class Geometry(nn.Module):
    """`Books` as the losses need them; nothing in it is learnt or saved.

    Args:
        books: of the codec.
        softness: spread of a softened target, in units of the median distance between neighbouring codes of its book.

    Raises:
        DubbenchError: auxiliary losses on prosody are asked for, but the codec's codes do not say what is voiced.
    """

    voiced: Tensor
    semitones: Tensor

    def __init__(self, books: Books, config: Config) -> None:
        super().__init__()
        weights = config.weights
        self.auxiliary = weights.voicing > 0 or weights.pitch > 0
        if self.auxiliary and (books.voiced is None or books.semitones is None):
            raise DubbenchError("weights.voicing and weights.pitch need a codec whose prosody codes say what is voiced")
        self.softness = config.soft_targets
        self.books = books
        if self.softness:
            for i, vectors in enumerate(books.vectors):
                self.register_buffer(f"soft{i}", softened(vectors, self.softness), persistent=False)
        if self.auxiliary:
            self.register_buffer("voiced", torch.tensor(books.voiced), persistent=False)
            self.register_buffer("semitones", torch.tensor(books.semitones), persistent=False)

    def soft(self, slots: Sequence[int]) -> list[Tensor] | None:
        """(v, v) rows of softened targets of these books; None where targets are hard."""
        return [getattr(self, f"soft{slot}") for slot in slots] if self.softness else None

    def prosody_losses(self, logits: Tensor, target: Tensor, valid: Tensor) -> dict[str, Tensor]:
        """Auxiliary losses on prosody: logits (B, L, v), codes (B, L), valid (B, L); empty where they are off.

        ``voicing``: binary cross-entropy of the voiced codes' mass, in nats. ``pitch``: squared error of the expected
        semitones over the voiced codes, where the target is voiced, over 12 semitones' square.
        """
        if not self.auxiliary:
            return {}
        log_p = logits.float().log_softmax(-1)
        sung = log_p[..., self.voiced].logsumexp(-1)
        breathed = log_p[..., ~self.voiced].logsumexp(-1)
        voiced = self.voiced[target]
        heard = -torch.where(voiced, sung, breathed)
        expected = log_p[..., self.voiced].softmax(-1) @ self.semitones[self.voiced]
        error = ((expected - self.semitones[target]) / 12).square()
        return {"voicing": _mean(heard, valid), "pitch": _mean(error, valid & voiced)}

    @torch.no_grad()
    def start(self, embedders: Sequence[nn.Embedding], heads: Sequence[nn.Module], slots: Sequence[int]) -> None:
        """Begin embeddings and heads of the books ``slots`` as their codes' vectors, turned at random into the model's
        width and of unit variance; the mask's row, and what lies before a head's last layer, stay.
        """
        for embedder, head, slot in zip(embedders, heads, slots, strict=True):
            begin(embedder.weight, self.books.vectors[slot], 1.0, slot)
            begin_head(head, self.books.vectors[slot], slot)


def begin_head(head: nn.Module, vectors: NDArray[np.float32], seed: int) -> None:
    """Let the last layer of a head begin as codes' ``vectors``, at the scale of its own start."""
    last = head[-1] if isinstance(head, nn.Sequential) else head
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        begin(last.weight, vectors, float(last.weight.std()), seed)


def begin(weight: Tensor, vectors: NDArray[np.float32], std: float, seed: int) -> None:
    """Fill ``weight`` (v or more rows) by ``vectors`` (v, d), turned at random, of deviation ``std``."""
    centred = vectors - vectors.mean(0)
    turn = torch.randn(centred.shape[1], weight.shape[1], generator=torch.Generator().manual_seed(seed))
    made = torch.from_numpy(centred.astype(np.float32)) @ turn
    weight[: len(made)] = made * (std / made.std().clamp(min=1e-9))


def softened(vectors: NDArray[np.float32], softness: float) -> Tensor:
    """(v, v) rows q(. | code) ~ exp(-d² / 2σ²), σ being ``softness`` times the median distance to the nearest code."""
    x = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
    distance = torch.cdist(x, x)
    near = distance.sort(1).values[:, _NEIGHBOUR]
    scale = softness * near[near > 0].median() if bool((near > 0).any()) else torch.tensor(1.0)
    return (-0.5 * (distance / scale).square()).softmax(1)


def soft_cross_entropy(logits: Tensor, targets: Tensor, counted: Tensor, soft: Sequence[Tensor]) -> Tensor:
    """Mean cross-entropy of logits (B, S, L, v) against the softened targets of codes (B, S, L) where ``counted``."""
    total = logits.new_zeros((), dtype=torch.float32)
    for stream, table in enumerate(soft):
        log_p = logits[:, stream].float().log_softmax(-1)
        loss = -(table[targets[:, stream]] * log_p).sum(-1)
        total = total + torch.where(counted[:, stream], loss, 0).sum()
    return total / counted.sum().clamp(min=1)


def _mean(x: Tensor, counted: Tensor) -> Tensor:
    return torch.where(counted, x, 0).sum() / counted.sum().clamp(min=1)


def cross_entropy(
    logits: Tensor, targets: Tensor, counted: Tensor, geometry: Geometry | None, slots: Sequence[int]
) -> Tensor:
    """Mean cross-entropy where ``counted``, against softened targets if ``geometry`` has them."""
    soft = geometry.soft(slots) if geometry is not None else None
    if soft is not None:
        return soft_cross_entropy(logits, targets, counted, soft)
    loss = F.cross_entropy(logits.float().flatten(0, -2), targets.flatten(), reduction="none")
    return _mean(loss, counted.flatten())
