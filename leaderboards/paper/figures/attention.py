"""The Synchronizer's attention between video and phonemes, and speech and phonemes (figure 5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.leaderboards.paper.figures.canvas import drawing

Floats = NDArray[np.floating]


def draw(phones: Sequence[str], video_text: Floats, speech_text: Floats, out: Path) -> None:
    """Write the figure.

    Args:
        phones: N names.
        video_text: (F, N) in [0, 1], rows are frames at 25 a second.
        speech_text: (L, N) in [0, 1], rows are tokens at 80 a second.
        out: .pdf, .svg or .png.
    """
    panels = (("Video-text", video_text, 25.0), ("Speech-text", speech_text, 80.0))
    with drawing(out, 7.0, max(2.2, 0.6 + 0.085 * len(phones))) as figure:
        for axis, (title, rows, rate) in zip(figure.subplots(1, 2), panels, strict=True):
            extent = (0, len(rows) / rate, -0.5, len(phones) - 0.5)
            image = axis.imshow(
                rows.T, origin="lower", aspect="auto", extent=extent, cmap="viridis", vmin=0, interpolation="nearest"
            )
            axis.set_title(f"{title} alignment")
            axis.set_xlabel("seconds")
            axis.set_yticks(range(len(phones)), phones, fontsize=5)
            figure.colorbar(image, ax=axis, shrink=0.8)
