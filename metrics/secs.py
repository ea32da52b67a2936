"""Speaker similarity: cosine of speaker embeddings in percent, mean over utterances.

``SECS`` is against the prompt (the reference voice that the system was given), ``SECS-GT`` against the ground truth of
the same clip. The encoder is Resemblyzer's GE2E (Wan et al. 2018), whose weights come in its wheel: 40 mel bands,
windows of 1.6 s at 1.3 a second, three LSTM layers, ReLU, unit length, mean over windows. Its values are in [0, 100],
and two clips of one GRID speaker have only about 75 to 80 among themselves: read SECS beside the ground truth's.

Both sides are brought to -27 dBFS RMS first: Resemblyzer itself only ever raises the level, to -30 dBFS, and level
alone moves its cosine by up to 0.07. Then its own voice activity detection (WebRTC, mode 3) cuts long pauses. A dub in
which it finds no voice is unscored, because the encoder gives any silence a cosine of about 0.5 with any speech.

The dubbing papers' scripts use another encoder (yistLin/dvector); their numbers are on another scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import at_level
from dubbench.metrics.parts.speaker import Embedding, cosine
from dubbench.runtime.package_files import bundled_digest
from dubbench.runtime.provenance import versions
from dubbench.signal.sound import Sound
from dubbench.signal.voice_encoder import resemblyzer, voice_encoder

RATE = 16000
LEVEL_DB = -27.0
WINDOW = 480
"""Samples of one decision of the voice activity detection: 30 ms."""


def voiced(samples: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """(T,) samples at 16 kHz as the encoder hears them: at -27 dBFS, long pauses cut; None if no voice is found."""
    levelled = at_level(samples, LEVEL_DB)
    if levelled is None or len(levelled) < WINDOW:
        return None
    kept = np.asarray(resemblyzer().preprocess_wav(levelled), dtype=np.float32)
    return kept if len(kept) else None


def embed(samples: NDArray[np.floating]) -> Embedding | None:
    """(256,) speaker embedding of (T,) samples at 16 kHz, of unit length, not negative; None if no voice is found."""
    kept = voiced(samples)
    if kept is None:
        return None
    torch = require("torch", "metrics", "SECS")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the same digits on any machine, and no fight between workers
    try:
        embedding = np.asarray(voice_encoder().embed_utterance(kept), dtype=np.float64)
    finally:
        torch.set_num_threads(threads)
    return embedding if np.isfinite(embedding).all() else None


def _embedding(sound: Sound) -> Embedding | None:
    return sound.derive(f"resemblyzer/{LEVEL_DB:g}", lambda: embed(sound.at(RATE)))


def _column(name: str, value: str) -> Column:
    expects: dict[str, Effect] = {
        "delay": "invariant",
        "silence": "undefined",
        "noise": "worse",
        "gain(db=-12)": "invariant",
        "noisy(snr=10)": "worse",
        "other_voice": "worse",
    }
    if value == "secs":
        expects["warp(ms=100)"] = "invariant"
    else:
        expects |= {"ground_truth": "perfect", "another_clip": "worse", "shuffled": "worse"}
    return Column(
        name=name,
        direction="up",
        aggregate=Mean(value=value),
        unit="%",
        scale=100.0,
        digits=2,
        best=100.0,
        tolerance=1.0,  # the VAD cuts elsewhere in moved sound; another voice costs 17 points, noise 16
        headline=value == "secs",
        expects=expects,
    )


class SECS(MetricBase):
    """Speaker similarity to the prompt and to the ground truth, in percent."""

    columns = (_column("SECS", "secs"), _column("SECS-GT", "secs_gt"))

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="secs",
            recipe="secs/resemblyzer",
            settings={
                **versions("Resemblyzer", "webrtcvad", "librosa", "torch", "numpy"),
                "rate": RATE,
                "loudness": f"RMS {LEVEL_DB:g} dBFS",
                "pauses": "cut by Resemblyzer's WebRTC VAD, mode 3",
                "windows_per_second": 1.3,
                "aggregation": "mean of utterance cosines",
            },
            weights={"resemblyzer": bundled_digest("resemblyzer", "pretrained.pt")},
            needs=frozenset({"reference"}),
            speaker_encoder="resemblyzer",
            summary="Cosine of Resemblyzer embeddings of the dub and the prompt, and of the dub and the ground truth",
            source="Wan et al., ICASSP 2018 (GE2E); Resemblyzer",
            licence="Apache-2.0 (Resemblyzer and its weights)",
        )

    def load(self, device: str) -> None:
        """Load the encoder; it runs on one CPU thread whatever the device."""
        voice_encoder()

    def score(self, item: Item) -> Stats | Unscored:
        """``secs``, and ``secs_gt`` where there is a ground truth: cosines in [0, 1]."""
        assert item.reference is not None
        dub = _embedding(item.dub)
        if dub is None:
            return Unscored("no voice found in the dub")
        reference = _embedding(item.reference)
        truth = _embedding(item.truth) if item.truth is not None else None
        stats = {}
        if reference is not None:
            stats["secs"] = cosine(dub, reference)
        if truth is not None:
            stats["secs_gt"] = cosine(dub, truth)
        return stats or Unscored("no voice found in the reference")
