"""AV-HuBERT large (Shi et al. 2022), for inference: joint features of a mouth's pictures and its sound, at 25 Hz.

Grey mouth crops go through a 3-D convolution and a ResNet-18, stacked log filterbanks through a linear layer; both
features side by side, normalised and projected, go through a pre-norm transformer. Parameters carry the published
names.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from dubbench.metrics.models.prenorm import Encoder
from dubbench.weights.state import read_state, with_state

WIDTH, HEADS, LAYERS = 1024, 16, 24
CROP = 88
"""Side of the mouth crops in pixels."""
BANK = 104
"""Filterbank values of one video frame: 26 bands, four frames stacked."""
VISUAL = 512


class Residual(nn.Module):
    """ResNet's basic block with PReLU."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(out), nn.BatchNorm2d(out)
        self.relu1, self.relu2 = nn.PReLU(out), nn.PReLU(out)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or into != out:
            self.downsample = nn.Sequential(nn.Conv2d(into, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        beside = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + beside)


class Trunk(nn.Module):
    """ResNet-18 behind its first convolution: (N, 64, 22, 22) to (N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(Residual(into, out, stride), Residual(out, out, 1))
            for into, out, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


class ResNet(nn.Module):
    """(B, 1, N, 88, 88) to (B, N, 512)."""

    def __init__(self) -> None:
        super().__init__()
        self.frontend3D = nn.Sequential(
            nn.Conv3d(1, 64, (5, 7, 7), (1, 2, 2), (2, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.PReLU(64),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
        )
        self.trunk = Trunk()

    def forward(self, crops: Tensor) -> Tensor:
        x = self.frontend3D(crops).transpose(1, 2)
        return self.trunk(x.flatten(0, 1)).unflatten(0, x.shape[:2])


class Modality(nn.Module):
    """One input's features (B, N, 1024)."""

    def __init__(self, into: int, width: int, resnet: ResNet | None) -> None:
        super().__init__()
        self.resnet = resnet
        self.proj = nn.Linear(into, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x if self.resnet is None else self.resnet(x))


class AVHuBERT(nn.Module):
    """Video and sound to features at 25 Hz. `see` and `hear` are apart, because many dubs share one video."""

    def __init__(self, width: int = WIDTH, heads: int = HEADS, layers: int = LAYERS) -> None:
        super().__init__()
        self.feature_extractor_audio = Modality(BANK, width, None)
        self.feature_extractor_video = Modality(VISUAL, width, ResNet())
        self.layer_norm = nn.LayerNorm(2 * width)
        self.post_extract_proj = nn.Linear(2 * width, width)
        self.encoder = Encoder(width, heads, layers)

    def see(self, crops: Tensor) -> Tensor:
        """(B, N, 88, 88) grey crops, normalised, to (B, N, 1024)."""
        return self.feature_extractor_video(crops.unsqueeze(1))

    def hear(self, seen: Tensor, banks: Tensor) -> Tensor:
        """What `see` gave and (B, N, 104) filterbanks of the same frames to (B, N, 1024): the last layer, normed."""
        both = torch.cat([self.feature_extractor_audio(banks), seen], dim=2)
        states: list[Tensor] = self.encoder(self.post_extract_proj(self.layer_norm(both)))
        return states[-1]


def load_avhubert(weights: Path, device: str = "cpu") -> AVHuBERT:
    """The network with the weights of a safetensors file.

    Raises:
        DubbenchError: they are not AV-HuBERT large's.
    """
    with torch.device("meta"):
        network = AVHuBERT()
    return with_state(network, read_state(weights), str(weights)).to(device)
