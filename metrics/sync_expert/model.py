"""The two encoders: lips and log-mels to unit vectors, one every 40 ms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dubbench.errors import DubbenchError, require
from dubbench.runtime.files import atomic
from dubbench.weights.exact import load_exactly

from .signals import BANDS, LIP_WIDTH

VERSION = 1
"""Raised whenever the same weights would read other signals or stand in another network."""
EMBEDDING = 64


class Block(nn.Module):
    """Convolution in time without padding, each frame's channels normalised, GELU."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, out, kernel, stride)
        self.norm = nn.LayerNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, T) to (B, out, T')."""
        return F.gelu(self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2))


class Expert(nn.Module):
    """Both encoders, and the temperature that they are trained with.

    Args:
        width: channels of the lip encoder; the sound encoder has half as many again.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.width = width
        wide = width * 3 // 2
        self.lips = nn.Sequential(
            Block(LIP_WIDTH, width, 5),
            Block(width, width, 5),
            Block(width, width, 3),
            nn.Conv1d(width, EMBEDDING, 1),
        )
        self.mel = nn.Sequential(
            Block(BANDS, wide, 6, 2),
            Block(wide, wide, 6, 2),
            Block(wide, wide, 5),
            Block(wide, wide, 3),
            nn.Conv1d(wide, EMBEDDING, 1),
        )
        self.scale = nn.Parameter(torch.tensor(3.0))

    def see(self, lips: Tensor) -> Tensor:
        """(B, F + 10, 71) lips with `LIP_CONTEXT` frames on both sides to (B, F, 64) unit vectors."""
        return F.normalize(self.lips(lips.transpose(1, 2)).transpose(1, 2), dim=2)

    def hear(self, mels: Tensor) -> Tensor:
        """(B, 4 F + 36, 32) log-mels with `MEL_CONTEXT` frames on both sides to (B, F, 64) unit vectors."""
        return F.normalize(self.mel(mels.transpose(1, 2)).transpose(1, 2), dim=2)


def save_expert(state: Mapping[str, Tensor], meta: Mapping[str, Any], path: Path) -> None:
    """Write weights, with what they say about themselves, to one safetensors file, atomically."""
    from safetensors.torch import save_file

    told = json.dumps({**meta, "version": VERSION}, sort_keys=True, separators=(",", ":"))
    with atomic(path) as temporary:
        save_file({name: x.detach().contiguous() for name, x in state.items()}, temporary, {"dubbench": told})


def load_expert(path: Path) -> tuple[Expert, dict[str, Any]]:
    """The expert in eval mode with its weights as float32, and what they say about themselves.

    Raises:
        DubbenchError: missing, damaged, or not the weights of this version of the expert; or torch or safetensors is
            not installed.
    """
    safetensors = require("safetensors", "metrics", "the sync expert")
    if not path.is_file():
        raise DubbenchError(f"{path}: no such weights; they are made by: dubbench train sync")
    try:
        with safetensors.safe_open(path, "pt") as file:
            meta = json.loads((file.metadata() or {}).get("dubbench", "{}"))
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - no dictionary
    except Exception as error:  # safetensors raises its own kind
        raise DubbenchError(f"{path}: damaged or cut short ({error})") from error
    if meta.get("version") != VERSION:
        raise DubbenchError(f"{path}: not weights of version {VERSION} of the sync expert")
    model = Expert(meta["settings"]["width"])
    load_exactly(model, state, f"{path}: its weights do not fit")
    return model.eval(), meta
