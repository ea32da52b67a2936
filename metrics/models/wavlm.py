"""WavLM large with ECAPA-TDNN for speaker verification: UniSpeech's ``wavlm_large_finetune``, for inference.

The learnt mixture of WavLM's 25 hidden states (Chen et al. 2022), normalised over time, through an ECAPA-TDNN
(Desplanques et al. 2020) of 512 channels with attentive statistics. Parameters carry the published names.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dubbench.metrics.models.prenorm import CHANNELS, Convolutions, Encoder
from dubbench.weights.state import read_state, with_state

WIDTH, HEADS, LAYERS = 1024, 16, 24
INNER, SCALE, POOLED, EMBEDDING = 512, 8, 1536, 256


class WavLM(nn.Module):
    """(B, T) samples at 16 kHz, T >= 400, to the hidden states: 25 of (B, (T - 400) // 320 + 1, 1024).

    Each sound is brought to mean 0 and variance 1 first, so that its level leaves no trace.
    """

    def __init__(self, width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> None:
        super().__init__()
        self.feature_extractor = Convolutions()
        self.layer_norm = nn.LayerNorm(CHANNELS)
        self.post_extract_proj = nn.Linear(CHANNELS, width)
        self.encoder = Encoder(width, heads, layers, gated=True)

    def forward(self, samples: Tensor) -> list[Tensor]:
        features = self.feature_extractor(F.layer_norm(samples, samples.shape[1:])).transpose(1, 2)
        states: list[Tensor] = self.encoder(self.post_extract_proj(self.layer_norm(features)))
        return states


class Upstream(nn.Module):
    """The published names have WavLM one level down."""

    def __init__(self, model: WavLM) -> None:
        super().__init__()
        self.model = model


class ConvolutionNorm(nn.Module):
    """Convolution, ReLU, batch norm."""

    def __init__(self, into: int, out: int, taps: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(into, out, taps, padding=taps // 2)
        self.bn = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(F.relu(self.conv(x)))


class Res2(nn.Module):
    """Res2Net in one dimension: eight groups of channels, each but the last also fed with the one before."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        part = INNER // SCALE
        self.convs = nn.ModuleList(
            nn.Conv1d(part, part, 3, padding=dilation, dilation=dilation) for _ in range(SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(part) for _ in range(SCALE - 1))

    def forward(self, x: Tensor) -> Tensor:
        *parts, last = x.chunk(SCALE, dim=1)
        out: list[Tensor] = []
        for part, conv, bn in zip(parts, self.convs, self.bns, strict=True):
            out.append(bn(F.relu(conv(part + out[-1] if out else part))))
        return torch.cat([*out, last], dim=1)


class Squeeze(nn.Module):
    """Each channel scaled by what all channels are on average."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(INNER, 128), nn.Linear(128, INNER)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.linear2(F.relu(self.linear1(x.mean(2))))).unsqueeze(2)


class Block(nn.Module):
    """Squeeze-and-excitation Res2 block beside a residual."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.Conv1dReluBn1 = ConvolutionNorm(INNER, INNER)
        self.Res2Conv1dReluBn = Res2(dilation)
        self.Conv1dReluBn2 = ConvolutionNorm(INNER, INNER)
        self.SE_Connect = Squeeze()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.SE_Connect(self.Conv1dReluBn2(self.Res2Conv1dReluBn(self.Conv1dReluBn1(x))))


class Pooling(nn.Module):
    """(B, C, N) to (B, 2 C): mean and deviation over time, weighted by attention channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Conv1d(POOLED, 128, 1), nn.Conv1d(128, POOLED, 1)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.softmax(self.linear2(torch.tanh(self.linear1(x))), dim=2)
        mean = (weights * x).sum(2)
        variance = (weights * x**2).sum(2) - mean**2
        return torch.cat([mean, variance.clamp(min=1e-9).sqrt()], dim=1)


class SpeakerEncoder(nn.Module):
    """(B, T) samples at 16 kHz to (B, 256) embeddings, not of unit length; their cosine is the similarity.

    Two frames are the least that a mean and a deviation over time make sense of: 720 samples.
    """

    def __init__(self, width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> None:
        super().__init__()
        self.feature_extract = Upstream(WavLM(width, heads, layers))
        self.feature_weight = nn.Parameter(torch.zeros(layers + 1))
        self.layer1 = ConvolutionNorm(width, INNER, 5)
        self.layer2, self.layer3, self.layer4 = Block(2), Block(3), Block(4)
        self.conv = nn.Conv1d(3 * INNER, POOLED, 1)
        self.pooling = Pooling()
        self.bn = nn.BatchNorm1d(2 * POOLED)
        self.linear = nn.Linear(2 * POOLED, EMBEDDING)

    def forward(self, samples: Tensor) -> Tensor:
        states = torch.stack(self.feature_extract.model(samples))
        mixed = torch.einsum("s,sbnc->bcn", torch.softmax(self.feature_weight, 0), states) + 1e-6
        first = self.layer1(F.instance_norm(mixed))
        second = self.layer2(first)
        third = self.layer3(second)
        joint = torch.cat([second, third, self.layer4(third)], dim=1)
        return self.linear(self.bn(self.pooling(F.relu(self.conv(joint)))))


def load_speaker_encoder(weights: Path, device: str = "cpu") -> SpeakerEncoder:
    """The network with the weights of a safetensors file.

    Raises:
        DubbenchError: they are not WavLM large with ECAPA-TDNN.
    """
    with torch.device("meta"):
        network = SpeakerEncoder()
    unused = ("feature_extract.model.mask_emb",)
    return with_state(network, read_state(weights), str(weights), unused).to(device)
