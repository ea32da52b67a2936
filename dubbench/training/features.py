"""Features of many clips in one file, the only input of training.

Nothing but numpy and safetensors is needed to read it, so that it can be carried to a GPU machine that has nothing
else. Visual features are kept as float16 around their mean, which leaves landmarks exact to a hundredth of a pixel:
850 clips of 3 s take less than 35 MiB. `making` makes these files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.runtime.digests import arrays_digest
from dubbench.runtime.files import atomic

VERSION = 1
"""Raised whenever the same clips would give other features."""
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Features:
    """One clip.

    Attributes:
        clip, speaker, text: as in `dubbench.core.clip.Clip`; the speaker may be empty.
        aligned: where the durations come from: ``exact``, ``textgrid``, ``forced`` or ``anchors``.
        tokens: (6, L) int16 codes: prosody, content, content, acoustic, acoustic, acoustic.
        phonemes: (N,) uint8 ids of `dubbench.systems.diflowdubber.text.PHONES`.
        durations: (N,) float32 seconds.
        voice: (256,) float32, the codec's speaker vector of this clip.
        lips: (F, Dl) at 25 Hz, without deltas; None for speech without a picture.
        face: (F, Df) at 25 Hz; None likewise.
    """

    clip: str
    speaker: str
    text: str
    aligned: str
    tokens: Array
    phonemes: Array
    durations: Array
    voice: Array
    lips: Array | None = None
    face: Array | None = None


@dataclass(frozen=True)
class CacheInfo:
    """What a cache says about itself.

    Attributes:
        dataset, split: where the clips come from.
        codec, codec_digest: whose tokens they are.
        visual: ``landmarks`` (deltas are added on reading), ``npy`` (as they are) or ``none``.
        clips: (id, speaker, text, source of the durations) of each clip.
        problems: clip -> why it is not here.
        version: of this module.
    """

    dataset: str
    split: str
    codec: str
    codec_digest: str
    visual: str
    clips: tuple[tuple[str, str, str, str], ...] = ()
    problems: dict[str, str] = field(default_factory=dict)
    version: int = VERSION


class Cache:
    """Features of many clips, as `Features`.

    Args:
        info: what it says about itself.
        arrays: ``tokens`` (6, ΣL), ``phonemes`` and ``durations`` (ΣN,), ``voices`` (clips, 256), the ends of every
            clip in them (``token_ends``, ``phoneme_ends``), and with a picture ``lips``, ``face`` (ΣF, …) around
            ``lips_mean``, ``face_mean``, and ``frame_ends``.
    """

    def __init__(self, info: CacheInfo, arrays: dict[str, Array]) -> None:
        self.info = info
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.info.clips)

    def __iter__(self) -> Iterator[Features]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Features:
        """Features of a clip; the visual ones as float32, lips with deltas where they are landmarks."""
        x = self.arrays
        clip, speaker, text, aligned = self.info.clips[index]
        tokens, phones = self._span("token", index), self._span("phoneme", index)
        lips = face = None
        if self.has_video:
            frames = self._span("frame", index)
            lips = x["lips"][frames].astype(np.float32) + x["lips_mean"]
            face = x["face"][frames].astype(np.float32) + x["face_mean"]
            lips = with_deltas(lips) if self.info.visual == "landmarks" else lips
        return Features(
            clip=clip,
            speaker=speaker,
            text=text,
            aligned=aligned,
            tokens=x["tokens"][:, tokens],
            phonemes=x["phonemes"][phones],
            durations=x["durations"][phones],
            voice=x["voices"][index],
            lips=lips,
            face=face,
        )

    def _span(self, what: str, index: int) -> slice:
        ends = self.arrays[f"{what}_ends"]
        return slice(int(ends[index - 1]) if index else 0, int(ends[index]))

    @property
    def has_video(self) -> bool:
        """Whether there are lips and face."""
        return self.info.visual != "none"

    @property
    def lip_dim(self) -> int:
        """Width of `Features.lips` as read; 0 without video."""
        return self.arrays["lips"].shape[1] * (2 if self.info.visual == "landmarks" else 1) if self.has_video else 0

    @property
    def face_dim(self) -> int:
        """Width of `Features.face`; 0 without video."""
        return self.arrays["face"].shape[1] if self.has_video else 0

    @cached_property
    def token_lengths(self) -> NDArray[np.int64]:
        """(clips,) L of each."""
        return np.diff(self.arrays["token_ends"], prepend=0)

    @cached_property
    def digest(self) -> str:
        """sha256 over everything in it."""
        return arrays_digest("features", self.arrays, [_to_json(self.info)])

    def save(self, path: Path) -> None:
        """Write it, atomically."""
        from safetensors.numpy import save_file

        told = {"dubbench": _to_json(self.info), "sha256": self.digest}
        with atomic(path) as temporary:
            save_file({name: np.ascontiguousarray(x) for name, x in self.arrays.items()}, temporary, told)

    @classmethod
    def load(cls, path: Path) -> Cache:
        """Read it, and hold its content against its digest.

        Raises:
            DubbenchError: missing, truncated, changed, not such a file, or of another version.
        """
        from safetensors import safe_open

        path = Path(path)
        if not path.is_file():
            raise DubbenchError(f"{path}: no such features; make them with: dubbench train features")
        try:
            with safe_open(path, "np") as file:
                told = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dictionary
        except Exception as error:  # safetensors raises its own kind
            raise DubbenchError(f"{path}: unreadable or cut short ({error}); make it again") from error
        if "dubbench" not in told:
            raise DubbenchError(f"{path}: not features of dubbench; make them with: dubbench train features")
        try:
            data = json.loads(told["dubbench"])
        except ValueError as error:
            raise DubbenchError(f"{path}: damaged ({error}); make it again") from error
        if not isinstance(data, dict) or "dataset" not in data:
            raise DubbenchError(f"{path}: not features of dubbench; make them with: dubbench train features")
        if data.get("version") != VERSION or set(data) != {f.name for f in fields(CacheInfo)}:
            raise DubbenchError(
                f"{path}: features of version {data.get('version')}, this is {VERSION}; make them again"
            )
        data["clips"] = tuple(tuple(row) for row in data["clips"])
        cache = cls(CacheInfo(**data), arrays)
        if cache.digest != told.get("sha256"):
            raise DubbenchError(
                f"{path}: its content does not fit its digest; it was changed or damaged: make it again"
            )
        return cache


def pack(clips: Sequence[Features], info: CacheInfo) -> Cache:
    """One cache of many clips; ``info.clips`` is taken from them.

    Raises:
        DubbenchError: no clip.
    """
    if not clips:
        why = [f"{len(info.problems)} failed, first {clip}: {reason}" for clip, reason in info.problems.items()][:1]
        raise DubbenchError("; ".join([f"{info.dataset} {info.split}: no clip has features", *why]))
    arrays: dict[str, Array] = {
        "tokens": np.concatenate([c.tokens for c in clips], 1, dtype=np.int16),
        "token_ends": np.cumsum([c.tokens.shape[1] for c in clips]).astype(np.int64),
        "phonemes": np.concatenate([c.phonemes for c in clips]).astype(np.uint8),
        "durations": np.concatenate([c.durations for c in clips]).astype(np.float32),
        "phoneme_ends": np.cumsum([len(c.phonemes) for c in clips]).astype(np.int64),
        "voices": np.stack([c.voice for c in clips]).astype(np.float32),
    }
    if info.visual != "none":
        for name in ("lips", "face"):
            every = np.concatenate([getattr(c, name) for c in clips]).astype(np.float32)
            mean = every.mean(0, dtype=np.float64).astype(np.float32)
            arrays[name], arrays[f"{name}_mean"] = (every - mean).astype(np.float16), mean
        arrays["frame_ends"] = np.cumsum([len(c.lips) for c in clips if c.lips is not None]).astype(np.int64)
    rows = tuple((c.clip, c.speaker, c.text, c.aligned) for c in clips)
    return Cache(CacheInfo(**{**_plain(info), "clips": rows}), arrays)


def with_deltas(lips: Array) -> NDArray[np.float32]:
    """(F, D) to (F, 2 D): the features, then their change a frame (central differences)."""
    change = np.gradient(lips, axis=0) if len(lips) > 1 else np.zeros_like(lips)
    return np.concatenate([lips, change], 1).astype(np.float32)


def hold_out(clips: Sequence[str], count: int) -> list[str]:
    """``count`` of these clip ids, always the same ones of the same clips: for validation."""
    return sorted(sorted(clips, key=lambda clip: hashlib.sha256(f"validation {clip}".encode()).digest())[:count])


def _plain(info: CacheInfo) -> dict[str, Any]:
    return {f.name: getattr(info, f.name) for f in fields(info)}


def _to_json(info: CacheInfo) -> str:
    return json.dumps(asdict(info), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
