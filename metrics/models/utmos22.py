"""UTMOS's strong learner (Saeki et al., Interspeech 2022), for inference.

wav2vec 2.0 base, the embeddings of one listening test and one listener beside every frame, a bidirectional LSTM, two
linear layers, the mean over frames, times 2, plus 3. The form without a phoneme encoder that ``tarepan/SpeechMOS``
publishes through torch.hub; parameters carry its names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.metrics.models.wav2vec2 import WIDTH, Wav2Vec2
from dubbench.weights.state import read_state, with_state

EMBEDDING = 128
HIDDEN = 512
PROJECTION = 2048
RATE = 16000


class UTMOS22(nn.Module):
    """(B, T) samples at 16 kHz to (B,) predicted opinion, about 1 to 5 and not clipped to it.

    Sounds of one batch must have one length: there is no mask, and zeros at the end change the score.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wav2vec2 = Wav2Vec2()
        self.domain_emb = nn.Parameter(torch.zeros(1, EMBEDDING))
        self.judge_emb = nn.Parameter(torch.zeros(1, EMBEDDING))
        self.blstm = nn.LSTM(WIDTH + 2 * EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.projection = nn.Sequential(nn.Linear(2 * HIDDEN, PROJECTION), nn.ReLU(), nn.Linear(PROJECTION, 1))

    def forward(self, samples: Tensor) -> Tensor:
        features = self.wav2vec2(samples)
        beside = torch.cat([self.domain_emb, self.judge_emb], dim=1).expand(*features.shape[:2], -1)
        scores = self.projection(self.blstm(torch.cat([features, beside], dim=2))[0])
        return scores.mean(dim=1).squeeze(1) * 2 + 3


def load_utmos22(weights: Path, device: str = "cpu") -> UTMOS22:
    """The network with the weights of a safetensors file; every name and shape must fit.

    Raises:
        DubbenchError: they do not.
    """
    return with_state(empty(), read_state(weights), str(weights)).to(device)


def empty() -> UTMOS22:
    """The network with names and shapes, but no numbers."""
    with torch.device("meta"):
        return UTMOS22()


def to_16k(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """(T,) at ``rate`` Hz to (ceil(T * 16000 / rate),): the resampling that UTMOS was published with.

    Band-limited interpolation by a Hann-windowed sinc of six zero crossings that rolls off at 0.99 of the lower
    Nyquist frequency: the default of ``torchaudio.functional.resample``, in float32 throughout.
    """
    if rate == RATE:
        return samples
    step = int(np.gcd(rate, RATE))
    old, new = rate // step, RATE // step
    cut = min(old, new) * 0.99
    width = int(np.ceil(6 * old / cut))
    # Row p: taps of output phase p, over the inputs -width ... width + old - 1 around it.
    inputs = torch.arange(-width, width + old, dtype=torch.float32) / old
    t = (cut * (inputs - torch.arange(new, dtype=torch.float32)[:, None] / new)).clamp(-6, 6)
    taps = torch.sinc(t) * torch.cos(torch.pi * t / 12) ** 2 * (cut / old)
    x = F.pad(torch.from_numpy(np.ascontiguousarray(samples)), (width, width + old))
    y = F.conv1d(x[None, None], taps[:, None], stride=old)
    return np.asarray(y[0].T.reshape(-1)[: int(np.ceil(new * len(samples) / old))].numpy(), dtype=np.float32)
