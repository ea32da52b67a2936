"""Small pictures as PNG files, by PyAV's encoder: the same bytes for the same pixels."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


def png(pixels: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """A PNG with 8 bits a pixel.

    Args:
        pixels: (H, W) grey, 0 is black; or places in ``palette``.
        palette: (256, 3) red, green, blue.
    """
    import av

    form = "gray" if palette is None else "pal8"
    if palette is None:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=form)
    else:
        argb = np.concatenate([np.full((256, 1), 255, np.uint8), palette], 1)
        frame = av.VideoFrame.from_ndarray((np.ascontiguousarray(pixels), argb), format=form)  # type: ignore[arg-type]
    encoder = av.VideoCodecContext.create("png", "w")
    encoder.height, encoder.width = pixels.shape
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = form, Fraction(1, 25), 1
    encoder.options = {"compression_level": "9", "pred": "none"}
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
