"""Discrete Flow-based Prosody-Acoustic module: the denoiser p(x_1 | x_t, c) (B.2.1, section 3.4.4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .content import StreamHeads
from .layers.attention import Rotary, rotary
from .layers.dit import DiT, FinalLayer, TimeEmbedding
from .layers.masking import length_mask, unless_full


@dataclass(frozen=True)
class Context:
    """All of the condition c that does not depend on t, computed once a clip.

    Attributes:
        condition: (B, L', dim) e_cond, projected.
        content: (B, L, dim) the content slot of e_t, projected.
        speaker: (B, dim) the speaker's part of the global condition.
        tokens: (dim, (m + k) · E) the part of the projection that reads the flow's streams.
        mask: (B, L' + L), or None where nothing is padded.
        turn: rotary cosines and sines of all L' + L positions.
    """

    condition: Tensor
    content: Tensor
    speaker: Tensor
    tokens: Tensor
    mask: Tensor | None
    turn: Rotary


class DFPA(nn.Module):
    """The denoiser.

    Slots are ordered prosody (m), content (n), acoustic (k), as in e = [e_cond; e_t]. The projection of the
    (m + n + k) · E concatenated channels is linear, so it is applied slot by slot: what is zero is left out, and what
    does not depend on t is projected once.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        width, dim, slots = config.stream_dim, config.dit_dim, config.books
        # E_p and E_a; the last row is the mask token.
        self.embedders = nn.ModuleList(nn.Embedding(config.vocab + 1, width) for _ in range(config.flow_books))
        for table in self.embedders:
            nn.init.normal_(table.weight, std=1.0)
        self.project = nn.Linear(slots * width, dim)
        self.time = TimeEmbedding(dim)
        self.speaker = nn.Linear(config.speaker_dim, dim)
        self.dit = DiT(config)
        self.final = FinalLayer(config, config.flow_books * width)
        self.heads = StreamHeads(config, config.flow_books)
        books = range(slots)
        self.prosody_slots = list(books[: config.prosody])
        self.content_slots = list(books[config.prosody : config.prosody + config.content])
        self.acoustic_slots = list(books[config.prosody + config.content :])
        self.flow_slots = self.prosody_slots + self.acoustic_slots
        self.segments = nn.Parameter(torch.zeros(2, dim)) if config.segments else None  # condition, target

    def _weight(self, slots: list[int]) -> Tensor:
        """The projection's weight on ``slots`` alone, (dim, slots · E)."""
        parts = self.project.weight.chunk(self.config.books, 1)
        return torch.cat([parts[slot] for slot in slots], 1)

    def _slots(self, streams: list[Tensor], slots: list[int]) -> Tensor:
        """Project streams (B, T, E) that stand in ``slots``, without the bias: to (B, T, dim)."""
        return F.linear(torch.cat(streams, -1), self._weight(slots))

    def _embed(self, tokens: Tensor, weight: Tensor) -> Tensor:
        """Tokens of the flow's streams (B, m + k, T), embedded and projected by ``weight``: (B, T, dim)."""
        streams = [table(row) for table, row in zip(self.embedders, tokens.unbind(1), strict=True)]
        return F.linear(torch.cat(streams, -1), weight)

    def tables(self, context: Context, first: int = 0) -> list[Tensor]:
        """Projected embeddings of each stream's codes from ``first`` on, (vocab + 1 - first, dim): `_embed` is a sum
        of their rows.
        """
        weights = context.tokens.chunk(self.config.flow_books, 1)
        return [F.linear(table.weight[first:], weight) for table, weight in zip(self.embedders, weights, strict=True)]

    def reference(self, tokens: Tensor) -> Tensor:
        """Stage 1: e_cond = [e_p; 0; e_a] of reference tokens (B, books, L'), projected."""
        return self._embed(tokens[:, self.flow_slots], self._weight(self.flow_slots)) + self.project.bias

    def prior(self, z: Tensor) -> Tensor:
        """Stage 2: e_cond = [z̃_p; 0; 0] of the prosody prior (B, m, L, E), projected."""
        return self._slots(list(z.unbind(1)), self.prosody_slots) + self.project.bias

    def context(
        self, condition: Tensor, condition_lengths: Tensor, content: Tensor, lengths: Tensor, speaker: Tensor
    ) -> Context:
        """Gather the condition.

        Args:
            condition: (B, L', dim) from `reference` or `prior`; condition_lengths: (B,).
            content: (B, n, L, E) h̃; lengths: (B,).
            speaker: (B, speaker_dim).
        """
        before, after = condition.shape[1], content.shape[2]
        mask = torch.cat([length_mask(condition_lengths, before), length_mask(lengths, after)], 1)
        device = condition.device
        # The target follows its own condition, however far the batch is padded.
        start = condition_lengths if self.config.positions == "continue" else torch.zeros_like(condition_lengths)
        positions = torch.cat(
            [
                torch.arange(before, device=device).expand(len(condition), -1),
                start[:, None] + torch.arange(after, device=device),
            ],
            1,
        )
        target = self._slots(list(content.unbind(1)), self.content_slots) + self.project.bias
        if self.training and self.config.condition_dropout:
            seen = torch.rand(len(condition), 1, 1) >= self.config.condition_dropout
            condition = torch.where(seen.to(device), condition, self.project.bias)  # as if all its slots were zero
        if self.segments is not None:
            condition, target = condition + self.segments[0], target + self.segments[1]
        return Context(
            condition=condition,
            content=target,
            # Codecs scale their speaker vectors differently (a unit norm makes them tiny): bring them to one scale.
            speaker=self.speaker(F.rms_norm(speaker.float(), speaker.shape[-1:]).to(self.speaker.weight.dtype)),
            tokens=self._weight(self.flow_slots),
            mask=unless_full(mask),
            turn=rotary(positions, self.config.dit_dim // self.config.dit_heads),
        )

    def forward(self, xt: Tensor, t: Tensor, context: Context) -> Tensor:
        """Logits of p(x_1 | x_t, c).

        Args:
            xt: (B, m + k, L) codes or the mask token ``vocab``.
            t: (B,) in [0, 1].
            context: from `context`.

        Returns:
            (B, m + k, L, vocab).
        """
        cg = self.time(t) + context.speaker
        e = torch.cat([context.condition, context.content + self._embed(xt, context.tokens)], 1)
        y = self.dit(e, cg, context.mask, context.turn)[:, context.condition.shape[1] :]
        streams = self.final(y, cg).unflatten(-1, (self.config.flow_books, -1)).transpose(1, 2)
        return self.heads(streams)
