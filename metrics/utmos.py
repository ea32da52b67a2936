"""UTMOS: predicted mean opinion score of naturalness, about 1 to 5, without a reference (Saeki et al. 2022).

The strong learner of UTokyo-SaruLab's entry to the VoiceMOS Challenge 2022, in the form and with the weights that
``tarepan/SpeechMOS`` v1.2.0 publishes as ``utmos22_strong``: the function that the dubbing papers' scripts call. It is
neither UTMOSv2 nor the full stack of that entry. The network is written anew (`dubbench.metrics.models.utmos22`), so
that neither torchaudio nor code from a hub is needed; with equal weights both give the same score to 1e-5.

As in those scripts, the dub goes in at its own level, at its own rate through the published resampling to 16 kHz, whole
and alone: a batch would need padding, and padding changes the score. The mean is over clips. The score is an affine
function of the network's output and can leave 1 to 5; it is not clipped. It comes from speech in English and Mandarin
that was synthesised before 2022, and 1 s of digital silence also has a score: a dub below -80 dBFS is unscored here.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import QUIET_DB, silent
from dubbench.runtime.provenance import versions
from dubbench.weights.catalogue import asset_digest, asset_path

RATE = 16000
SHORTEST = 0.5
"""Seconds below which a dub is left unscored: a syllable is no speech to rate (one frame would take 0.025 s)."""
WEIGHTS = "utmos22-strong"


def opinion(model: Any, samples: NDArray[np.float32], rate: int) -> float:
    """Predicted opinion of (T,) samples at ``rate`` Hz, at least 0.025 s, by a loaded `UTMOS22`."""
    torch = require("torch", "metrics", "UTMOS")
    from dubbench.metrics.models.running import exact
    from dubbench.metrics.models.utmos22 import to_16k

    with exact():
        return float(model(torch.from_numpy(to_16k(samples, rate))[None].to(model.domain_emb.device)).item())


class UTMOS(MetricBase):
    """Predicted opinion of naturalness by UTMOS22 strong."""

    profiles: ClassVar[frozenset[str]] = frozenset({"paper"})
    assets: ClassVar[tuple[str, ...]] = (WEIGHTS,)
    columns = (
        Column(
            name="UTMOS",
            direction="up",
            aggregate=Mean(value="utmos"),
            digits=2,
            tolerance=0.1,
            expects={"silence": "undefined", "noise": "worse", "noisy(snr=10)": "worse"},
        ),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="utmos",
            recipe="utmos/utmos22-strong",
            settings={
                **versions("torch", "numpy"),
                "rate": RATE,
                "resampling": "Hann-windowed sinc, 6 zero crossings, rolloff 0.99, float32 (torchaudio's default)",
                "loudness": "as is",
                "precision": "float32",
                "batch": 1,
                "shortest_s": SHORTEST,
                "silent_below_dbfs": QUIET_DB,
                "aggregation": "mean over frames, times 2, plus 3; mean over clips",
            },
            weights={WEIGHTS: asset_digest(WEIGHTS)},
            summary="Predicted naturalness without a reference: UTMOS22, strong learner",
            source="Saeki et al., Interspeech 2022; tarepan/SpeechMOS v1.2.0",
            licence="MIT (UTMOS22, SpeechMOS and their weights)",
        )

    def load(self, device: str) -> None:
        """Load the network onto ``device``."""
        require("torch", "metrics", "UTMOS")
        require("safetensors", "metrics", "UTMOS")
        from dubbench.metrics.models.utmos22 import load_utmos22

        self._model = load_utmos22(asset_path(WEIGHTS), device)

    def score(self, item: Item) -> Stats | Unscored:
        """``utmos``: about 1 to 5."""
        dub = item.dub
        if dub.duration < SHORTEST:
            return Unscored(f"the dub ({dub.duration:.2f} s) is shorter than {SHORTEST:g} s")
        if silent(dub.samples):
            return Unscored("no sound in the dub")
        self.ready()
        score = opinion(self._model, dub.samples, dub.rate)
        return {"utmos": score} if np.isfinite(score) else Unscored("the network gives no finite score for this dub")
