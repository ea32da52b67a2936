"""The codec protocol (`Codec`) and its `Tokens` (paper, sections 3.2 and B.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError

if TYPE_CHECKING:
    from ..geometry import Books
    from .settle import Beliefs

RATE = 16000
"""Samples a second."""
HOP = 200
"""Samples a token: 80 tokens a second, 16 for every 5 pictures at 25 fps."""
CODES = 1024
"""Codes of every codebook."""
PROSODY, CONTENT, ACOUSTIC = 1, 2, 3
"""Codebooks of each stream (m, n, k of the paper), in this order wherever all six are stacked."""
STREAMS = PROSODY + CONTENT + ACOUSTIC
SPEAKER = 256
"""Width of the speaker vector (D_s of the paper)."""


def frames_of(samples: int) -> int:
    """Tokens that cover ``samples`` at 16 kHz: ceil(samples / 200). A codec pads the last token with silence."""
    return -(-samples // HOP)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """An utterance of L tokens; token i stands for samples 200 i to 200 (i + 1).

    Attributes:
        prosody: (1, L) int64 in [0, 1024).
        content: (2, L) int64 in [0, 1024); the second codebook refines the first.
        acoustic: (3, L) int64 in [0, 1024); each refines what came before.
        speaker: (256,) float32.

    Raises:
        DubbenchError: other shapes, other types, or codes out of range.
    """

    prosody: NDArray[np.int64]
    content: NDArray[np.int64]
    acoustic: NDArray[np.int64]
    speaker: NDArray[np.float32]

    def __post_init__(self) -> None:
        length = self.prosody.shape[-1]
        for name, books in (("prosody", PROSODY), ("content", CONTENT), ("acoustic", ACOUSTIC)):
            x = getattr(self, name)
            if x.shape != (books, length) or x.dtype != np.int64:
                raise DubbenchError(
                    f"{name} tokens are {x.dtype} {x.shape}; expected int64 ({books}, L) with one L for all streams"
                )
            if x.size and (x.min() < 0 or x.max() >= CODES):
                raise DubbenchError(f"{name} tokens reach from {x.min()} to {x.max()}; expected 0 to {CODES - 1}")
        if self.speaker.shape != (SPEAKER,) or self.speaker.dtype != np.float32:
            raise DubbenchError(f"speaker vector is {self.speaker.dtype} {self.speaker.shape}; expected float32 (256,)")

    @property
    def length(self) -> int:
        """L."""
        return int(self.prosody.shape[1])

    @property
    def stacked(self) -> NDArray[np.int64]:
        """(6, L): prosody, content, content, acoustic, acoustic, acoustic."""
        return np.concatenate([self.prosody, self.content, self.acoustic])

    @classmethod
    def of(cls, stacked: NDArray[Any], speaker: NDArray[Any]) -> Tokens:
        """From (6, L) integers in the order of `stacked`, and the speaker vector."""
        if stacked.ndim != 2 or len(stacked) != STREAMS:
            raise DubbenchError(f"stacked tokens are of shape {stacked.shape}; expected ({STREAMS}, L)")
        x = np.ascontiguousarray(stacked, dtype=np.int64)
        a, b = PROSODY, PROSODY + CONTENT
        return cls(x[:a], x[a:b], x[b:], np.ascontiguousarray(speaker, dtype=np.float32))


@runtime_checkable
class Codec(Protocol):
    """Speech to tokens and back at 16 kHz. Both directions are deterministic.

    Attributes:
        name: ``facodec`` or ``world``.
        digest: sha256 over the kind of codec, its version and its weights. Tokens may be compared, cached and
            trained on together only under one digest.
    """

    name: str
    digest: str

    def encode(self, wav: NDArray[np.float32]) -> Tokens:
        """(T,) float32 at 16 kHz to ceil(T / 200) tokens. `DubbenchError` if there is nothing in it."""
        ...

    def decode(self, tokens: Tokens) -> NDArray[np.float32]:
        """L tokens to (200 L,) float32 at 16 kHz."""
        ...

    def books(self) -> Books:
        """What the codes stand for."""
        ...

    def settle(self, beliefs: Beliefs) -> NDArray[np.int64]:
        """What a model believes of L tokens to tokens (6, L), as `Tokens.stacked`.

        `DubbenchError` if it asks for a search and prosody has no order to search in.
        """
        ...


def checked(wav: NDArray[Any]) -> NDArray[np.float32]:
    """``wav`` as contiguous float32, padded with zeros to whole tokens; raises `DubbenchError` if it is no signal."""
    x = np.ascontiguousarray(wav, dtype=np.float32)
    if x.ndim != 1 or x.size == 0:
        raise DubbenchError(f"the codec was given samples of shape {x.shape}; expected (T,) with T of at least 1")
    if not np.isfinite(x).all():
        raise DubbenchError("the codec was given samples that are NaN or Inf")
    return np.pad(x, (0, frames_of(x.size) * HOP - x.size))
