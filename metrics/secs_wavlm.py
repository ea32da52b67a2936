"""SPKSIM: speaker similarity of the newer dubbing papers, cosine of WavLM-TDNN embeddings, in percent.

AlignDiT and CoSync-DiT (as F5-TTS and Seed-TTS before them) take UniSpeech's ``wavlm_large_finetune``: WavLM large with
an ECAPA-TDNN, fine-tuned for speaker verification. No dubbing system is conditioned on it, which cannot be said of the
encoders behind SECS. The network is written anew (`dubbench.metrics.models.wavlm`); with equal weights its embeddings
are the original's to 1e-5.

``SPKSIM`` is against the prompt (what those papers print), ``SPKSIM-GT`` against the ground truth of the same clip. Its
scale is not SECS's: the same dubs that have a SECS of 91 have a SPKSIM of 76, and others 72 and 39. Sounds go in whole
and as they are; the network brings each to mean 0 and variance 1, so that level leaves no trace.
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
WEIGHTS = "wavlm-sv"


def embed(network: Any, samples: NDArray[np.floating]) -> Embedding | str:
    """(256,) embedding of (T,) samples at 16 kHz by a `SpeakerEncoder`, or why there is none."""
    import torch

    from dubbench.metrics.models.running import exact

    why = unheard(samples, RATE)
    if why is not None:
        return why
    with exact():
        x = torch.from_numpy(np.asarray(samples, dtype=np.float32))[None].to(network.feature_weight.device)
        return np.asarray(network(x)[0].cpu().numpy(), dtype=np.float64)


class SPKSIM(MetricBase):
    """Speaker similarity to the prompt and to the ground truth through WavLM-TDNN, in percent."""

    profiles = frozenset[str]()
    assets = (WEIGHTS,)
    columns = speaker_columns("SPKSIM")

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="secs-wavlm",
            recipe="secs/wavlm-large-tdnn",
            settings={
                **versions("torch", "numpy"),
                "rate": RATE,
                "loudness": "as is; mean 0 and variance 1 inside the network",
                "pauses": "kept",
                "shortest_s": SHORTEST,
                "silent_below_dbfs": QUIET_DB,
                "precision": "float32",
                "batch": 1,
                "aggregation": "mean of utterance cosines",
            },
            weights={WEIGHTS: asset_digest(WEIGHTS)},
            needs=frozenset({"reference"}),
            speaker_encoder="wavlm-tdnn",
            summary="Cosine of WavLM-TDNN embeddings of the dub and the prompt, and of the dub and the ground truth",
            source="Chen et al., J-STSP 2022; microsoft/UniSpeech, speaker verification",
            licence="CC BY-SA 3.0 (UniSpeech's weights)",
        )

    def load(self, device: str) -> None:
        """Load the network onto ``device``."""
        require("torch", "metrics", "SPKSIM")
        require("safetensors", "metrics", "SPKSIM")
        from dubbench.metrics.models.wavlm import load_speaker_encoder

        self._model = load_speaker_encoder(asset_path(WEIGHTS), device)

    def score(self, item: Item) -> Stats | Unscored:
        """``spksim``, and ``spksim_gt`` where there is a ground truth: cosines in [-1, 1]."""
        self.ready()
        return similarities(item, "SPKSIM", self._embedding)

    def _embedding(self, sound: Sound) -> Embedding | str:
        return sound.derive("secs/wavlm-large-tdnn", lambda: embed(self._model, sound.at(RATE)))
