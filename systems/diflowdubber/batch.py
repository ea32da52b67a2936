"""Clips as arrays, and batches of them with their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dubbench.errors import DubbenchError

from .alignment import spans
from .config import Config
from .layers.masking import length_mask

Array = NDArray[Any]


@dataclass(frozen=True)
class TtsItem:
    """One utterance of stage 1.

    Attributes:
        phonemes: (N,) phone ids.
        speaker: (speaker_dim,) the reference's speaker vector.
        reference: (books, L') the reference's tokens, prosody, content, acoustic; L' may be 0.
        tokens: (books, L) what to learn; None at inference.
        durations: (N,) seconds; None at inference.
    """

    phonemes: Array
    speaker: Array
    reference: Array
    tokens: Array | None = None
    durations: Array | None = None


@dataclass(frozen=True)
class DubItem:
    """One clip of stage 2.

    Attributes:
        phonemes: (N,) phone ids.
        lips: (F, lip_dim) at the video frame rate.
        face: (F, face_dim).
        speaker: (speaker_dim,) the reference's speaker vector.
        tokens: (books, L) with L = `Config.tokens` of F; None at inference.
        durations: (N,) seconds; None at inference.
    """

    phonemes: Array
    lips: Array
    face: Array
    speaker: Array
    tokens: Array | None = None
    durations: Array | None = None


class _Batch:
    """What both batches can do."""

    def to(self, device: torch.device | str) -> Self:
        """The same batch on ``device``."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        moved = {name: value.to(device) for name, value in moved.items() if isinstance(value, Tensor)}
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True)
class TtsBatch(_Batch):
    """`TtsItem`s, padded with zeros.

    Attributes:
        phonemes: (B, N); phoneme_lengths: (B,).
        speaker: (B, speaker_dim).
        reference: (B, books, L'); reference_lengths: (B,).
        tokens: (B, books, L); token_lengths: (B,); None at inference.
        token_spans: (B, N) tokens of each phoneme; None at inference.
    """

    phonemes: Tensor
    phoneme_lengths: Tensor
    speaker: Tensor
    reference: Tensor
    reference_lengths: Tensor
    tokens: Tensor | None = None
    token_lengths: Tensor | None = None
    token_spans: Tensor | None = None

    @property
    def phoneme_mask(self) -> Tensor:
        """(B, N)."""
        return length_mask(self.phoneme_lengths, self.phonemes.shape[1])


@dataclass(frozen=True)
class DubBatch(_Batch):
    """`DubItem`s, padded with zeros.

    Attributes:
        phonemes: (B, N); phoneme_lengths: (B,).
        lips: (B, F, lip_dim); face: (B, F, face_dim); frame_lengths: (B,).
        speaker: (B, speaker_dim).
        token_lengths: (B,), L of each clip; token_size: the longest of them.
        tokens: (B, books, L); frame_spans, token_spans: (B, N); None at inference.
    """

    phonemes: Tensor
    phoneme_lengths: Tensor
    lips: Tensor
    face: Tensor
    frame_lengths: Tensor
    speaker: Tensor
    token_lengths: Tensor
    token_size: int
    tokens: Tensor | None = None
    frame_spans: Tensor | None = None
    token_spans: Tensor | None = None

    @property
    def phoneme_mask(self) -> Tensor:
        """(B, N)."""
        return length_mask(self.phoneme_lengths, self.phonemes.shape[1])

    @property
    def frame_mask(self) -> Tensor:
        """(B, F)."""
        return length_mask(self.frame_lengths, self.lips.shape[1])

    @property
    def token_mask(self) -> Tensor:
        """(B, L)."""
        return length_mask(self.token_lengths, self.token_size)


def _stack(arrays: Sequence[Array], axis: int, dtype: torch.dtype) -> Tensor:
    """Arrays of different length along ``axis`` as one tensor, padded with zeros."""
    shape = list(arrays[0].shape)
    shape[axis] = max(array.shape[axis] for array in arrays)
    out = torch.zeros(len(arrays), *shape, dtype=dtype)
    for row, array in zip(out, arrays, strict=True):
        row.narrow(axis, 0, array.shape[axis]).copy_(torch.as_tensor(np.asarray(array)))
    return out


def _lengths(arrays: Sequence[Array], axis: int = 0) -> Tensor:
    return torch.tensor([array.shape[axis] for array in arrays])


