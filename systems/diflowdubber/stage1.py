"""Stage 1: zero-shot text to speech (section 3.3, B.2.1), later the teacher of stage 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dubbench.errors import DubbenchError

from .alignment import regulate
from .batch import TtsBatch
from .config import Config
from .content import ContentModel, DurationPredictor, duration_loss
from .dfpa import DFPA, Context
from .flow.loss import FlowLoss, FlowNoise
from .flow.path import MixturePath
from .flow.sampler import Sampler, draw_noise
from .geometry import Geometry, cross_entropy, soft_cross_entropy
from .layers.masking import length_mask
from .stepping import sample


@dataclass(frozen=True)
class Generated:
    """Tokens of a batch of clips.

    Attributes:
        tokens: (B, books, L): prosody, content, acoustic; 0 behind a clip's length.
        lengths: (B,) tokens of each clip.
        durations: (B, N) tokens of each phoneme.
        frame_durations: (B, N) video frames of each phoneme (stage 2; else None).
        vt: (B, F, N) attention of frames to phonemes, softmax_j(a_ij / τ) (stage 2; else None).
        st: (B, L, N) attention of tokens to phonemes (stage 2; else None).
    """

    tokens: Tensor
    lengths: Tensor
    durations: Tensor
    frame_durations: Tensor | None = None
    vt: Tensor | None = None
    st: Tensor | None = None


def flow_losses(
    dfpa: DFPA,
    tokens: Tensor,
    valid: Tensor,
    context: Context,
    noise: FlowNoise,
    geometry: Geometry | None = None,
) -> dict[str, Tensor]:
    """``flow``, equation 1 on tokens (B, books, L) with ``valid`` (B, L), and auxiliary losses that are on."""
    config = dfpa.config
    x1 = tokens[:, dfpa.flow_slots]
    xt = MixturePath(config.vocab).sample(x1, noise.t, noise.u)
    logits = dfpa(xt, noise.t, context)
    soft = geometry.soft(dfpa.flow_slots) if geometry is not None else None
    if soft is None:
        losses = {"flow": FlowLoss(config.vocab, config.flow_positions)(logits, x1, xt, valid)}
    else:
        counted = valid[:, None].expand_as(x1)
        counted = counted & (xt == config.vocab) if config.flow_positions == "masked" else counted
        losses = {"flow": soft_cross_entropy(logits, x1, counted, soft)}
    return losses | (geometry.prosody_losses(logits[:, 0], x1[:, 0], valid) if geometry is not None else {})


def assemble(
    dfpa: DFPA,
    context: Context,
    logits: Tensor,
    lengths: Tensor,
    nfe: int,
    seeds: Sequence[int],
    temperature: float | Sequence[float],
) -> Tensor:
    """Sample prosody and acoustics, take the likeliest content: (B, books, L), 0 behind each clip's length.

    ``temperature`` is of all streams of the flow, or one of each.
    """
    config = dfpa.config
    noise = draw_noise(lengths.tolist(), config.flow_books, nfe, seeds)
    path = MixturePath(config.vocab)
    if config.revise:
        sampler = Sampler(path, True)
        flow = sampler(lambda x, t: _cooled(dfpa(x, t, context), temperature), noise.to(logits.device))
    else:
        flow = sample(dfpa, context, noise, lengths.tolist(), path.scheduler, temperature)
    content = logits.argmax(-1)
    tokens = torch.cat([flow[:, : config.prosody], content, flow[:, config.prosody :]], 1)
    return tokens * length_mask(lengths, tokens.shape[2])[:, None]


def _cooled(logits: Tensor, temperature: float | Sequence[float]) -> Tensor:
    """Logits (B, S, L, v) over their streams' temperatures."""
    if isinstance(temperature, int | float):
        return logits if temperature == 1 else logits.float() / temperature
    return logits.float() / torch.tensor(temperature, device=logits.device)[:, None, None]


def check_sampling(batch: int, nfe: int, seeds: Sequence[int], temperature: float) -> None:
    """Raise `DubbenchError` for sampling options that mean nothing."""
    if nfe < 1:
        raise DubbenchError(f"nfe is {nfe}; it must be at least 1")
    if temperature <= 0:
        raise DubbenchError(f"temperature is {temperature}; it must be above 0")
    if len(seeds) != batch:
        raise DubbenchError(f"{len(seeds)} seeds for {batch} clips")


