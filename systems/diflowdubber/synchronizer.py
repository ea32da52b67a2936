"""Synchronizer: phonemes onto lips, then speech onto phonemes (section 3.4.2, B.2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .alignment import regulate
from .config import Config
from .layers.convnext import ConvNeXtStack
from .layers.fft import add_positions
from .layers.masking import length_mask
from .layers.monotonic import CrossStack
from .layers.upsample import Upsample
from .mas import monotonic_path
from .visual import VisualProjection


@dataclass(frozen=True)
class Synchronized:
    """What the Synchronizer gives.

    Attributes:
        hidden: (B, L, hidden), h_sync.
        vt_scores: (B, F, N), a_ij between frames and phonemes.
        st_scores: (B, L, N), a_ij between tokens and phonemes.
        durations: (B, N) frames of each phoneme that equation 3 used.
    """

    hidden: Tensor
    vt_scores: Tensor
    st_scores: Tensor
    durations: Tensor


def search(scores: Tensor, frames: Tensor, phones: Tensor, tau: float) -> Tensor:
    """MAS on the attention map softmax_j(a_ij / τ): (B, F, N) scores to (B, N) durations in frames."""
    log_attention = (scores.detach().float() / tau).log_softmax(-1)
    found = monotonic_path(log_attention.cpu().numpy(), frames.cpu().numpy(), phones.cpu().numpy())
    return torch.from_numpy(found).to(scores.device)


class Synchronizer(nn.Module):
    """Video-text blocks, MAS and regulation, upsampling, speech-text blocks, ConvNeXt V2 refinement."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.tau = config.tau
        self.visual = VisualProjection(config, config.lip_dim)
        self.video_text = CrossStack(config)
        self.fuse = nn.Linear(config.hidden, config.hidden)
        self.upsample = Upsample(config)
        self.speech_text = CrossStack(config)
        self.convnext = ConvNeXtStack(
            config.sync_convnext, config.hidden, config.convnext_inner, config.convnext_kernel
        )

    def forward(
        self,
        lips: Tensor,
        frame_lengths: Tensor,
        p: Tensor,
        phoneme_lengths: Tensor,
        token_mask: Tensor,
        durations: Tensor | None = None,
    ) -> Synchronized:
        """Align.

        Args:
            lips: (B, F, lip_dim); frame_lengths: (B,).
            p: (B, N, hidden) encoded phonemes; phoneme_lengths: (B,).
            token_mask: (B, L).
            durations: (B, N) frames for equation 3 in place of MAS.
        """
        frames = length_mask(frame_lengths, lips.shape[1])
        phones = length_mask(phoneme_lengths, p.shape[1])
        x = add_positions(self.visual(lips, frames))
        hvt, vt_scores = self.video_text(x, p, frames, phones)
        if durations is None:
            durations = search(vt_scores, frame_lengths, phoneme_lengths, self.tau)
        expanded = regulate(p, durations, lips.shape[1])
        hs = self.upsample(hvt + self.fuse(expanded), frame_lengths, token_mask)  # equation 3
        hst, st_scores = self.speech_text(add_positions(hs), p, token_mask, phones)
        return Synchronized(self.convnext(hst, token_mask), vt_scores, st_scores, durations)
