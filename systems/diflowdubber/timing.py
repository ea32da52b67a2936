"""Phone timings of a text: alignments of any source mapped to the text's own phones.

Training then sees the very phoneme sequences that inference makes from text, whatever pronunciation, pause or phone
set the aligner preferred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.signal.phone_timings import SILENCE, AlignmentError, Phone

_VOWELS = frozenset(["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"])
_GAP, _PAUSE = 1.0, 0.3  # cost of a phone, of a silence, that the other side lacks
_LIMIT = 0.4  # share of phones that may differ before the alignment counts as one of other words


@dataclass(frozen=True)
class Hints:
    """Where the timing of one clip may come from, the best first.

    Attributes:
        exact: CSV of phone, start, end, as `dubbench.core.clip.Clip.phones`.
        textgrid: of the Montreal Forced Aligner.
        words: GRID's ``.align``, in case that forced alignment fails.
    """

    exact: Path | None = None
    textgrid: Path | None = None
    words: Path | None = None


def transfer(phones: Sequence[Phone], wanted: Sequence[str]) -> NDArray[np.float32]:
    """Durations of the phones ``wanted``, from an alignment that may differ from them here and there.

    The two sequences are matched with the fewest differences (silence never matches a phone). What only the alignment
    has lengthens the phone before it; a phone that only the text has shares the time of the one before it; a silence
    that only the text has gets 0 s (`spans` will give it one token).

    Args:
        phones: gapless, from 0 to the end of the clip.
        wanted: ARPAbet without stress, and ``sil``.

    Returns:
        (N,) float32 seconds, summing to the end of ``phones``.

    Raises:
        AlignmentError: more than 40 % of the phones differ.
    """
    n, m = len(phones), len(wanted)
    cost = np.zeros((n + 1, m + 1))
    extra = [_PAUSE if p.phone == SILENCE else _GAP for p in phones]
    lacking = [_PAUSE if w == SILENCE else _GAP for w in wanted]
    cost[1:, 0], cost[0, 1:] = np.cumsum(extra), np.cumsum(lacking)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost[i, j] = min(
                cost[i - 1, j - 1] + _swap(phones[i - 1].phone, wanted[j - 1]),
                cost[i - 1, j] + extra[i - 1],
                cost[i, j - 1] + lacking[j - 1],
            )
    match: dict[int, int] = {}  # place in wanted -> place in phones
    i, j = n, m
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + _swap(phones[i - 1].phone, wanted[j - 1]):
            i, j = i - 1, j - 1
            match[j] = i
        elif cost[i, j] == cost[i - 1, j] + extra[i - 1]:
            i -= 1
        else:
            j -= 1
    spoken = sum(w != SILENCE for w in wanted)
    same = sum(w != SILENCE and k in match and phones[match[k]].phone == w for k, w in enumerate(wanted))
    if spoken - same > _LIMIT * spoken:
        raise AlignmentError(f"the alignment says other words than the text: {spoken - same} of {spoken} phones differ")
    return _share(phones, wanted, match)


def _swap(a: str, b: str) -> float:
    if a == b:
        return 0.0
    if SILENCE in (a, b):
        return float("inf")
    return 0.9 if (a in _VOWELS) == (b in _VOWELS) else 1.4


def _share(phones: Sequence[Phone], wanted: Sequence[str], match: dict[int, int]) -> NDArray[np.float32]:
    """Durations from the matched pairs."""
    matched = sorted(match)
    starts = [phones[match[k]].start for k in matched]
    starts[0] = 0.0  # what comes before the first match belongs to it
    durations = np.zeros(len(wanted))
    durations[matched] = np.diff([*starts, phones[-1].end])
    place = 0
    while place < len(wanted):
        end = place
        while end < len(wanted) and end not in match and wanted[end] != SILENCE:
            end += 1
        if end > place:  # a run of phones that only the text has
            owner = place - 1
            if owner not in match or wanted[owner] == SILENCE:
                owner = next(k for k in matched if k >= end and wanted[k] != SILENCE)
            group = [owner, *range(place, end)]
            durations[group] = durations[owner] / len(group)
        place = max(end, place + 1)
    return durations.astype(np.float32)


def align(
    samples: NDArray[np.floating], text: str, duration: float, hints: Hints
) -> tuple[list[str], NDArray[np.float32], str]:
    """The phones of ``text`` and how long each lasts in this speech.

    Args:
        samples: (T,) at 16 kHz.
        text: what is said.
        duration: of the clip in seconds; the durations sum to it.
        hints: where the timing may come from; forced alignment where there is nothing better.

    Returns:
        N phones, (N,) seconds, and the source: ``exact``, ``textgrid``, ``forced`` or ``anchors``.

    Raises:
        DubbenchError: unspeakable text, an alignment that does not fit, speech that is not the text.
    """
    from dubbench.signal.phone_timings import fill, read_phones, read_textgrid

    from .text import phonemes

    wanted = phonemes(text)
    if hints.exact is not None:
        found, source = read_phones(hints.exact), "exact"
    elif hints.textgrid is not None:
        found, source = read_textgrid(hints.textgrid), "textgrid"
    else:
        found, source = _forced(samples, text, hints.words)
    inside = [Phone(p.phone, p.start, min(p.end, duration), p.word) for p in found if p.start < duration]
    return wanted, transfer(fill(inside, duration), wanted), source


def _forced(samples: NDArray[np.floating], text: str, words_file: Path | None) -> tuple[list[Phone], str]:
    from dubbench.datasets.spoken_text import PAUSE
    from dubbench.signal.forced_alignment import align_pronunciations, text_words
    from dubbench.signal.phone_timings import read_align, spread

    from .text import words
    from .text.dictionary import pronounce

    spoken = [pronounce(word) for word in words(text) if word != PAUSE]
    try:
        return align_pronunciations(samples, [[word] for word in spoken]), "forced"
    except AlignmentError:
        if words_file is None:
            raise
        names = text_words(text)
        if len(names) != len(spoken):
            raise DubbenchError(
                f"{words_file}: cannot be matched with {text!r}, which is read in other words"
            ) from None
        return spread(read_align(words_file), names, spoken, len(samples) / 16000), "anchors"
