"""The content model: from phonemes to content tokens (section 3.3, B.2.1), teacher and student alike."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .layers.fft import CodebookPredictor, FFTStack
from .layers.masking import MaskedConv


class StreamHeads(nn.Module):
    """One MLP a codebook: (B, books, L, stream_dim) to logits (B, books, L, vocab)."""

    def __init__(self, config: Config, books: int) -> None:
        super().__init__()
        dim, hidden, vocab = config.stream_dim, config.head_hidden, config.vocab
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.SiLU(), nn.Linear(hidden, vocab))
            if hidden
            else nn.Linear(dim, vocab)
            for _ in range(books)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([head(stream) for head, stream in zip(self.heads, x.unbind(1), strict=True)], 1)


class ContentModel(nn.Module):
    """Phoneme encoder, FFT blocks, content predictor, projection and content head.

    What lies between encoder and FFT blocks is the length regulator in stage 1, the Synchronizer in stage 2.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embed = nn.Embedding(config.phones, config.hidden)
        nn.init.normal_(self.embed.weight, std=config.hidden**-0.5)
        self.scale = math.sqrt(config.hidden)  # unit variance, beside positions of amplitude 1
        self.encoder = FFTStack(config, config.encoder_layers)
        self.decoder = FFTStack(config, config.decoder_layers)
        self.predictor = CodebookPredictor(config, config.content)
        self.project = nn.Linear(config.stream_dim, config.stream_dim)
        self.head = StreamHeads(config, config.content)

    def encode(self, phonemes: Tensor, mask: Tensor) -> Tensor:
        """Ids (B, N) to p (B, N, hidden)."""
        return self.encoder(self.embed(phonemes) * self.scale, mask)

    def decode(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, hidden) to z (B, L, hidden): what equation 5 compares."""
        return self.decoder(x, mask)

    def predict(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """z (B, L, hidden) to the latent h̃ (B, n, L, stream_dim) and the logits (B, n, L, vocab)."""
        h = self.predictor(z, mask)
        return self.project(h), self.head(h)


class DurationPredictor(nn.Module):
    """FastSpeech 2's: two convolutions with ReLU, layer norm and dropout, and a linear layer; log of the tokens."""

    longest = 400  # tokens, 5 s: an untrained predictor must not ask for more memory than there is

    def __init__(self, config: Config) -> None:
        super().__init__()
        dim = config.hidden
        self.convs = nn.ModuleList(MaskedConv(dim, dim, 3) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(dim, 1)

    def forward(self, p: Tensor, mask: Tensor) -> Tensor:
        """p (B, N, hidden) to log durations in tokens (B, N)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            p = self.dropout(norm(F.relu(conv(p, mask))))
        return self.out(p)[..., 0]

    def durations(self, p: Tensor, mask: Tensor) -> Tensor:
        """Whole tokens (B, N), at least 1 each; 0 behind the phonemes."""
        tokens = self(p, mask).float().clamp(max=math.log(self.longest)).exp().round().clamp(min=1)
        return tokens.long() * mask


def duration_loss(predicted: Tensor, spans: Tensor, mask: Tensor) -> Tensor:
    """L_d: mean squared error of log durations over the phonemes; spans (B, N) are at least 1 (0 counts as 1)."""
    error = (predicted.float() - spans.clamp(min=1).float().log()).square()
    return (error * mask).sum() / mask.sum()
