"""The codec that needs no download: WORLD parameters, quantised into the streams that FACodec has.

An utterance's 256-d Resemblyzer embedding is its speaker vector. A linear map reads from it what the voice is made
of (`Voice`): level and spread of log F0, length of the vocal tract, loudness, mean and spread of every cepstral
coefficient, breathiness. Encoder and decoder use the same reading, so it cancels in a copy; another vector puts the
same tokens into another voice. What is left is quantised frame by frame::

    prosody   voicing, log F0 and energy, relative to the voice                    1 book
    content   mel-cepstrum on the average vocal tract's frequency axis, in
              units of the voice's own mean and spread                             2 books, residual
    acoustic  what content leaves, and what it does not hold: energy's remainder
              and aperiodicity                                                     3 books, residual

Prosody and content alone are intelligible (``decode(tokens, acoustic=False)``): a dubbing model can predict them
and sample the rest. `fit` makes the codec from any recordings, without transcripts or speaker names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import arrays_digest
from dubbench.systems.diflowdubber.codec.base import CODES, Tokens
from dubbench.systems.diflowdubber.codec.kmeans import Matrix, assign
from dubbench.systems.diflowdubber.codec.settle import Beliefs
from dubbench.systems.diflowdubber.codec.world_features import Array, Frames, analyse, synthesise
from dubbench.systems.diflowdubber.codec.world_settle import settle
from dubbench.systems.diflowdubber.codec.world_streams import VOICED, Arrays, embed, prosody_codes
from dubbench.systems.diflowdubber.codec.world_voice import DECIBELS, ENERGY, Voice, absolute, relative

if TYPE_CHECKING:
    from dubbench.systems.diflowdubber.geometry import Books

VERSION = "1"
"""Goes up whenever the same file would give other tokens or samples."""


class WorldCodec:
    """`Codec` over WORLD. See the module's text; `load` reads a fitted one, `fit` makes one."""

    name = "world"

    def __init__(self, arrays: Arrays, meta: dict[str, Any] | None = None) -> None:
        self.arrays = arrays
        self.meta = dict(meta or {})
        self.digest = arrays_digest(f"world {VERSION}", asdict(arrays))

    def encode(self, wav: NDArray[np.float32]) -> Tokens:
        """(T,) at 16 kHz to ceil(T / 200) tokens."""
        return self.quantise(analyse(wav), embed(wav))

    def decode(self, tokens: Tokens, *, acoustic: bool = True) -> NDArray[np.float32]:
        """L tokens to (200 L,) samples; without ``acoustic`` from prosody and content alone."""
        return synthesise(self.restore(tokens, acoustic=acoustic))

    def books(self) -> Books:
        """Prosody in semitones and dB; content and acoustics under the weights that their codes are chosen by."""
        from dubbench.systems.diflowdubber.geometry import Books

        a = self.arrays
        vectors = [a.prosody, *(a.content * a.content_weights), *(a.acoustic * a.acoustic_weights)]
        return Books(vectors, np.arange(CODES) < VOICED, a.prosody[:, 0])

    def settle(self, beliefs: Beliefs) -> NDArray[np.int64]:
        """See `world_settle`: voicing by mass, pitch and energy by mean or search, residual books by mean."""
        return settle(self.arrays, beliefs)

    def voice(self, speaker: NDArray[np.float32]) -> Voice:
        """What the (256,) speaker vector says about the voice."""
        a = self.arrays
        return Voice.of((speaker - a.centre).astype(np.float64) @ a.reading + a.average)

    def quantise(self, frames: Frames, speaker: NDArray[np.float32]) -> Tokens:
        """Parameters and speaker vector to tokens."""
        a = self.arrays
        melody, detail = relative(frames, self.voice(speaker), Voice.of(a.average))
        prosody = prosody_codes(melody, frames.f0 > 0, a.prosody)
        detail[:, ENERGY] -= a.prosody[prosody, 1] / DECIBELS
        content, rest = residual_codes(detail, a.content, a.content_weights)
        acoustic, _ = residual_codes(rest, a.acoustic, a.acoustic_weights)
        return Tokens.of(np.concatenate([prosody[None], content, acoustic]), speaker)

    def restore(self, tokens: Tokens, *, acoustic: bool = True) -> Frames:
        """Tokens to the parameters that they stand for."""
        a = self.arrays
        books = [*zip(a.content, tokens.content, strict=True)]
        if acoustic:
            books += zip(a.acoustic, tokens.acoustic, strict=True)
        detail: Array = np.stack([book[ids] for book, ids in books]).sum(axis=0, dtype=np.float64)
        melody = a.prosody[tokens.prosody[0]].astype(np.float64)
        detail[:, ENERGY] += melody[:, 1] / DECIBELS
        voice, average = self.voice(tokens.speaker), Voice.of(a.average)
        return absolute(melody[:, 0], tokens.prosody[0] < VOICED, smooth(detail), voice, average)

    @classmethod
    def fit(cls, wavs: Iterable[NDArray[np.float32]], seed: int = 0) -> WorldCodec:
        """Fit on recordings at 16 kHz; see `world_fit.fit`."""
        from dubbench.systems.diflowdubber.codec.world_fit import fit

        arrays, meta = fit(wavs, seed)
        return cls(arrays, meta)

    def save(self, path: Path) -> None:
        """Write ``path`` (.safetensors, under 1 MB) and its account beside it (.json), atomically."""
        from safetensors.numpy import save

        from dubbench.runtime.files import atomic

        path = Path(path)
        meta = {"codec": self.name, "version": VERSION, "digest": self.digest, **self.meta}
        with atomic(path) as temporary:
            temporary.write_bytes(save(asdict(self.arrays), metadata={"dubbench": json.dumps(meta, sort_keys=True)}))
        with atomic(path.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(meta, indent=2, sort_keys=True) + "\n")

    @classmethod
    def load(cls, path: Path) -> WorldCodec:
        """Read what `save` wrote (the .json is for people and not needed).

        Raises:
            DubbenchError: missing, damaged, of another version, or changed since it was written.
        """
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise DubbenchError(f"{path}: no such file; make one with: dubbench codec fit")
        try:
            with safe_open(path, framework="numpy") as file:
                meta = json.loads((file.metadata() or {}).get("dubbench", "{}"))
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError, ValueError) as error:
            raise DubbenchError(f"{path}: not readable as a codec ({error}); fit it again") from error
        if not isinstance(meta, dict) or not {"codec", "digest"} <= set(meta):
            raise DubbenchError(f"{path}: not a codec; make one with: dubbench codec fit")
        if meta.get("codec") != cls.name or meta.get("version") != VERSION:
            found = f"{meta.get('codec')} of version {meta.get('version')}"
            raise DubbenchError(f"{path}: is {found}, expected world of version {VERSION}; fit it again")
        try:
            codec = cls(Arrays(**arrays))
        except TypeError as error:
            raise DubbenchError(f"{path}: holds other arrays than the codec's ({error}); fit it again") from error
        if codec.digest != meta.get("digest"):
            raise DubbenchError(f"{path}: its content does not fit its digest; it was changed or damaged")
        codec.meta = {k: v for k, v in meta.items() if k not in ("codec", "version", "digest")}
        return codec


def smooth(x: Array) -> Array:
    """(L, d), each frame averaged a little with its neighbours (1 8 1): codes chosen frame by frame jitter."""
    ends = np.concatenate([x[:1], x, x[-1:]])
    return (ends[:-2] + 8 * x + ends[2:]) / 10


def residual_codes(z: Array, books: Matrix, weights: Matrix) -> tuple[NDArray[np.int64], Array]:
    """(L, 41) to codes (books, L) and what they leave (L, 41)."""
    codes, rest = [], z
    for book in books:
        ids, _ = assign((rest * weights).astype(np.float32), book * weights)
        codes.append(ids)
        rest = rest - book[ids]
    return np.stack(codes), rest
