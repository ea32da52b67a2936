"""S3FD, the face detector of SyncNet's pipeline (Zhang et al., S3FD: Single Shot Scale-invariant Face Detector, 2017).

VGG-16 with two more convolutions and two extra stages; six feature maps, on each a box and a score for one square
anchor a place. `S3FDNet` has the names of the published ``sfd_face.pth``, which loads strictly.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.metrics.models.running import exact
from dubbench.metrics.syncnet.network import blocked
from dubbench.weights.state import read_state, with_state

Boxes = NDArray[np.float64]

MEAN = (123.0, 117.0, 104.0)
"""Red, green, blue, taken off the picture."""
VARIANCES = (0.1, 0.2)
_TAPS = {15: ("L2Norm3_3", 256), 22: ("L2Norm4_3", 512), 29: ("L2Norm5_3", 512)}  # layer of `vgg` -> its normalisation
_MOST, _KEPT = 5000, 750
_BATCH = 8
_GPU_BATCH = 64


class _L2Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-10
        return self.weight[None, :, None, None] * (x / length)


class S3FDNet(nn.Module):
    """The network as published."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for stage, (count, out) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
            for _ in range(count):
                layers += [nn.Conv2d(width, out, 3, padding=1), nn.ReLU()]
                width = out
            layers.append(nn.MaxPool2d(2, ceil_mode=stage == 2))
        layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU(), nn.Conv2d(1024, 1024, 1), nn.ReLU()]
        self.vgg = nn.ModuleList(layers)
        for name, channels in _TAPS.values():
            self.add_module(name, _L2Norm(channels))
        self.extras = nn.ModuleList(
            [
                nn.Conv2d(1024, 256, 1),
                nn.Conv2d(256, 512, 3, 2, 1),
                nn.Conv2d(512, 128, 1),
                nn.Conv2d(128, 256, 3, 2, 1),
            ]
        )
        widths = (256, 512, 512, 1024, 512, 256)
        self.loc = nn.ModuleList([nn.Conv2d(w, 4, 3, padding=1) for w in widths])
        self.conf = nn.ModuleList([nn.Conv2d(w, 2 if at else 4, 3, padding=1) for at, w in enumerate(widths)])

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Of (N, 3, H, W) red green blue pictures less `MEAN`: scores (N, A) in [0, 1], and boxes (N, A, 4), left top
        right bottom as shares of the picture's width and height. A counts the anchors of all six maps."""
        scores, boxes = [], []
        for at, source in enumerate(self._sources(pictures)):
            found = self.conf[at](source)
            if at == 0:  # the finest map has three kinds of background; the strongest counts
                found = torch.cat([found[:, :3].amax(dim=1, keepdim=True), found[:, 3:]], dim=1)
            scores.append(found.permute(0, 2, 3, 1).flatten(1, 2).softmax(dim=-1)[..., 1])
            shift = self.loc[at](source).permute(0, 2, 3, 1).flatten(1, 2)
            anchors = _anchors(source.shape[2:], pictures.shape[2:], at).to(shift)
            centre = anchors[:, :2] + shift[..., :2] * VARIANCES[0] * anchors[:, 2:]
            size = anchors[:, 2:] * torch.exp(shift[..., 2:] * VARIANCES[1])
            corner = centre - size / 2
            boxes.append(torch.cat([corner, size + corner], dim=-1))
        return torch.cat(scores, dim=1), torch.cat(boxes, dim=1)

    def _sources(self, x: Tensor) -> list[Tensor]:
        sources = []
        for at, layer in enumerate(self.vgg):
            x = layer(x)
            if at in _TAPS:
                norm: Any = getattr(self, _TAPS[at][0])
                sources.append(norm(_dense(x)))
        x = _dense(x)
        sources.append(x)
        for at, layer in enumerate(self.extras):
            x = F.relu(layer(x))
            if at % 2:
                sources.append(x)
        return sources