def _expect(what: str, array: Array, shape: tuple[int | None, ...]) -> None:
    """Raise unless ``array`` has ``shape`` (None: any size above zero)."""
    good = array.ndim == len(shape) and all(
        have == want if want is not None else have > 0 for have, want in zip(array.shape, shape, strict=True)
    )
    if not good:
        wanted = " × ".join("any" if want is None else str(want) for want in shape)
        raise DubbenchError(f"{what} has shape {tuple(array.shape)}; the configuration wants {wanted}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DubbenchError(f"{what} has values that are not numbers")


def _check_ids(item: TtsItem | DubItem, config: Config) -> None:
    _expect("phonemes", item.phonemes, (None,))
    _expect("speaker vector", item.speaker, (config.speaker_dim,))
    if item.phonemes.min() < 0 or item.phonemes.max() >= config.phones:
        raise DubbenchError(f"phoneme ids must be in 0 … {config.phones - 1}")
    if item.tokens is not None and (item.tokens.min() < 0 or item.tokens.max() >= config.vocab):
        raise DubbenchError(f"tokens must be in 0 … {config.vocab - 1}")
    if item.durations is not None:
        _expect("phoneme durations", item.durations, (len(item.phonemes),))


def _check_length(tokens: int, config: Config) -> None:
    if tokens > config.max_length:
        raise DubbenchError(
            f"{tokens / config.token_rate:.1f} s are more than the model's limit of {config.seconds:.1f} s; "
            "cut the clip into shorter ones"
        )


def collate_tts(items: Sequence[TtsItem], config: Config) -> TtsBatch:
    """Pad utterances to a batch, and round their durations to tokens (`spans`).

    Raises:
        DubbenchError: shapes, ids or lengths that the configuration does not allow.
    """
    for item in items:
        _check_ids(item, config)
        if item.reference.ndim != 2 or item.reference.shape[0] != config.books:
            raise DubbenchError(f"reference tokens have shape {item.reference.shape}; wanted {config.books} × any")
        length = 0
        if item.tokens is not None:
            _expect("tokens", item.tokens, (config.books, None))
            length = item.tokens.shape[1]
        _check_length(length + item.reference.shape[1], config)
    phonemes = [item.phonemes for item in items]
    references = [item.reference for item in items]
    batch = TtsBatch(
        phonemes=_stack(phonemes, 0, torch.long),
        phoneme_lengths=_lengths(phonemes),
        speaker=_stack([item.speaker for item in items], 0, torch.float32),
        reference=_stack(references, 1, torch.long),
        reference_lengths=_lengths(references, 1),
    )
    tokens = [item.tokens for item in items if item.tokens is not None]
    times = [item.durations for item in items if item.durations is not None]
    if len(tokens) < len(items) or len(times) < len(items):
        return batch
    rounded = [spans(t, config.token_rate, x.shape[1]) for t, x in zip(times, tokens, strict=True)]
    return replace(
        batch,
        tokens=_stack(tokens, 1, torch.long),
        token_lengths=_lengths(tokens, 1),
        token_spans=_stack(rounded, 0, torch.long),
    )


def collate_dub(items: Sequence[DubItem], config: Config) -> DubBatch:
    """Pad clips to a batch, and round their durations to frames and tokens (`spans`).

    Raises:
        DubbenchError: shapes, ids or lengths that the configuration does not allow.
    """
    for item in items:
        _check_ids(item, config)
        _expect("lip features", item.lips, (None, config.lip_dim))
        _expect("face features", item.face, (len(item.lips), config.face_dim))
        _check_length(config.tokens(len(item.lips)), config)
        if item.tokens is not None:
            _expect("tokens", item.tokens, (config.books, config.tokens(len(item.lips))))
    phonemes = [item.phonemes for item in items]
    lips = [item.lips for item in items]
    lengths = [config.tokens(len(x)) for x in lips]
    batch = DubBatch(
        phonemes=_stack(phonemes, 0, torch.long),
        phoneme_lengths=_lengths(phonemes),
        lips=_stack(lips, 0, torch.float32),
        face=_stack([item.face for item in items], 0, torch.float32),
        frame_lengths=_lengths(lips),
        speaker=_stack([item.speaker for item in items], 0, torch.float32),
        token_lengths=torch.tensor(lengths),
        token_size=max(lengths),
    )
    tokens = [item.tokens for item in items if item.tokens is not None]
    times = [item.durations for item in items if item.durations is not None]
    if len(tokens) < len(items) or len(times) < len(items):
        return batch
    frames = [spans(t, config.frame_rate, len(x)) for t, x in zip(times, lips, strict=True)]
    rounded = [spans(t, config.token_rate, length) for t, length in zip(times, lengths, strict=True)]
    return replace(
        batch,
        tokens=_stack(tokens, 1, torch.long),
        frame_spans=_stack(frames, 0, torch.long),
        token_spans=_stack(rounded, 0, torch.long),
    )
