"""Stage 2: dubbing (section 3.4): FaPro, Synchronizer, student content model and the adapted DFPA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dubbench.errors import DubbenchError

from .alignment import alignment_matrix, contrastive_loss
from .batch import DubBatch
from .config import Config
from .content import ContentModel
from .dfpa import DFPA, Context
from .fapro import FaPro
from .flow.loss import FlowNoise
from .geometry import Geometry, cross_entropy
from .layers.masking import masked_mean
from .stage1 import Generated, Stage1, assemble, check_sampling, flow_losses
from .synchronizer import Synchronized, Synchronizer, search

Read = Callable[[DFPA, Context, Tensor, Tensor, Sequence[int]], Tensor]
"""Denoiser, context, content logits (B, n, L, vocab), lengths (B,) and seeds to tokens (B, books, L)."""


@dataclass(frozen=True)
class Adapted:
    """Everything before the flow.

    Attributes:
        sync: what the Synchronizer found.
        z: (B, L, hidden), z_s of equation 5.
        logits: (B, n, L, vocab) of the content tokens.
        context: the DFPA's condition.
    """

    sync: Synchronized
    z: Tensor
    logits: Tensor
    context: Context


def distillation(teacher: Tensor, teacher_mask: Tensor, student: Tensor, student_mask: Tensor) -> Tensor:
    """Equation 5: mean over the batch of 1 - cos of the time averages of (B, L', C) and (B, L, C)."""
    pooled = (masked_mean(x.float(), mask) for x, mask in ((teacher, teacher_mask), (student, student_mask)))
    return (1 - F.cosine_similarity(*pooled, dim=-1)).mean()


class Stage2(nn.Module):
    """Text, lips, face and a speaker vector to tokens as long as the video."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.content = ContentModel(config)
        self.synchronizer = Synchronizer(config)
        self.fapro = FaPro(config) if config.fapro else None
        prior = config.prosody * config.stream_dim if config.fapro and config.fuse_prosody else 0
        self.fuse = nn.Linear(config.hidden + prior, config.hidden)
        self.ctc = nn.Linear(config.hidden, config.phones + 1) if config.ctc else None  # the last class is the blank
        self.dfpa = DFPA(config)
        self.geometry: Geometry | None = None  # of the codec; training gives it where the configuration asks for it

    def initialise(self, teacher: Stage1) -> None:
        """Start from the pre-trained content model and denoiser, and freeze projection and content head.

        Raises:
            DubbenchError: a teacher of another size.
        """
        try:
            self.content.load_state_dict(teacher.content.state_dict())
            self.dfpa.load_state_dict(teacher.dfpa.state_dict())
        except RuntimeError as error:
            raise DubbenchError(
                f"the stage 1 checkpoint ({teacher.config.name}) does not fit the configuration {self.config.name}"
            ) from error
        if self.config.freeze_head:
            self.content.project.requires_grad_(False)
            self.content.head.requires_grad_(False)

    def adapt(self, batch: DubBatch, durations: Tensor | None = None) -> Adapted:
        """Run all that does not depend on t; ``durations`` (B, N) frames replace MAS in equation 3."""
        mask = batch.token_mask
        p = self.content.encode(batch.phonemes, batch.phoneme_mask)
        sync = self.synchronizer(batch.lips, batch.frame_lengths, p, batch.phoneme_lengths, mask, durations)
        if self.fapro is None:
            prior = p.new_zeros(len(p), self.config.prosody, batch.token_size, self.config.stream_dim)
        else:
            prior = self.fapro(batch.face, batch.frame_mask, mask)
        both = [sync.hidden]
        if self.fapro is not None and self.config.fuse_prosody:
            both += prior.unbind(1)
        z = self.content.decode(self.fuse(torch.cat(both, -1)), mask)
        latent, logits = self.content.predict(z, mask)
        context = self.dfpa.context(
            self.dfpa.prior(prior), batch.token_lengths, latent, batch.token_lengths, batch.speaker
        )
        return Adapted(sync, z, logits, context)

    def losses(
        self, batch: DubBatch, teacher: Stage1 | None = None, noise: FlowNoise | None = None
    ) -> dict[str, Tensor]:
        """Equation 7 and its parts, as scalars: ``total``, ``content``, ``flow``, and those that are switched on of
        ``ctc``, ``distill``, ``vt``, ``st``.

        Args:
            batch: with tokens and spans.
            teacher: the pre-trained stage 1 in eval mode; needed for ``distill``. It gets no gradient.
            noise: of equation 1; drawn from PyTorch's global generator if None.
        """
        config, weights = self.config, self.config.weights
        if batch.tokens is None or batch.frame_spans is None or batch.token_spans is None:
            raise DubbenchError("training needs the tokens and the phoneme durations of every clip")
        if config.distill and (teacher is None or teacher.training):
            raise DubbenchError("distillation needs a pre-trained stage 1 in eval mode; or set distill to false")
        if noise is None:
            noise = FlowNoise.draw(batch.token_lengths.tolist(), config.flow_books)
        tokens, mask = batch.tokens, batch.token_mask
        made = self.adapt(batch, batch.frame_spans if config.regulate == "truth" else None)
        target = tokens[:, self.dfpa.content_slots]
        losses = {
            "content": cross_entropy(
                made.logits, target, mask[:, None].expand_as(target), self.geometry, self.dfpa.content_slots
            ),
            **flow_losses(self.dfpa, tokens, mask, made.context, noise.to(tokens.device), self.geometry),
        }
        if self.ctc is not None:
            losses["ctc"] = F.ctc_loss(
                self.ctc(made.sync.hidden).float().log_softmax(-1).transpose(0, 1),
                batch.phonemes,
                batch.token_lengths,
                batch.phoneme_lengths,
                blank=config.phones,
                zero_infinity=True,  # more phonemes than tokens: nothing to learn, instead of infinity
            )
        if config.distill and teacher is not None:
            own = config.teacher_durations == "predicted"
            with torch.no_grad():
                z, valid = teacher.features(batch.phonemes, batch.phoneme_mask, None if own else batch.token_spans)
            losses["distill"] = distillation(z, valid, made.z, mask)
        if config.use_vt_loss:
            losses["vt"] = self._align(made.sync.vt_scores, batch.frame_spans, batch.frame_mask, batch)
        if config.use_st_loss:
            losses["st"] = self._align(made.sync.st_scores, batch.token_spans, mask, batch)
        losses["total"] = torch.stack([getattr(weights, name) * loss for name, loss in losses.items()]).sum()
        return losses

    def _align(self, scores: Tensor, spans: Tensor, queries: Tensor, batch: DubBatch) -> Tensor:
        """Equation 2 or 4, mean over the clips."""
        aligned = alignment_matrix(spans, batch.phoneme_lengths, scores.shape[1])
        return contrastive_loss(scores, aligned, queries, batch.phoneme_mask, self.config.tau).mean()

    def generate(
        self,
        batch: DubBatch,
        nfe: int,
        seeds: Sequence[int],
        spans: Tensor | None = None,
        temperature: float = 1.0,
        read: Read | None = None,
    ) -> Generated:
        """Dub: tokens, durations from text and video alone, and attention maps.

        Args:
            batch: tokens and spans in it are not looked at.
            nfe: function evaluations of the flow, at least 1.
            seeds: one a clip; a clip's tokens depend on its own seed alone.
            spans: (B, N) frames of each phoneme in place of MAS (to probe the model).
            temperature: of the flow's posterior.
            read: takes tokens from what the model believes in another way than sampling (`decoding.Reader`); then
                ``nfe`` and ``temperature`` are not looked at.
        """
        check_sampling(len(batch.phonemes), nfe, seeds, temperature)
        tau = self.config.tau
        with torch.no_grad():
            made = self.adapt(batch, spans)
            lengths = batch.token_lengths
            if read is not None:
                tokens = read(self.dfpa, made.context, made.logits, lengths, seeds)
            else:
                tokens = assemble(self.dfpa, made.context, made.logits, lengths, nfe, seeds, temperature)
            sync = made.sync
            return Generated(
                tokens=tokens,
                lengths=batch.token_lengths,
                durations=search(sync.st_scores, batch.token_lengths, batch.phoneme_lengths, tau),
                frame_durations=sync.durations,
                vt=(sync.vt_scores / tau).softmax(-1) * batch.frame_mask[..., None],
                st=(sync.st_scores / tau).softmax(-1) * batch.token_mask[..., None],
            )