def _dense(x: Tensor) -> Tensor:
    return x.to_dense() if x.is_mkldnn else x


def _anchors(grid: Any, picture: Any, level: int) -> Tensor:
    """(rows * columns, 4) centre x and y, width and height of the squares of one map, as shares of the picture."""
    (rows, columns), (height, width) = grid, picture
    step, side = 4 << level, 16 << level
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    parts = ((x + 0.5) / (width / step), (y + 0.5) / (height / step), np.full(x.shape, side / width))
    stacked = np.stack([*parts, np.full(x.shape, side / height)], axis=-1).reshape(-1, 4)
    return torch.from_numpy(stacked.astype(np.float32))


def load_s3fd(path: Path) -> S3FDNet:
    """`S3FDNet` with the published weights in safetensors.

    Raises:
        DubbenchError: unreadable, or not S3FD's names and shapes.
    """
    with torch.device("meta"):
        network = S3FDNet()
    return with_state(network, read_state(path), str(path))


class Detector:
    """Faces in pictures, as SyncNet's pipeline finds them.

    Args:
        network: with its weights, on the CPU.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        scale: the pictures are made smaller by this first.
        least: score above which a face counts.
    """

    def __init__(self, network: S3FDNet, device: str = "cpu", scale: float = 0.25, least: float = 0.9) -> None:
        self.device, self.scale, self.least = torch.device(device), scale, least
        self._network = copy.deepcopy(network).eval().requires_grad_(False)
        self._blocked = self.device.type == "cpu" and torch.backends.mkldnn.is_available()
        if self._blocked:
            self._network.vgg = nn.ModuleList([blocked(layer) for layer in self._network.vgg])
        self._network.to(self.device)
        self.batch = _BATCH if self.device.type == "cpu" else _GPU_BATCH

    def __call__(self, pictures: list[NDArray[np.uint8]]) -> list[Boxes]:
        """For each of at most `batch` (H, W, 3) pictures of one size, blue green red: (K, 4) left, top, right, bottom
        in pixels, the surest first."""
        import cv2

        small = [cv2.resize(p, (0, 0), fx=self.scale, fy=self.scale, interpolation=cv2.INTER_LINEAR) for p in pictures]
        x = torch.from_numpy(np.stack(small)[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32))
        x = x - torch.tensor(MEAN)[:, None, None]
        with exact():
            x = x.to(self.device)
            scores, boxes = self._network(x.to_mkldnn() if self._blocked else x)
            height, width = pictures[0].shape[:2]
            size = torch.tensor([width, height, width, height], dtype=torch.float32)
            pairs = zip(scores.cpu(), boxes.cpu(), strict=True)
            return [_faces(score, box, self.least, size) for score, box in pairs]


def _faces(scores: Tensor, boxes: Tensor, least: float, size: Tensor) -> Boxes:
    """The original suppresses twice: among all anchors at 0.3, and again in pixels at 0.1."""
    sure = scores > least
    scores, boxes = scores[sure], boxes[sure]
    order = scores.sort(stable=True).indices[-_MOST:].flip(0).numpy()
    kept = order[suppress(boxes.numpy()[order], 0.3)][:_KEPT]
    pixels = (boxes[kept] * size).numpy().astype(np.float64)
    order = scores[kept].numpy().astype(np.float64).argsort()[::-1]
    return pixels[order[suppress(pixels[order], 0.1)]]


def suppress(boxes: NDArray[np.floating], overlap: float) -> NDArray[np.intp]:
    """Indices of those of (K, 4) boxes, the best first, that overlap no better kept one by more than ``overlap``
    (intersection over union)."""
    left, top, right, bottom = boxes.T
    area = (right - left) * (bottom - top)
    kept, rest = [], np.arange(len(boxes))
    while len(rest):
        best, rest = rest[0], rest[1:]
        kept.append(best)
        wide = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        high = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        rest = rest[shared / (area[best] + area[rest] - shared) <= overlap]
    return np.array(kept, np.intp)
