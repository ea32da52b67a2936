"""emotion2vec (Ma et al. 2024), for inference: a data2vec 2.0 audio encoder.

Convolutions over samples, five grouped convolutions that stand for positions, ten extra tokens in front, and post-norm
transformer blocks whose attention falls off linearly with distance (ALiBi), scaled by learnt factors. Parameters carry
the published names; how wide and deep the network is follows from their shapes, so that ``base`` (768, 4 + 8 blocks)
and the ``plus`` models load alike.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.metrics.models.prenorm import CHANNELS, Convolutions
from dubbench.weights.state import read_state, with_state

EXTRA_TOKENS = 10
POSITION_LAYERS, POSITION_TAPS, POSITION_GROUPS = 5, 19, 16
HEAD = 64
"""Channels of one attention head, in all published sizes."""


class Mlp(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Attention(nn.Module):
    """(B, N, C) to (B, N, C); ``bias`` (1, H, N, N) is added to the logits."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(2, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and feed-forward, each beside a residual and before its norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.mlp = Attention(width), Mlp(width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = self.norm1(x + self.attn(x, bias))
        return self.norm2(x + self.mlp(x))


class Prenet(nn.Module):
    """A norm, then the first blocks."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))


class AudioEncoder(nn.Module):
    """Everything before the main blocks."""

    def __init__(self, width: int, prenet: int, alibi_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.local_encoder = Convolutions()
        self.project_features = nn.Sequential(nn.Identity(), nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, width))
        self.relative_positional_encoder = nn.ModuleList(
            [nn.Identity()]
            + [
                nn.Sequential(
                    nn.Conv1d(width, width, POSITION_TAPS, padding=POSITION_TAPS // 2, groups=POSITION_GROUPS)
                )
                for _ in range(POSITION_LAYERS)
            ]
        )
        self.extra_tokens = nn.Parameter(torch.zeros(1, EXTRA_TOKENS, width))
        self.alibi_scale = nn.Parameter(torch.ones(alibi_shape))
        self.context_encoder = Prenet(width, prenet)

    def forward(self, samples: Tensor) -> Tensor:
        """(B, T) to (B, 10 + N, C), before the blocks."""
        x = self.project_features(self.local_encoder(samples).transpose(1, 2))
        positions = x
        for layer in self.relative_positional_encoder[1:]:
            y = layer(positions.transpose(1, 2)).transpose(1, 2)
            positions = F.gelu(F.layer_norm(y, y.shape[2:]))
        tokens = self.extra_tokens.expand(len(x), -1, -1)
        return self.context_encoder.norm(torch.cat([tokens, x + positions], dim=1))


class Emotion2vec(nn.Module):
    """(B, T) samples at 16 kHz, T >= 400, to (B, (T - 400) // 320 + 1, C) features at 50 Hz.

    Each sound is brought to mean 0 and variance 1 first, so that its level leaves no trace.
    """

    def __init__(
        self, width: int = 768, prenet: int = 4, depth: int = 8, alibi_shape: tuple[int, ...] = (1, 1, 12, 1, 1)
    ) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.modality_encoders = nn.ModuleDict({"AUDIO": AudioEncoder(width, prenet, alibi_shape)})
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))

    def forward(self, samples: Tensor) -> Tensor:
        audio = self.modality_encoders["AUDIO"]
        x = audio(F.layer_norm(samples, samples.shape[1:]))
        bias = alibi(x.shape[1] - EXTRA_TOKENS, self.heads).to(x)
        bias = F.pad(bias, (EXTRA_TOKENS, 0, EXTRA_TOKENS, 0))
        blocks = [*audio.context_encoder.blocks, *self.blocks]
        scales = audio.alibi_scale.clamp(min=0).expand(len(blocks), -1, -1, -1, -1)
        for block, scale in zip(blocks, scales, strict=True):
            x = block(x, bias * scale)
        return x[:, EXTRA_TOKENS:]


def alibi(count: int, heads: int) -> Tensor:
    """(heads, N, N): minus the distance of two frames times the head's slope (Press et al. 2022, both directions)."""

    def slopes(n: int) -> list[float]:
        return [2 ** (-8 * (i + 1) / n) for i in range(n)]

    power = 2 ** math.floor(math.log2(heads))  # other counts borrow every other slope of the next power
    chosen = slopes(power) + slopes(2 * power)[::2][: heads - power]
    frames = torch.arange(count)
    return torch.tensor(chosen)[:, None, None] * -(frames[None] - frames[:, None]).abs()


def load_emotion2vec(weights: Path, device: str = "cpu") -> Emotion2vec:
    """The network with the weights of a safetensors file.

    Raises:
        DubbenchError: they are not emotion2vec's.
    """
    return emotion2vec_with(read_state(weights), str(weights)).to(device)


def emotion2vec_with(state: dict[str, Tensor], where: str = "state") -> Emotion2vec:
    """The network with these parameters, as wide and deep as they are.

    Raises:
        DubbenchError: names or shapes do not fit.
    """
    audio = "modality_encoders.AUDIO."
    state = dict(state)
    scale = state.get(audio + "alibi_scale")
    tokens = state.get(audio + "extra_tokens")
    if scale is None or tokens is None:
        raise DubbenchError(f"{where}: not weights of emotion2vec: {audio}alibi_scale or extra_tokens is missing")
    if scale.dim() == 4:  # of older checkpoints
        scale = state[audio + "alibi_scale"] = scale[None]

    def count(prefix: str) -> int:
        return len({name[len(prefix) :].partition(".")[0] for name in state if name.startswith(prefix)})

    with torch.device("meta"):
        network = Emotion2vec(
            tokens.shape[2], count(audio + "context_encoder.blocks."), count("blocks."), tuple(scale.shape)
        )
    return with_state(network, state, where, training_only=(audio + "decoder.",))
