"""SyncNet v2: two convolutional networks, one for five face crops, one for 0.2 s of sound.

Chung and Zisserman, Out of time: automated lip sync in the wild (ACCV workshops 2016), in the form of the published
``syncnet_v2.model``: 1024 numbers an encoder, not of unit length. `SyncNet` has the published names, so that the file
loads strictly. `Embedder` computes the same on whole sequences: batch normalisation folded into the convolutions, the
five pictures of a window stacked as fifteen channels (the first layer spans all five, so that it is a plain
convolution), and on the CPU the memory layout in which no layer has to be turned round.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.metrics.models.running import exact
from dubbench.weights.state import read_state, with_state

SIZE = 224
SPAN = 5
"""Frames a window."""
COLUMNS = 20
"""Cepstra a window, at 100 a second."""
PER_FRAME = 4
"""Cepstra a frame."""
WIDTH = 1024
_LIPS_BATCH = 4  # windows whose first feature maps stay in a core's cache; larger is slower
_SOUND_BATCH = 32
_GPU_BATCH = 64


class SyncNet(nn.Module):
    """The network as published. ``forward`` of neither part normalises its 1024 outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_block(nn.Conv2d(1, 64, 3, padding=1)),
            nn.MaxPool2d(1),
            *_block(nn.Conv2d(64, 192, 3, padding=1)),
            nn.MaxPool2d(3, (1, 2)),
            *_block(nn.Conv2d(192, 384, 3, padding=1)),
            *_block(nn.Conv2d(384, 256, 3, padding=1)),
            *_block(nn.Conv2d(256, 256, 3, padding=1)),
            nn.MaxPool2d(3, 2),
            *_block(nn.Conv2d(256, 512, (5, 4))),
        )
        self.netfcaud = _head()
        self.netfclip = _head()
        self.netcnnlip = nn.Sequential(
            *_block(nn.Conv3d(3, 96, (5, 7, 7), (1, 2, 2))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d(96, 256, (1, 5, 5), (1, 2, 2), (0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            *_block(nn.Conv3d(256, 256, (1, 3, 3), padding=(0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_block(nn.Conv3d(256, 512, (1, 6, 6))),
        )

    def lips(self, windows: Tensor) -> Tensor:
        """(N, 1024) of (N, 3, 5, 224, 224): five pictures, blue green red, 0 to 255."""
        out: Tensor = self.netfclip(self.netcnnlip(windows).flatten(1))
        return out

    def sound(self, windows: Tensor) -> Tensor:
        """(N, 1024) of (N, 1, 13, 20): 20 columns of cepstra."""
        out: Tensor = self.netfcaud(self.netcnnaud(windows).flatten(1))
        return out


def _block(convolution: nn.Module) -> tuple[nn.Module, nn.Module, nn.Module]:
    width: Any = convolution.out_channels
    norm = nn.BatchNorm3d(width) if isinstance(convolution, nn.Conv3d) else nn.BatchNorm2d(width)
    return convolution, norm, nn.ReLU()


def _head() -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, WIDTH))


def load_syncnet(path: Path) -> SyncNet:
    """`SyncNet` with the published weights in safetensors.

    Raises:
        DubbenchError: unreadable, or not SyncNet's names and shapes.
    """
    with torch.device("meta"):
        network = SyncNet()
    state = read_state(path)
    for name in network.state_dict():
        if name.endswith("num_batches_tracked"):  # a counter of training that older files lack
            state.setdefault(name, torch.tensor(0))
    return with_state(network, state, str(path))


class Embedder:
    """Embeddings of every window of a sequence. Equal to `SyncNet` up to float32 rounding.

    Args:
        network: with its weights, on the CPU.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """

    def __init__(self, network: SyncNet, device: str = "cpu") -> None:
        self.device = torch.device(device)
        self._lips = _Stack(network.netcnnlip, network.netfclip, self.device)
        self._sound = _Stack(network.netcnnaud, network.netfcaud, self.device)
        cpu = self.device.type == "cpu"
        self._batches = (_LIPS_BATCH, _SOUND_BATCH) if cpu else (_GPU_BATCH, _GPU_BATCH)

    def lips(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(F - 4, 1024) of (F, 224, 224, 3) pictures, blue green red, F >= 5; row i sees pictures i ... i + 4."""
        stacked = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).flatten(0, 1)
        windows = stacked.unfold(0, 3 * SPAN, 3)  # (F - 4, 224, 224, 15), a view
        return self._rows(self._lips, windows.movedim(-1, 1), self._batches[0])

    def sound(self, cepstra: NDArray[np.floating], count: int) -> NDArray[np.float32]:
        """(count, 1024) of (M, 13) cepstra; row i sees columns 4 i ... 4 i + 19, which must be there."""
        if len(cepstra) < PER_FRAME * (count - 1) + COLUMNS:
            raise ValueError(f"{len(cepstra)} columns of cepstra are too few for {count} windows")
        columns = torch.from_numpy(np.asarray(cepstra, np.float32))
        windows = columns.unfold(0, COLUMNS, PER_FRAME)[:count, None]  # (count, 1, 13, 20)
        return self._rows(self._sound, windows, self._batches[1])

    def _rows(self, stack: _Stack, windows: Tensor, batch: int) -> NDArray[np.float32]:
        rows = np.empty((len(windows), WIDTH), np.float32)
        with exact():
            for at in range(0, len(windows), batch):
                rows[at : at + batch] = stack(windows[at : at + batch].to(self.device).float()).cpu().numpy()
        return rows


class _Stack:
    """One encoder as plain two-dimensional convolutions without batch normalisation."""

    def __init__(self, convolutions: nn.Sequential, head: nn.Sequential, device: torch.device) -> None:
        layers: list[nn.Module] = []
        parts = list(convolutions)
        for at, part in enumerate(parts):
            if isinstance(part, nn.Conv2d | nn.Conv3d):
                layers += [_flat(part, parts[at + 1]), nn.ReLU()]
            elif isinstance(part, nn.MaxPool2d | nn.MaxPool3d) and part.kernel_size != 1:
                pool = nn.MaxPool2d(*(_last_two(v) for v in (part.kernel_size, part.stride, part.padding)))
                layers.insert(-1, pool)  # before the ReLU, with which it commutes: four times fewer numbers to clip
        network = nn.Sequential(*layers).eval().requires_grad_(False)
        self._blocked = device.type == "cpu" and torch.backends.mkldnn.is_available()
        self._convolutions = blocked(network) if self._blocked else network.to(device)
        self._head = nn.Sequential(*head).to(device)

    def __call__(self, windows: Tensor) -> Tensor:
        if self._blocked:
            maps = self._convolutions(windows.contiguous().to_mkldnn()).to_dense()
        else:
            maps = self._convolutions(windows)
        rows: Tensor = self._head(maps.flatten(1))
        return rows


def blocked(network: nn.Module) -> Any:
    """``network`` for tensors in oneDNN's own layout (``to_mkldnn``), in which no layer has to reorder its maps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, on how this part of it is written
        from torch.utils.mkldnn import to_mkldnn

        return to_mkldnn(network)


def _last_two(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[-2], value[-1])


def _flat(convolution: Any, norm: Any) -> nn.Conv2d:
    """Convolution and batch normalisation as one two-dimensional convolution; time (5 or 1) becomes channels."""
    weight, bias = convolution.weight.double(), convolution.bias.double()
    if weight.dim() == 5:
        weight = weight.transpose(1, 2).flatten(1, 2)  # (out, 5 * in, height, width), frame by frame
    gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    stride, padding = _last_two(convolution.stride), _last_two(convolution.padding)
    flat = nn.Conv2d(weight.shape[1], weight.shape[0], _last_two(convolution.kernel_size), stride, padding)
    flat.weight = nn.Parameter((weight * gain[:, None, None, None]).float().contiguous())
    flat.bias = nn.Parameter(((bias - norm.running_mean.double()) * gain + norm.bias.double()).float())
    return flat
