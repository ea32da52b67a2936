"""wav2vec 2.0 base (Baevski et al. 2020), for inference.

Seven convolutions take samples at 16 kHz to 512 features every 320 samples; a linear layer, a convolution that stands
for positions and twelve post-norm transformer layers make 768 of them. There is no padding mask: every sound goes
through alone. Parameters carry fairseq's names, so that published weights load as they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONVOLUTIONS = ((10, 5), *((3, 2),) * 4, *((2, 2),) * 2)
"""(width, stride) of the feature extractor's layers."""
CHANNELS = 512
WIDTH = 768
HEADS = 12
LAYERS = 12
SHORTEST = 400
"""Samples that make one frame: the receptive field."""


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


class PositionConvolution(nn.Module):
    """Grouped convolution of width 128 with weight normalisation over its taps; (B, C, N) to (B, C, N)."""

    taps = 128
    groups = 16

    def __init__(self) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(1, 1, self.taps))
        self.weight_v = nn.Parameter(torch.ones(WIDTH, WIDTH // self.groups, self.taps))
        self.bias = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight_v * (self.weight_g / torch.linalg.vector_norm(self.weight_v, dim=(0, 1), keepdim=True))
        return F.conv1d(x, weight, self.bias, padding=self.taps // 2, groups=self.groups)[:, :, :-1]


class Encoder(nn.Module):
    """Positions and transformer: (B, N, 768) to (B, N, 768)."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(PositionConvolution(), nn.GELU())
        self.layer_norm = nn.LayerNorm(WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x + self.pos_conv(x.transpose(1, 2)).transpose(1, 2))
        for layer in self.layers:
            x = layer(x)
        return x


class SelfAttention(nn.Module):
    """Twelve heads over (B, N, 768)."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            self.add_module(name, nn.Linear(WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        shape = (*x.shape[:2], HEADS, WIDTH // HEADS)
        q, k, v = (project(x).view(shape).transpose(1, 2) for project in (self.q_proj, self.k_proj, self.v_proj))
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).reshape(x.shape))


class Layer(nn.Module):
    """Attention and feed-forward, each normalised after its sum."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = SelfAttention()
        self.self_attn_layer_norm = nn.LayerNorm(WIDTH)
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)
        self.final_layer_norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(x + self.self_attn(x))
        return self.final_layer_norm(x + self.fc2(F.gelu(self.fc1(x))))
