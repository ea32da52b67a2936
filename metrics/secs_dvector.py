"""SECS of the dubbing papers' scripts: cosine of ``yistLin/dvector`` embeddings, in percent.

StyleDubber's and EmoDubber's evaluation scripts, whose SECS DiFlowDubber adopts, load that project's ``wav2mel.pt`` and
``dvector.pt``. Both are written anew (`dubbench.metrics.models.dvector`): with equal weights the embeddings are equal
bit for bit, and its rule for pauses gives what SoX gives, sample for sample. Two things differ: files become 16 kHz by
soxr (the original: SoX's ``rate``, where soxr comes from), and a sound below -80 dBFS or with less than half a second
of speech is left unscored (the original skips it below 0.1 s, without a word).

``SECS`` is against the prompt, ``SECS-GT`` against the ground truth of the same clip; the paper's Setting 1.0 has both
the same, and in its Setting 2.0 the scripts take the prompt. The encoder was trained on VoxCeleb1 alone (equal error
rate 12 %): small differences mean little. Level leaves no trace, because the peak is brought to -3 dBFS first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Item, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import QUIET_DB
from dubbench.metrics.parts.speaker import SHORTEST, Embedding, similarities, speaker_columns, unheard
from dubbench.runtime.provenance import versions
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import asset_digest, asset_path

RATE = 16000
WEIGHTS = "dvector"


def embed(network: Any, samples: NDArray[np.floating]) -> Embedding | str:
    """(256,) embedding of unit length of (T,) samples at 16 kHz by a `DVector`, or why there is none."""
    from dubbench.metrics.models import dvector
    from dubbench.metrics.models.running import exact

    why = unheard(samples, RATE)
    levelled = dvector.at_peak(samples)
    if why is not None or levelled is None:
        return why or "no sound"
    kept = dvector.without_pauses(levelled)
    if len(kept) < SHORTEST * RATE:
        return f"less than {SHORTEST:g} s of speech"
    with exact():
        return np.asarray(network.utterance(dvector.log_mel(kept)).numpy(), dtype=np.float64)


class SECSDvector(MetricBase):
    """Speaker similarity to the prompt and to the ground truth through the d-vector, in percent."""

    profiles = frozenset({"paper"})
    assets = (WEIGHTS,)
    columns = speaker_columns("SECS")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="secs-dvector",
            recipe="secs/dvector",
            settings={
                **versions("torch", "numpy"),
                "rate": RATE,
                "loudness": "peak -3 dBFS",
                "pauses": "cut as by SoX's silence 1 0.1 1% -1 0.1 1%",
                "features": "40 log-mel bands of power, 50 Hz to 8 kHz, 25 ms every 10 ms, floor 1e-9",
                "segments": "1.6 s every 0.8 s, the last filled up with zeros",
                "shortest_s": SHORTEST,
                "silent_below_dbfs": QUIET_DB,
                "aggregation": "mean of utterance cosines",
            },
            weights={WEIGHTS: asset_digest(WEIGHTS)},
            needs=frozenset({"reference"}),
            speaker_encoder="dvector",
            summary="Cosine of d-vectors of the dub and the prompt, and of the dub and the ground truth",
            source="Wan et al., ICASSP 2018 (GE2E); yistLin/dvector; StyleDubber's Dub_Metric/SECS",
            licence="MIT (yistLin/dvector and its weights)",
        )

    def load(self, device: str) -> None:
        """Load the encoder; it runs on one CPU thread whatever the device."""
        require("torch", "metrics", "SECS")
        require("safetensors", "metrics", "SECS")
        from dubbench.metrics.models.dvector import load_dvector

        self._model = load_dvector(asset_path(WEIGHTS))

    def score(self, item: Item) -> Stats | Unscored:
        """``secs``, and ``secs_gt`` where there is a ground truth: cosines in [-1, 1]."""
        self.ready()
        return similarities(item, "SECS", self._embedding)

    def _embedding(self, sound: Sound) -> Embedding | str:
        return sound.derive("secs/dvector", lambda: embed(self._model, sound.at(RATE)))
