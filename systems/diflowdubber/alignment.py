"""Phonemes in time: integer spans, alignment matrices and the contrastive losses of equations 2 and 4."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dubbench.errors import DubbenchError

from .layers.masking import length_mask
from .layers.monotonic import NEVER


def spans(durations: ArrayLike, rate: float, length: int) -> NDArray[np.int64]:
    """Frames (or tokens) of each phoneme, from its duration in seconds.

    The boundaries are the rounded ends of the phonemes. Where two would fall together, they are moved apart with the
    smallest possible largest move, so that every phoneme owns at least one frame. The last phoneme takes what is left
    of the clip. With more phonemes than frames that cannot be: then phonemes whose boundaries round to the same frame
    get 0 and share it (`alignment_matrix` gives each of them that frame, so the losses stay finite).

    Args:
        durations: (N,) seconds, not negative, silences included.
        rate: frames a second: 25 for video, 80 for tokens.
        length: frames of the clip.

    Returns:
        (N,), summing to ``length``; each at least 1 if N <= length.

    Raises:
        DubbenchError: no phoneme, no frame, or a duration that is negative or not a number.
    """
    seconds = np.asarray(durations, dtype=np.float64)
    count = len(seconds)
    if not count or length < 1:
        raise DubbenchError(f"cannot align {count} phonemes to {length} frames")
    if not np.isfinite(seconds).all() or (seconds < 0).any():
        raise DubbenchError("phoneme durations must be finite and not negative")
    ends = np.floor(np.cumsum(seconds)[:-1] * rate + 0.5).astype(np.int64)
    if count > length:
        inner = ends.clip(0, length)
    else:
        # With every phoneme's one frame taken out, boundaries only have to be in order: the mean of the running
        # maximum from the left and the running minimum from the right is the closest ordered sequence (L∞).
        slack = ends - np.arange(1, count)
        up = np.maximum.accumulate(slack)
        down = np.minimum.accumulate(slack[::-1])[::-1]
        inner = ((up + down) // 2).clip(0, length - count) + np.arange(1, count)
    return np.diff(inner, prepend=0, append=length)


def alignment_matrix(durations: Tensor, lengths: Tensor, size: int) -> Tensor:
    """M of equations 2 and 4: which frame belongs to which phoneme.

    Args:
        durations: (B, N) from `spans`, 0 behind a clip's phonemes.
        lengths: (B,) phonemes of each clip.
        size: frames of the longest clip.

    Returns:
        (B, size, N) bool. Each valid frame has at least one phoneme and each valid phoneme at least one frame: a
        phoneme of duration 0 shares the frame at which it would begin.
    """
    ends = durations.cumsum(1)
    starts = ends - durations
    last = ends[:, -1:] - 1
    starts = torch.where(durations > 0, starts, starts.minimum(last))
    ends = ends.maximum(starts + 1)
    frame = torch.arange(size, device=durations.device)[None, :, None]
    valid = length_mask(lengths, durations.shape[1])[:, None]
    return (frame >= starts[:, None]) & (frame < ends[:, None]) & valid


def contrastive_loss(scores: Tensor, aligned: Tensor, query_mask: Tensor, key_mask: Tensor, tau: float) -> Tensor:
    """Equations 2 and 4, summed over phonemes and frames as printed.

    -Σ_j log(Σ_i m_ij e^{a_ij/τ} / Σ_i e^{a_ij/τ}) - Σ_i log(Σ_j m_ij e^{a_ij/τ} / Σ_j e^{a_ij/τ})

    Args:
        scores: (B, I, N), a_ij.
        aligned: (B, I, N), m_ij from `alignment_matrix`.
        query_mask: (B, I).
        key_mask: (B, N).
        tau: τ.

    Returns:
        (B,) in nats; finite, since no row or column of m is empty.
    """
    valid = query_mask[:, :, None] & key_mask[:, None]
    every = (scores.float() / tau).masked_fill(~valid, NEVER)
    own = every.masked_fill(~aligned, NEVER)
    columns = (every.logsumexp(1) - own.logsumexp(1)) * key_mask
    rows = (every.logsumexp(2) - own.logsumexp(2)) * query_mask
    return columns.sum(1) + rows.sum(1)


def regulate(x: Tensor, durations: Tensor, size: int) -> Tensor:
    """Length regulator: repeat each phoneme for its duration; (B, N, C) and (B, N) to (B, size, C).

    Behind a clip's last frame its last phoneme goes on (to be masked).
    """
    ends = durations.cumsum(1)
    frames = torch.arange(size, device=x.device).expand(len(x), -1).contiguous()
    index = torch.searchsorted(ends, frames, right=True)
    # Padding and trailing phonemes of duration 0 end where the last real one ends, so `right` never stops on them.
    index = index.clamp(max=x.shape[1] - 1)
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))
