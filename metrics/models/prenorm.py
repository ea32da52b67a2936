"""The pre-norm transformer that WavLM large and AV-HuBERT large share (fairseq's), for inference, and the convolutions
that WavLM large and emotion2vec put before theirs; wav2vec 2.0 base is made of its parts too. There is no padding mask:
every clip goes through alone.

Parameters carry fairseq's names, so that published weights load as they are.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONVOLUTIONS = ((10, 5), *((3, 2),) * 4, *((2, 2),) * 2)
"""(width, stride) of the convolutions over samples."""
CHANNELS = 512
SHORTEST = 400
"""Samples that make one frame: the receptive field."""


class Convolutions(nn.Module):
    """(B, T) samples, T >= 400, to (B, 512, (T - 400) // 320 + 1): each layer normalised over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        for i, (width, stride) in enumerate(CONVOLUTIONS):
            convolution = nn.Conv1d(CHANNELS if i else 1, CHANNELS, width, stride, bias=False)
            norm = nn.Sequential(nn.Identity(), nn.LayerNorm(CHANNELS))
            self.conv_layers.append(nn.Sequential(convolution, nn.Identity(), norm))

    def forward(self, samples: Tensor) -> Tensor:
        x = samples.unsqueeze(1)
        for convolution, _, norm in self.conv_layers:
            x = F.gelu(norm(convolution(x).transpose(1, 2)).transpose(1, 2))
        return x


class Positions(nn.Module):
    """(B, N, C) to (B, N, C): a grouped convolution of width 128, normalised tap by tap (weight norm), and GELU."""

    def __init__(self, width: int, taps: int = 128, groups: int = 16) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(1, 1, taps))
        self.weight_v = nn.Parameter(torch.zeros(width, width // groups, taps))
        self.bias = nn.Parameter(torch.zeros(width))
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        taps = self.weight_v.shape[2]
        weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=(0, 1), keepdim=True))
        y = F.conv1d(x.transpose(1, 2), weight, self.bias, padding=taps // 2, groups=self.groups)
        return F.gelu(y[..., : x.shape[1]].transpose(1, 2))


class Attention(nn.Module):
    """(B, N, C) to (B, N, C). Where ``gated``, each query scales the (H, N, N) position bias it is given for itself
    (WavLM, Chen et al. 2022, section IV-A)."""

    def __init__(self, width: int, heads: int, gated: bool) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))
        if gated:
            self.grep_linear = nn.Linear(width // heads, 8)
            self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        batch, count, width = x.shape

        def split(y: Tensor) -> Tensor:
            return y.view(batch, count, self.heads, -1).transpose(1, 2)

        if bias is not None:
            gates = torch.sigmoid(self.grep_linear(split(x)).unflatten(-1, (2, 4)).sum(-1))
            update, reset = gates[..., :1], gates[..., 1:]
            bias = (update * (reset * self.grep_a - 1) + 2) * bias
        q, k, v = (split(layer(x)) for layer in (self.q_proj, self.k_proj, self.v_proj))
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.out_proj(heads.transpose(1, 2).reshape(batch, count, width))


class Layer(nn.Module):
    """Attention and feed-forward, each after its norm and beside a residual."""

    def __init__(self, width: int, heads: int, gated: bool) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads, gated)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), bias)
        return x + self.fc2(F.gelu(self.fc1(self.final_layer_norm(x))))


class Encoder(nn.Module):
    """(B, N, C) to the states before each layer and, after the last norm, behind them: ``layers`` + 1 of (B, N, C)."""

    def __init__(self, width: int, heads: int, layers: int, gated: bool = False) -> None:
        super().__init__()
        self.pos_conv = nn.Sequential(Positions(width))
        self.layers = nn.ModuleList(Layer(width, heads, gated) for _ in range(layers))
        self.layer_norm = nn.LayerNorm(width)
        if gated:
            self.layers[0].self_attn.relative_attention_bias = nn.Embedding(_BUCKETS, heads)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = x + self.pos_conv(x)
        table = getattr(self.layers[0].self_attn, "relative_attention_bias", None)
        bias = None if table is None else table(distances(x.shape[1], x.device)).permute(2, 0, 1)
        states = []
        for layer in self.layers:
            states.append(x)
            x = layer(x, bias)
        return [*states, self.layer_norm(x)]


_BUCKETS, _FARTHEST = 320, 800


def distances(count: int, device: torch.device | None = None) -> Tensor:
    """(N, N) bucket, 0 to 319, of how far the key (second axis) is after the query: T5's, half of them for keys that
    come later; one a frame up to 79 frames, then logarithmic, the last from 800 on."""
    frames = torch.arange(count, device=device)
    offset = frames[None] - frames[:, None]
    half, exact = _BUCKETS // 2, _BUCKETS // 4
    far = offset.abs().float().clamp(min=1)
    coarse = exact + (torch.log(far / exact) / math.log(_FARTHEST / exact) * (half - exact)).long()
    bucket = torch.where(offset.abs() < exact, offset.abs(), coarse.clamp(max=half - 1))
    return bucket + half * (offset > 0)
