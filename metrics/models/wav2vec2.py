"""wav2vec 2.0 base (Baevski et al. 2020), for inference.

Seven convolutions take samples at 16 kHz to 512 features every 320 samples; a linear layer, a convolution that stands
for positions and twelve post-norm transformer layers make 768 of them. There is no padding mask: every sound goes
through alone. Parameters carry fairseq's names, so that published weights load as they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dubbench.metrics.models.prenorm import CHANNELS, CONVOLUTIONS, Attention, Positions

WIDTH = 768
HEADS = 12
LAYERS = 12


class Wav2Vec2(nn.Module):
    """(B, T) samples at 16 kHz, T >= 400, to (B, (T - 400) // 320 + 1, 768) features."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_extractor = FeatureExtractor()
        self.layer_norm = nn.LayerNorm(CHANNELS)
        self.post_extract_proj = nn.Linear(CHANNELS, WIDTH)
        self.encoder = Encoder()
        self.mask_emb = nn.Parameter(torch.zeros(WIDTH))  # of pre-training; in the weights, never used

    def forward(self, samples: Tensor) -> Tensor:
        features = self.feature_extractor(samples).transpose(1, 2)
        return self.encoder(self.post_extract_proj(self.layer_norm(features)))


class FeatureExtractor(nn.Module):
    """(B, T) to (B, 512, frames). The first layer is normalised over time in each channel: level hardly matters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for i, (width, stride) in enumerate(CONVOLUTIONS):
            convolution = nn.Conv1d(CHANNELS if i else 1, CHANNELS, width, stride, bias=False)
            norm = nn.Identity() if i else nn.GroupNorm(CHANNELS, CHANNELS)
            self.conv_layers.append(nn.Sequential(convolution, nn.Identity(), norm, nn.GELU()))

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.unsqueeze(1)
        for layer in self.conv_layers:
            x = layer(x)
        return x


class Encoder(nn.Module):
    """Positions and transformer: (B, N, 768) to (B, N, 768)."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(Positions(WIDTH))
        self.layer_norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x + self.pos_conv(x))
        for layer in self.layers:
            x = layer(x)
        return x


class Layer(nn.Module):
    """Attention and feed-forward, each normalised after its sum."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = Attention(WIDTH, HEADS, gated=False)
        self.self_attn_layer_norm = nn.LayerNorm(WIDTH)
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)
        self.final_layer_norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attn(x, None))
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))
