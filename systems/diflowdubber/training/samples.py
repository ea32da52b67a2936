"""Samples of the model for some validation clips: sound, and attention maps as pictures (the paper's figure 5)."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.runtime.files import atomic

from ..codec.base import RATE, Codec, Tokens
from .data import Corpus
from .objective import Objective, generate

COUNT, NFE, ZOOM = 3, 16, 4


class Sampler:
    """Writes ``samples/<step>/<clip>.wav`` and ``<clip>-vt.png``, ``<clip>-st.png`` (stage 2).

    Args:
        corpus: validation clips; the first three are taken.
        folder: where to.
        codec: as `open_codec` takes it. Without one, or where it cannot be loaded (said once), there is no sound.
        device: of the model.
    """

    def __init__(self, corpus: Corpus, folder: Path, codec: str, device: torch.device) -> None:
        self.corpus, self.folder, self.device = corpus, folder, device
        self._codec = _open(codec, corpus.caches[0].info.codec_digest) if codec else None
        self.places = list(range(min(COUNT, len(corpus))))
        self._draws = find_spec("av") is not None  # not in the smallest environment that trains

    @torch.no_grad()
    def __call__(self, objective: Objective, step: int) -> None:
        """Make the samples of ``step``."""
        batch = objective.batch(self.corpus, self.places, np.random.default_rng(5)).to(self.device)
        model = objective.model
        was = model.training
        model.eval()
        made = generate(model, batch, NFE, self.places)
        model.train(was)
        voices = batch.speaker.cpu().numpy()
        for row, place in enumerate(self.places):
            name = self.folder / f"{step:08}" / self.corpus.ids[place]
            name.parent.mkdir(parents=True, exist_ok=True)
            length = int(made.lengths[row])
            tokens = made.tokens[row, :, :length].cpu().numpy()
            if self._codec is not None:
                from dubbench.signal.media import write_wav

                sound = self._codec.decode(Tokens.of(tokens, voices[row]))
                write_wav(name.with_name(f"{name.name}.wav"), sound, RATE)
            phones = int(batch.phoneme_lengths[row])
            for kind, maps, size in (("vt", made.vt, _frames(batch, row)), ("st", made.st, length)):
                if maps is not None and self._draws:
                    picture = maps[row, :size, :phones].float().cpu().numpy()
                    write_png(name.with_name(f"{name.name}-{kind}.png"), attention_picture(picture))


def _frames(batch: Any, row: int) -> int:
    return int(batch.frame_lengths[row]) if hasattr(batch, "frame_lengths") else 0


def _open(spec: str, digest: str) -> Codec | None:
    try:
        from ..codecs import check_codec, open_codec

        codec = open_codec(spec)
    except (DubbenchError, ImportError) as error:
        print(f"no spoken samples: {error}", file=sys.stderr)
        return None
    check_codec(codec, spec, digest, "it is not the one that made the features, which hold")
    return codec


def attention_picture(weights: NDArray[np.floating], zoom: int = ZOOM) -> NDArray[np.uint8]:
    """(I, N) weights in [0, 1] as a grey picture (N · zoom, I · zoom): time to the right, phonemes upwards, dark is 0.

    Each query's largest weight is white, so that flat rows can be told from sure ones only by their width.
    """
    most = np.maximum(weights.max(1, keepdims=True), 1e-9)
    grey = np.round(weights / most * 255).clip(0, 255).astype(np.uint8).T[::-1]
    return np.ascontiguousarray(grey.repeat(zoom, 0).repeat(zoom, 1))


def write_png(path: Path, grey: NDArray[np.uint8]) -> None:
    """(H, W) as an 8-bit grey PNG, atomically."""
    from dubbench.signal.png import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(grey))
