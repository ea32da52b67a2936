"""Layers of FACodec: weight norm, anti-aliased Snake, residual unit, factorised quantiser, timbre transformer.

Written anew after the public implementation (open-mmlab/Amphion, ``models/codec/ns3_codec``, MIT) and
NaturalSpeech 3 (arXiv 2403.03100, appendix B). Names and shapes of the parameters are those of its checkpoints.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Normed(nn.Module):
    """Mixin for a layer whose ``weight`` is weight_g * weight_v / |weight_v|, the norm over all axes but the first.

    The checkpoint holds weight_g and weight_v; `fold` replaces both by the product, once and for all.
    """

    def split(self) -> None:
        """Replace the fresh ``weight`` by weight_v and weight_g."""
        v = self._parameters.pop("weight")
        self.weight_v, self.weight_g = v, nn.Parameter(_norm(v.detach()))

    def kernel(self) -> Tensor:
        """The weight to use."""
        if "weight" in self._parameters:
            return self._parameters["weight"]
        return self.weight_v * (self.weight_g / _norm(self.weight_v))

    def fold(self) -> None:
        """Keep `kernel` as a plain weight that no longer trains."""
        if "weight" not in self._parameters:
            weight = self.kernel().detach()
            del self.weight_g, self.weight_v
            self.weight = nn.Parameter(weight, requires_grad=False)


def _norm(v: Tensor) -> Tensor:
    return v.flatten(1).norm(dim=1).view(-1, *[1] * (v.ndim - 1))


class Conv(Normed, nn.Conv1d):
    """Weight-normed `nn.Conv1d`."""

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__(*args, **kwargs)
        self.split()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(x, self.kernel(), self.bias, self.stride, self.padding, self.dilation)


class UpConv(Normed, nn.ConvTranspose1d):
    """Weight-normed `nn.ConvTranspose1d` that multiplies the length by ``stride`` exactly."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        pad, odd = stride // 2 + stride % 2, stride % 2
        super().__init__(inside, outside, 2 * stride, stride, pad, odd)
        self.split()

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(x, self.kernel(), self.bias, self.stride, self.padding, self.output_padding)


class Project(Normed, nn.Linear):
    """Weight-normed `nn.Linear`."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(inside, outside)
        self.split()

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.kernel(), self.bias)


class SnakeBeta(nn.Module):
    """x + sin²(e^alpha x) / e^beta, a pair a channel (arXiv 2006.08195)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        wave = (x * alpha).sin()
        return torch.addcmul(x, wave, wave / (beta + 1e-9))


TAPS = 12


def low_pass() -> Tensor:
    """(1, 1, 12) Kaiser-windowed sinc at a quarter of the (doubled) rate, of sum 1 (half width 0.3)."""
    attenuation = 2.285 * (TAPS // 2 - 1) * math.pi * 4 * 0.3 + 7.95  # 51 dB, by Kaiser's formula
    beta = 0.1102 * (attenuation - 8.7)
    window = torch.kaiser_window(TAPS, periodic=False, beta=beta)
    taps = window * torch.sinc((torch.arange(TAPS) - TAPS / 2 + 0.5) / 2)
    return (taps / taps.sum()).view(1, 1, TAPS)


class _Up(nn.Module):
    """(B, C, T) to (B, C, 2 T): zeros between the samples, low-passed."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass())

    def forward(self, x: Tensor) -> Tensor:
        c = x.shape[1]
        x = F.pad(x, (3, 3), mode="replicate")
        return F.conv_transpose1d(x, (2 * self.filter).expand(c, -1, -1), stride=2, padding=11, groups=c)


class _LowPass(nn.Module):
    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", low_pass())


class _Down(nn.Module):
    """(B, C, 2 T) to (B, C, T): low-passed, then every second sample."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _LowPass()

    def forward(self, x: Tensor) -> Tensor:
        c = x.shape[1]
        x = F.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(x, self.lowpass.filter.expand(c, -1, -1), stride=2, groups=c)


class Activation(nn.Module):
    """`SnakeBeta` at twice the rate, so that the harmonics it makes do not fold back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = _Up()
        self.downsample = _Down()

    def forward(self, x: Tensor) -> Tensor:
        return self.downsample(self.act(self.upsample(x)))


class ResidualUnit(nn.Module):
    """x plus two activated convolutions, the first of width 7 and dilated."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Activation(channels),
            Conv(channels, channels, kernel_size=7, dilation=dilation, padding=3 * dilation),
            Activation(channels),
            Conv(channels, channels, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Quantizer(nn.Module):
    """Codes chosen by cosine in 8 dimensions, projected back to the model's width."""

    def __init__(self, width: int, codes: int, code_width: int) -> None:
        super().__init__()
        self.in_proj = Project(width, code_width)
        self.out_proj = Project(code_width, width)
        self._codebook = nn.Embedding(codes, code_width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) to codes (B, T) and what they stand for (B, T, D)."""
        codebook = F.normalize(self._codebook.weight, dim=-1)
        codes = (F.normalize(self.in_proj(x), dim=-1) @ codebook.T).argmax(-1)
        return codes, self.embed(codes)

    def embed(self, codes: Tensor) -> Tensor:
        """(B, T) to (B, T, D)."""
        return self.out_proj(self._codebook(codes))


class ResidualQuantizer(nn.Module):
    """Quantisers in a row, each on what the ones before left over."""

    def __init__(self, books: int, width: int, codes: int, code_width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Quantizer(width, codes, code_width) for _ in range(books))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) to codes (books, B, T) and their sum (B, T, D)."""
        total, codes = torch.zeros_like(x), []
        for layer in self.layers:
            ids, value = layer(x - total)
            total = total + value
            codes.append(ids)
        return torch.stack(codes), total

    def embed(self, codes: Tensor) -> Tensor:
        """(books, B, T) to (B, T, D)."""
        return torch.stack([layer.embed(ids) for layer, ids in zip(self.layers, codes, strict=True)]).sum(0)


class _Positions(nn.Module):
    pe: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("pe", torch.zeros(5000, 1, width))


class _FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.ffn_1 = nn.Conv1d(width, hidden, 5, padding=2)
        self.ffn_2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.ffn_2(F.relu(self.ffn_1(x.mT).mT))


class _TimbreLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.ln_2 = nn.LayerNorm(width)
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ffn = _FeedForward(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.self_attn(y, y, y, need_weights=False)[0]
        return x + self.ffn(self.ln_2(x))


class TimbreEncoder(nn.Module):
    """(B, T, D) to (B, T, D); its mean over time is the speaker vector.

    The original adds the position of the utterance in its batch where it means the position in time. The weights
    were trained that way and are used one utterance at a time, so every frame gets position 0 here.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.position_emb = _Positions(width)
        self.layers = nn.ModuleList(_TimbreLayer(width, 4, 4 * width) for _ in range(4))
        self.last_ln = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.position_emb.pe[0]
        for layer in self.layers:
            x = layer(x)
        return self.last_ln(x)
