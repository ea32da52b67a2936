"""Codecs by name or file."""

from __future__ import annotations

from pathlib import Path

from dubbench.errors import DubbenchError

from .codec.base import Codec

WEIGHTS = Path(__file__).parent / "weights"
"""The shipped checkpoint with its codec."""
CODEC_FILE = "codec.safetensors"
"""Of a codec ``world`` that lies beside a checkpoint."""
CODEC_PACKAGES = {"world": ("pyworld", "Resemblyzer"), "facodec": ("torch",)}
"""By codec: the packages on whose version its tokens and samples depend."""


def open_codec(spec: str | Path, device: str = "cpu") -> Codec:
    """A codec, loaded.

    Args:
        spec: ``world`` for the shipped one, ``facodec`` for the paper's with its fetched weights
            (``dubbench assets fetch facodec-encoder facodec-decoder --convert``), a file of `WorldCodec.save`, or a
            folder with FACodec's two official files.
        device: for FACodec.

    Raises:
        DubbenchError: there is none, or it cannot be read.
    """
    if str(spec) == "facodec":
        from dubbench.weights.catalogue import asset_path

        encoder, decoder = asset_path("facodec-encoder"), asset_path("facodec-decoder")
        from .codec.facodec import FACodec

        return FACodec.load(encoder, decoder, device)
    path = WEIGHTS / CODEC_FILE if str(spec) == "world" else Path(spec)
    if path.is_dir():
        from .codec.facodec import DECODER_FILE, ENCODER_FILE, FACodec

        return FACodec.load(path / ENCODER_FILE, path / DECODER_FILE, device)
    if not path.is_file():
        where = "no shipped codec" if str(spec) == "world" else f"{path}: no such codec"
        raise DubbenchError(f"{where}; make one with: dubbench codec fit, or say facodec")
    from .codec.world import WorldCodec

    return WorldCodec.load(path)


def check_codec(codec: Codec, spec: str, digest: str, whose: str) -> None:
    """Compare a codec with the one that made some tokens.

    Args:
        codec: as it was opened by ``spec``.
        digest: of the codec behind the tokens.
        whose: subject and verb of the error before "tokens of": "the features have".

    Raises:
        DubbenchError: it is another one.
    """
    if codec.digest != digest:
        raise DubbenchError(
            f"{spec}: codec {codec.digest[:12]}, but {whose} tokens of {digest[:12]}; give the file of that codec, "
            "or make the features and train again with this one"
        )
