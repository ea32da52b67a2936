"""FACodec, the codec of the paper: NaturalSpeech 3's factorised codec with its official weights.

Written anew after the public implementation (open-mmlab/Amphion, ``models/codec/ns3_codec``, MIT). Encoder 4.2 M
parameters; decoder 98.1 M, of which 62.8 M + 8.6 M sit in heads that only its own training needs: they are checked
when a checkpoint is loaded, then dropped (``heads=True`` keeps them).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import arrays_digest
from dubbench.systems.diflowdubber.codec.base import ACOUSTIC, CODES, CONTENT, PROSODY, STREAMS, Tokens, checked
from dubbench.systems.diflowdubber.codec.facodec_layers import (
    Activation,
    Conv,
    Normed,
    ResidualQuantizer,
    ResidualUnit,
    TimbreEncoder,
    UpConv,
)
from dubbench.systems.diflowdubber.codec.settle import Beliefs, requantise
from dubbench.systems.diflowdubber.geometry import Books
from dubbench.weights import convert
from dubbench.weights.exact import load_exactly

WIDTH = 256
ENCODER_FILE, DECODER_FILE = "ns3_facodec_encoder.bin", "ns3_facodec_decoder.bin"
"""File names in the official repository, amphion/naturalspeech3_facodec on the Hugging Face hub."""
_HEADS = ("f0_predictor", "phone_predictor", "res_f0_predictor", "res_phone_predictor", "x_timbre_predictor")


class _Down(nn.Module):
    """Residual units of dilation 1, 3, 9, then a convolution that divides the length by ``stride``."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(ResidualUnit(channels, dilation) for dilation in (1, 3, 9)),
            Activation(channels),
            Conv(channels, 2 * channels, kernel_size=2 * stride, stride=stride, padding=(stride + 1) // 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _Up(nn.Module):
    """The mirror of `_Down`."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Activation(channels),
            UpConv(channels, channels // 2, stride),
            *(ResidualUnit(channels // 2, dilation) for dilation in (1, 3, 9)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class FACodecEncoder(nn.Module):
    """(B, 1, 200 L) samples to (B, 256, L)."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [Conv(1, 32, kernel_size=7, padding=3)]
        for i, stride in enumerate((2, 4, 5, 5)):
            layers.append(_Down(32 << i, stride))
        self.block = nn.Sequential(*layers, Activation(512), Conv(512, WIDTH, kernel_size=3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class _Head(nn.Module):
    """(B, 256, L) to one (B, L, out) a head, or (B, out) with ``pooled``: what the codec's own training predicts."""

    def __init__(self, out: int, heads: int, pooled: bool = False) -> None:
        super().__init__()
        self.pooled = pooled
        self.model = nn.Sequential(*(ResidualUnit(WIDTH, dilation) for dilation in (1, 2, 3)), Activation(WIDTH))
        self.heads = nn.ModuleList(nn.Linear(WIDTH, out) for _ in range(heads))

    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.model(x).mT
        return [head(y.mean(1) if self.pooled else y) for head in self.heads]


class FACodecDecoder(nn.Module):
    """Factorised quantisers, timbre encoder and wave decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.quantizer = nn.ModuleList(ResidualQuantizer(n, WIDTH, CODES, 8) for n in (PROSODY, CONTENT, ACOUSTIC))
        layers: list[nn.Module] = [Conv(WIDTH, 1024, kernel_size=7, padding=3)]
        for i, stride in enumerate((5, 5, 4, 2)):
            layers.append(_Up(1024 >> i, stride))
        self.model = nn.Sequential(*layers, Activation(64), Conv(64, 1, kernel_size=7, padding=3), nn.Tanh())
        self.timbre_encoder = TimbreEncoder(WIDTH)
        self.timbre_linear = nn.Linear(WIDTH, 2 * WIDTH)
        self.timbre_norm = nn.LayerNorm(WIDTH, elementwise_affine=False)
        self.f0_predictor = _Head(1, 2)
        self.phone_predictor = _Head(5003, 1)
        # The adversarial heads sit behind a gradient reversal, which is the identity here.
        self.res_f0_predictor = nn.Sequential(nn.Identity(), _Head(1, 2))
        self.res_phone_predictor = nn.Sequential(nn.Identity(), _Head(5003, 1))
        self.x_timbre_predictor = nn.Sequential(nn.Identity(), _Head(245200, 1, pooled=True))

    def quantize(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 256, L) to codes (B, 6, L), their sum (B, 256, L) and speaker (B, 256).

        Prosody and content each quantise x itself; acoustic detail quantises x less both.
        """
        y = x.mT
        prosody, of_prosody = self.quantizer[0](y)
        content, of_content = self.quantizer[1](y)
        acoustic, of_acoustic = self.quantizer[2](y - (of_prosody + of_content))
        codes = torch.cat([prosody, content, acoustic]).transpose(0, 1)
        return codes, (of_prosody + of_content + of_acoustic).mT, self.timbre_encoder(y).mean(1)

    def embed(self, codes: Tensor) -> Tensor:
        """(B, 6, L) to (B, 256, L)."""
        streams = codes.transpose(0, 1).split((PROSODY, CONTENT, ACOUSTIC))
        return torch.stack([q.embed(ids) for q, ids in zip(self.quantizer, streams, strict=True)]).sum(0).mT

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """(B, 256, L) and (B, 256) to (B, 1, 200 L) samples in (-1, 1)."""
        gain, bias = self.timbre_linear(speaker)[:, None].chunk(2, dim=-1)
        return self.model((self.timbre_norm(x.mT) * gain + bias).mT)


def remove_weight_norm(module: nn.Module) -> None:
    """Fold every weight norm of ``module`` into plain weights (the names in its state dict change)."""
    for layer in module.modules():
        if isinstance(layer, Normed):
            layer.fold()


class FACodec:
    """`Codec` over the official checkpoint.

    Args:
        encoder: state dict under the official names; every name and shape must match.
        decoder: likewise.
        device: where it runs; tokens and samples stay numpy.
        fold: fold the weight norm (`remove_weight_norm`): equal to 1e-4, and faster.
        heads: keep the decoder's training heads (285 MB).

    Raises:
        DubbenchError: a name or shape that does not fit, named.
    """

    name = "facodec"

    def __init__(
        self,
        encoder: dict[str, Tensor],
        decoder: dict[str, Tensor],
        device: str | torch.device = "cpu",
        *,
        fold: bool = True,
        heads: bool = False,
    ) -> None:
        with torch.device("meta"):
            self.encoder, self.decoder = FACodecEncoder(), FACodecDecoder()
        for what, module, state in (("encoder", self.encoder, encoder), ("decoder", self.decoder, decoder)):
            load_exactly(module, state, f"not a checkpoint of FACodec's {what}", assign=True)
        if not heads:
            for head in _HEADS:
                delattr(self.decoder, head)
        self.digest = arrays_digest("facodec 1", {**_arrays("encoder", encoder), **_arrays("decoder", decoder)})
        for module in (self.encoder, self.decoder):
            module.requires_grad_(False).eval().float()
            if fold:
                remove_weight_norm(module)
            module.to(device)
        self.device = torch.device(device)
        self._books: Books | None = None

    @classmethod
    def load(cls, encoder: Path, decoder: Path, device: str = "cpu", **options: bool) -> FACodec:
        """From two files, each .safetensors or the official .bin (see `read_state`).

        Raises:
            DubbenchError: a file that is missing, unreadable, holds anything but tensors, or does not fit.
        """
        return cls(read_state(encoder), read_state(decoder), device, **options)

    @torch.inference_mode()
    def encode(self, wav: NDArray[np.float32]) -> Tokens:
        x = torch.from_numpy(checked(wav)).to(self.device)
        codes, _, speaker = self.decoder.quantize(self.encoder(x[None, None]))
        return Tokens.of(codes[0].cpu().numpy(), speaker[0].cpu().numpy())

    @torch.inference_mode()
    def decode(self, tokens: Tokens) -> NDArray[np.float32]:
        codes = torch.from_numpy(tokens.stacked).to(self.device)[None]
        speaker = torch.from_numpy(tokens.speaker).to(self.device)[None]
        y: NDArray[np.float32] = self.decoder(self.decoder.embed(codes), speaker)[0, 0].cpu().numpy()
        return y

    @torch.inference_mode()
    def books(self) -> Books:
        """What the codes stand for in 256 dimensions; prosody's do not say what is voiced."""
        if self._books is None:
            ids = torch.arange(CODES, device=self.device)
            books = [layer.embed(ids) for quantizer in self.decoder.quantizer for layer in quantizer.layers]
            self._books = Books([book.cpu().numpy() for book in books])
        return self._books

    def settle(self, beliefs: Beliefs) -> NDArray[np.int64]:
        """Means of what codes stand for in 256 dimensions: prosody on its own, content and acoustics as residuals.

        Raises:
            DubbenchError: a search; FACodec's prosody codes have no order.
        """
        if beliefs.search:
            raise DubbenchError("facodec's prosody codes have no order to search in; use prosody=mean or sample")
        vectors = self.books().vectors
        rest = np.zeros((beliefs.tokens.shape[1], WIDTH))
        for rows in (range(PROSODY), range(PROSODY + 1, STREAMS)):
            codes = requantise(rest, [vectors[row] for row in rows], rows, beliefs, [None] * len(rows))
            beliefs = Beliefs(codes, beliefs.probabilities)
        return beliefs.tokens


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors by name from .safetensors, or from a .bin/.pt of `torch.save`, which another process converts first.

    Raises:
        DubbenchError: missing, damaged, or anything else than one flat dictionary of tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise DubbenchError(f"{path}: no such file")
    if path.suffix == ".safetensors":
        return convert.read_state(path)
    with tempfile.TemporaryDirectory(prefix="dubbench-") as folder:
        converted = Path(folder) / "weights.safetensors"
        convert.convert("state_dict", path, converted)
        return convert.read_state(converted)


def _arrays(part: str, state: dict[str, Tensor]) -> dict[str, NDArray[Any]]:
    """What the sound depends on, for the digest: no training heads."""
    return {f"{part}.{k}": v.cpu().numpy() for k, v in state.items() if k.split(".")[0] not in _HEADS}
