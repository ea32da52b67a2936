"""The d-vector of ``yistLin/dvector`` (GE2E, VoxCeleb1), with the sound preprocessed as by its ``wav2mel``.

Peak to -3 dBFS, all pauses cut, 40 log-mel bands at 100 Hz, windows of 1.6 s every 0.8 s through three LSTM layers,
attention over time (or the last frame, in the older weights), unit length, mean over windows, unit length.

The original leaves level and pauses to SoX (``norm -3``, ``silence 1 0.1 1% -1 0.1 1%``) through a part of torchaudio
that recent versions no longer have. `without_pauses` is that effect's rule for one channel.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dubbench.signal.mel import mel_bank
from dubbench.weights.state import read_state, with_state

RATE = 16000
PEAK_DB = -3.0
THRESHOLD = 0.01  # of full scale, of the running RMS
RUN = RATE // 10  # samples of sound that open, and of quiet that close
WINDOW = RATE // 50  # samples of the running RMS
BANDS, LOWEST, TRANSFORM, HOP = 40, 50.0, 400, 160
SEGMENT = 160  # frames
WIDTH = 256
SHORTEST = TRANSFORM // 2 + 1
"""Samples below which there is no frame: the transform mirrors half a window at each end."""


def at_peak(samples: NDArray[np.floating], db: float = PEAK_DB) -> NDArray[np.float64] | None:
    """(T,) with its peak at ``db`` dBFS; None for silence."""
    x = np.asarray(samples, dtype=np.float64)
    peak = np.abs(x).max(initial=0.0)
    return x * (10 ** (db / 20) / peak) if peak > 0 else None


def without_pauses(samples: NDArray[np.floating]) -> NDArray[np.floating]:
    """(T,) without what SoX's ``silence 1 0.1 1% -1 0.1 1%`` takes away at 16 kHz.

    Loud is a sample where the RMS of the last 20 ms exceeds 1 % of full scale. Sound opens with 0.1 s of loud samples
    in a row, and is kept from the first of them until 0.1 s of quiet ones in a row, which are cut. From there the RMS
    starts anew from zero. Quiet at the very end that is shorter than 0.1 s stays.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(samples, dtype=np.float64) ** 2)])
    count = len(samples)
    index = np.arange(count)
    kept: list[NDArray[np.floating]] = []
    start = 0
    while start < count:
        oldest = np.maximum(index[start:] - WINDOW + 1, start)
        loud = energy[start + 1 :] - energy[oldest] > THRESHOLD**2 * WINDOW
        opens = first_run(loud, RUN)
        if opens is None:
            break
        closes = first_run(~loud[opens + RUN :], RUN)
        if closes is None:
            kept.append(samples[start + opens :])
            break
        end = start + opens + RUN + closes
        kept.append(samples[start + opens : end])
        start = end + RUN
    return np.concatenate(kept) if kept else samples[:0]


def first_run(flags: NDArray[np.bool_], length: int) -> int | None:
    """Where ``length`` true flags in a row first begin; None if nowhere."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - begins >= length)
    return int(begins[long[0]]) if len(long) else None


def log_mel(samples: NDArray[np.floating]) -> Tensor:
    """(T,) samples at 16 kHz, T >= 201, to (1 + T // 160, 40) natural logs of mel power, not below log 1e-9.

    Hann window of 25 ms, mirrored ends, HTK's mel scale from 50 Hz to 8 kHz, triangles of height one.
    """
    x = torch.from_numpy(np.asarray(samples, dtype=np.float32))
    window = torch.hann_window(TRANSFORM)
    power = torch.stft(x, TRANSFORM, HOP, window=window, pad_mode="reflect", return_complex=True).abs() ** 2
    return torch.log(torch.clamp(power.T @ _triangles(), min=1e-9))


@cache
def _triangles() -> Tensor:
    """(201, 40) weights of the mel bands."""
    return torch.from_numpy(np.ascontiguousarray(mel_bank(BANDS, TRANSFORM, RATE, LOWEST, RATE / 2).T, np.float32))


class DVector(nn.Module):
    """(B, N, 40) log-mels to (B, 256) embeddings of unit length. ``linear`` is None without attention over time."""

    def __init__(self, attentive: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, WIDTH, 3, batch_first=True)
        self.embedding = nn.Linear(WIDTH, WIDTH)
        self.linear = nn.Linear(WIDTH, 1) if attentive else None

    def forward(self, mels: Tensor) -> Tensor:
        frames = self.lstm(mels)[0]
        if self.linear is None:
            pooled = self.embedding(frames[:, -1])
        else:
            frames = torch.tanh(self.embedding(frames))
            pooled = (frames * torch.softmax(self.linear(frames), dim=1)).sum(1)
        return F.normalize(pooled, dim=1)

    def utterance(self, mels: Tensor) -> Tensor:
        """(N, 40) to (256,): the mean over segments. The last is filled up with zeros, which are not quiet in
        log-mels; that is the original's way, and part of its scale."""
        if len(mels) > SEGMENT:
            hop = SEGMENT // 2
            padded = F.pad(mels, (0, 0, 0, math.ceil(len(mels) / hop) * hop - len(mels)))
            return F.normalize(self(padded.unfold(0, SEGMENT, hop).transpose(1, 2)).mean(0), dim=0)
        return self(mels[None])[0]


def load_dvector(weights: Path) -> DVector:
    """The network with the weights of a safetensors file.

    Raises:
        DubbenchError: they are not a d-vector's.
    """
    return dvector_with(read_state(weights), str(weights))


def dvector_with(state: dict[str, Tensor], where: str = "state") -> DVector:
    """The network with these parameters.

    Raises:
        DubbenchError: names or shapes do not fit.
    """
    with torch.device("meta"):
        network = DVector(attentive="linear.weight" in state)
    return with_state(network, state, where)