class Stage1(nn.Module):
    """Text, a reference voice and nothing else to tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.content = ContentModel(config)
        self.duration = DurationPredictor(config)
        self.dfpa = DFPA(config)
        self.geometry: Geometry | None = None  # of the codec; training gives it where the configuration asks for it

    def _context(self, batch: TtsBatch, latent: Tensor, lengths: Tensor) -> Context:
        condition = self.dfpa.reference(batch.reference)
        return self.dfpa.context(condition, batch.reference_lengths, latent, lengths, batch.speaker)

    def losses(self, batch: TtsBatch, noise: FlowNoise | None = None) -> dict[str, Tensor]:
        """Equation 9 and its parts, as scalars: ``total``, ``duration``, ``content``, ``flow``.

        Args:
            batch: with tokens and spans.
            noise: of equation 1; drawn from PyTorch's global generator if None.
        """
        if batch.tokens is None or batch.token_lengths is None or batch.token_spans is None:
            raise DubbenchError("training needs the tokens and the phoneme durations of every clip")
        config, tokens = self.config, batch.tokens
        mask = length_mask(batch.token_lengths, tokens.shape[2])
        if noise is None:
            noise = FlowNoise.draw(batch.token_lengths.tolist(), config.flow_books)
        p = self.content.encode(batch.phonemes, batch.phoneme_mask)
        predicted = self.duration(p, batch.phoneme_mask)
        z = self.content.decode(regulate(p, batch.token_spans, tokens.shape[2]), mask)
        latent, logits = self.content.predict(z, mask)
        target = tokens[:, self.dfpa.content_slots]
        losses = {
            "duration": duration_loss(predicted, batch.token_spans, batch.phoneme_mask),
            "content": cross_entropy(
                logits, target, mask[:, None].expand_as(target), self.geometry, self.dfpa.content_slots
            ),
            **flow_losses(
                self.dfpa,
                tokens,
                mask,
                self._context(batch, latent, batch.token_lengths),
                noise.to(tokens.device),
                self.geometry,
            ),
        }
        weights = config.weights
        losses["total"] = (
            weights.tts_duration * losses["duration"]
            + weights.tts_content * losses["content"]
            + weights.tts_flow * losses["flow"]
            + sum(getattr(weights, name) * losses[name] for name in ("voicing", "pitch") if name in losses)
        )
        return losses

    def features(self, phonemes: Tensor, mask: Tensor, spans: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """z_t of equation 5, (B, L', hidden), and its mask (B, L').

        Args:
            phonemes: (B, N); mask: (B, N).
            spans: (B, N) tokens of each phoneme; the model's own if None.
        """
        p = self.content.encode(phonemes, mask)
        if spans is None:
            spans = self.duration.durations(p, mask)
        lengths = spans.sum(1)
        size = int(lengths.max())
        valid = length_mask(lengths, size)
        return self.content.decode(regulate(p, spans, size), valid), valid

    def generate(
        self,
        batch: TtsBatch,
        nfe: int,
        seeds: Sequence[int],
        spans: Tensor | None = None,
        temperature: float = 1.0,
    ) -> Generated:
        """Speak.

        Args:
            batch: without tokens.
            nfe: function evaluations of the flow, at least 1.
            seeds: one a clip.
            spans: (B, N) tokens of each phoneme; the duration predictor's if None.
            temperature: of the flow's posterior.

        Raises:
            DubbenchError: speech longer than the model's limit.
        """
        check_sampling(len(batch.phonemes), nfe, seeds, temperature)
        with torch.no_grad():
            p = self.content.encode(batch.phonemes, batch.phoneme_mask)
            if spans is None:
                spans = self.duration.durations(p, batch.phoneme_mask)
            lengths = spans.sum(1)
            size = int(lengths.max())
            if size > self.config.max_length:
                raise DubbenchError(
                    f"{size / self.config.token_rate:.1f} s of speech are more than the model's limit of "
                    f"{self.config.seconds:.1f} s; split the text"
                )
            mask = length_mask(lengths, size)
            z = self.content.decode(regulate(p, spans, size), mask)
            latent, logits = self.content.predict(z, mask)
            context = self._context(batch, latent, lengths)
            tokens = assemble(self.dfpa, context, logits, lengths, nfe, seeds, temperature)
        return Generated(tokens, lengths, spans)
