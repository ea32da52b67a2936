"""Clips from caches, and the assignment of clips to the batch of a step.

Everything random here is a function of the seed and the step alone, so that a run that was killed goes on with the
same batches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.training.features import Cache, Features

from ..batch import DubItem, TtsItem
from ..config import Config

PROMPT = (1.0, 3.0)
"""Seconds of another utterance that stage 1 gets as its reference."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Some clips of some caches.

    Attributes:
        caches: all with tokens of one codec.
        index: (n, 2) cache and clip in it, of every clip that belongs.
    """

    caches: Sequence[Cache]
    index: NDArray[np.int64]

    @classmethod
    def of(cls, caches: Sequence[Cache], leave: frozenset[str] = frozenset(), only: bool = False) -> Corpus:
        """All clips of ``caches`` but those of the ids ``leave``, or these alone with ``only``.

        Raises:
            DubbenchError: no cache, or tokens of different codecs.
        """
        digests = {cache.info.codec_digest for cache in caches}
        if len(digests) != 1:
            raise DubbenchError(f"training needs features of one codec; these are of {len(digests)}")
        rows = [(k, i) for k, c in enumerate(caches) for i, row in enumerate(c.info.clips) if (row[0] in leave) == only]
        return cls(caches, np.array(rows, np.int64).reshape(-1, 2))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: int) -> Features:
        cache, clip = self.index[place]
        features: Features = self.caches[cache][int(clip)]
        return features

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) tokens of each clip."""
        return np.array([self.caches[k].token_lengths[i] for k, i in self.index], np.int64)

    @property
    def ids(self) -> list[str]:
        """Clip ids, in order."""
        return [self.caches[k].info.clips[i][0] for k, i in self.index]

    @cached_property
    def _voices(self) -> tuple[list[tuple[int, str]], dict[tuple[int, str], list[int]]]:
        """The speaker of each clip, and the clips of each speaker; speakers of two caches are two."""
        speakers = [(int(k), self.caches[k].info.clips[i][1]) for k, i in self.index]
        by_speaker = defaultdict(list)
        for place, speaker in enumerate(speakers):
            by_speaker[speaker].append(place)
        return speakers, dict(by_speaker)

    def other(self, place: int, rng: np.random.Generator) -> int | None:
        """Another clip of the same speaker; None if there is none, or the speaker is unknown."""
        speakers, by_speaker = self._voices
        speaker = speakers[place]
        same = by_speaker[speaker]
        if not speaker[1] or len(same) < 2:
            return None
        pick = same[int(rng.integers(len(same) - 1))]
        return pick if pick != place else same[-1]

    def visual_statistics(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """``lips`` and ``face`` -> mean and standard deviation of each feature over all frames."""
        sums: dict[str, list[NDArray[np.float64]]] = {}
        for place in range(len(self)):
            clip = self[place]
            for name, x in (("lips", clip.lips), ("face", clip.face)):
                assert x is not None
                wide = x.astype(np.float64)
                part = [np.full(1, len(wide)), wide.sum(0), (wide**2).sum(0)]
                sums[name] = [a + b for a, b in zip(sums[name], part, strict=True)] if name in sums else part
        made = {}
        for name, (count, total, square) in sums.items():
            mean = total / count
            std = np.sqrt(np.maximum(square / count - mean**2, 0))
            made[name] = (mean.astype(np.float32), std.astype(np.float32))
        return made


def tts_item(corpus: Corpus, place: int, rng: np.random.Generator, config: Config) -> TtsItem:
    """A clip to speak, and a stretch of another clip of its speaker (nothing where there is none) as its reference.

    The speaker vector is that other clip's too, so that the model never sees the target's own.
    """
    clip, other = corpus[place], corpus.other(place, rng)
    seconds = rng.uniform(*PROMPT)
    tokens, voice = clip.tokens[:, :0], clip.voice
    if other is not None:
        spoken = corpus[other]
        size = min(spoken.tokens.shape[1], max(1, round(seconds * config.token_rate)))
        start = int(rng.integers(spoken.tokens.shape[1] - size + 1))
        tokens, voice = spoken.tokens[:, start : start + size], spoken.voice
    return TtsItem(clip.phonemes, voice, tokens, clip.tokens, clip.durations)


def dub_item(corpus: Corpus, place: int, rng: np.random.Generator, config: Config) -> DubItem:
    """A clip to dub, with the speaker vector of another clip of its speaker (its own where there is none)."""
    clip, other = corpus[place], corpus.other(place, rng)
    if clip.lips is None or clip.face is None:
        raise DubbenchError(f"{clip.clip}: these features have no video; stage 2 needs lips and face")
    voice = clip.voice if other is None else corpus[other].voice
    return DubItem(clip.phonemes, clip.lips, clip.face, voice, clip.tokens, clip.durations)


MakeItem = Callable[[Corpus, int, np.random.Generator, Config], TtsItem | DubItem]


@dataclass(frozen=True, eq=False)
class Order:
    """Which clips each step takes: every epoch a new order, clips of like length together, the rest left out.

    Attributes:
        lengths: (n,) of the clips.
        batch: clips a step; all clips where there are fewer.
        seed: of the order.
    """

    lengths: NDArray[np.int64]
    batch: int
    seed: int
    pool: int = 16

    @property
    def per_epoch(self) -> int:
        """Steps an epoch."""
        return max(1, len(self.lengths) // self.batch)

    def epoch(self, epoch: int) -> list[NDArray[np.intp]]:
        """The batches of an epoch."""
        rng = np.random.default_rng([self.seed, 1, epoch])
        places = rng.permutation(len(self.lengths))
        size = min(self.batch, len(places))
        if size == 0:
            raise DubbenchError("there is no clip to train on")
        batches = []
        for start in range(0, self.per_epoch * size, self.pool * size):
            some = places[start : min(start + self.pool * size, self.per_epoch * size)]
            some = some[np.argsort(self.lengths[some], kind="stable")]
            batches += np.split(some, len(some) // size)
        return [batches[i] for i in rng.permutation(len(batches))]

    def step(self, step: int) -> NDArray[np.intp]:
        """The clips of ``step``, counted from 0."""
        epoch, place = divmod(step, self.per_epoch)
        if self._memory[0] != epoch:
            self._memory[0:2] = [epoch, self.epoch(epoch)]
        return self._memory[1][place]  # type: ignore[no-any-return]

    @cached_property
    def _memory(self) -> list:  # type: ignore[type-arg]
        return [-1, []]


def step_generator(seed: int, step: int, rank: int) -> np.random.Generator:
    """Of the references of one step."""
    return np.random.default_rng([seed, 2, step, rank])
