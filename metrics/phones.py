"""Phone-boundary error against the ground truth in milliseconds: the distance in time between equal phones.

Dub and ground truth are aligned with the text by the same aligner (`dubbench.signal.forced_alignment`: pocketsphinx,
steps of 10 ms), both with the pronunciations that fit the ground truth best, so that their phones are the same and can
be compared one by one. A clip's error is the median over its phones' starts and ends of |t_dub - t|. The aligner sees
neither the picture nor the other side, and it is never helped by timings from elsewhere.

A clip is unscored where either side cannot be aligned: another text, cut-off speech, noise, or a word that is not in
the dictionary. So read the value beside its number of scored clips; ``align-ms`` scores more of them. Where a dub says
something else, its forced alignment is a guess: large errors mean "not in time or not this text".

``phones(durations=LIST)`` takes the ground truth's phones from a published list instead (``dubbench data import-list``
makes one): another recipe, whose reference is another aligner's, in steps of 25 ms, and heard by nobody here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, MetricBase, MetricInfo, Option, Stats, Unscored
from dubbench.datasets.spoken_text import PAUSE, spoken
from dubbench.errors import DubbenchError, require
from dubbench.metrics.parts.timing import EXPECTED, timing_column
from dubbench.runtime.digests import file_digest
from dubbench.signal import forced_alignment, sphinx
from dubbench.signal.forced_alignment import AlignmentError, Phone
from dubbench.signal.listed_phones import read_listed
from dubbench.signal.sound import Sound

LONGEST = 60.0
"""Seconds beyond which a dub is left unscored; forced alignment over that much sound takes minutes."""


def boundary_errors(truth: Sequence[Phone], dub: Sequence[Phone]) -> NDArray[np.float64]:
    """Seconds by which each phone of the dub starts and ends late (positive) or early.

    Args:
        truth: P phones, and silences, which are passed over.
        dub: the same phones at other times.

    Returns:
        (P, 2).

    Raises:
        ValueError: not the same phones.
    """
    a, b = ([phone for phone in side if phone.phone != forced_alignment.SILENCE] for side in (truth, dub))
    if [phone.phone for phone in a] != [phone.phone for phone in b]:
        raise ValueError("the two sides are aligned with different phones")
    return np.array([(q.start - p.start, q.end - p.end) for p, q in zip(a, b, strict=True)]).reshape(-1, 2)


def pronounced(phones: Sequence[Phone]) -> list[tuple[sphinx.Pronunciation, ...]]:
    """The one pronunciation of each word that an alignment chose."""
    words: dict[int, list[str]] = {}
    for phone in phones:
        if phone.word >= 0:
            words.setdefault(phone.word, []).append(phone.phone)
    return [(tuple(words[i]),) for i in sorted(words)]


def without_figures(text: str) -> str:
    """``text`` with its numbers in words, as DiFlowDubber's front end reads them; a text without figures as it is.

    Raises:
        AlignmentError: there is nothing to speak in it.
    """
    if not any(character.isdigit() for character in text):
        return text
    try:
        words = spoken(text, sphinx.dictionary())
    except DubbenchError as error:
        raise AlignmentError(str(error)) from error
    return " ".join(word.rstrip(".") for word in words if word != PAUSE)


def align_truth(sound: Sound, text: str) -> list[Phone]:
    """Phones of the ground truth, remembered; aligned again with the pronunciations chosen, just as the dub will be."""

    def align() -> list[Phone]:
        samples = sound.at(sphinx.RATE)
        chosen = pronounced(forced_alignment.align_words_phones(samples, text))
        return forced_alignment.align_pronunciations(samples, chosen)

    return sound.derive(f"phones/pocketsphinx/{text}", align)


def _column(name: str, q: float, listed: bool = False) -> Column:
    expects = dict(EXPECTED)
    if listed:  # two aligners never agree to the frame
        del expects["ground_truth"]
    # Tolerance: two frames of the aligner, which puts a boundary one frame off in another voice.
    return timing_column(name, q, 20.0, expects, exact=not listed)


class PhoneBoundaries(MetricBase):
    """Phone-boundary error in ms: median and 90th percentile over the clips that can be aligned.

    Args:
        durations: a phone list (.jsonl) that stands for the ground truth; None aligns the ground truth itself.

    Raises:
        DubbenchError: a list that cannot be read.
    """

    columns = (_column("phone-ms", 0.5), _column("phone-ms-p90", 0.9))

    def __init__(self, durations: str | None = None) -> None:
        settings: dict[str, Option] = {
            **sphinx.settings(),
            "beam": forced_alignment.BEAM,
            "lexicon": "cmudict-en-us, and zed; the ground truth's variants on both sides",
            "boundaries": "starts and ends of phones",
            "per_clip": "median of absolute errors",
            "anchors": False,
            "longest_s": LONGEST,
        }
        self._listed: dict[str, list[Phone]] | None = None
        if durations is not None:
            path = Path(str(durations)).expanduser()
            self._listed = read_listed(path)
            settings |= {"reference": file_digest(path), "lexicon": "the list's pronunciations"}
            self.columns = (_column("phone-ms", 0.5, listed=True), _column("phone-ms-p90", 0.9, listed=True))
        self.info = MetricInfo(
            name="phones",
            recipe="phones/pocketsphinx" if durations is None else "phones/listed",
            settings=settings,
            weights=sphinx.model_weights(),
            needs=frozenset({"truth", "text"} if durations is None else {"text"}),
            summary="How far the dub's phones lie from the ground truth's in time, by forced alignment of both"
            if durations is None
            else "How far the dub's phones lie in time from those of a published list, by forced alignment of the dub",
            source="dubbench; pocketsphinx",
            licence="BSD-2-Clause (pocketsphinx and its models)",
        )

    def load(self, device: str) -> None:
        """Read the dictionary; the aligner runs on the CPU, new for each clip."""
        require("pocketsphinx", "metrics", "phone-ms")
        sphinx.dictionary()

    def score(self, item: Item) -> Stats | Unscored:
        """``error_ms``: milliseconds, >= 0. Unscored where either side cannot be aligned."""
        if max(item.dub.duration, item.truth.duration if item.truth else 0.0) > LONGEST:
            return Unscored(f"longer than {LONGEST:g} s; cut the clip into sentences")
        try:
            truth = self._truth(item)
        except AlignmentError as error:
            return Unscored(f"ground truth: {error}")
        try:
            dub = forced_alignment.align_pronunciations(item.dub.at(sphinx.RATE), pronounced(truth))
        except AlignmentError as error:
            return Unscored(f"dub: {error}")
        return {"error_ms": 1000.0 * float(np.median(np.abs(boundary_errors(truth, dub))))}

    def _truth(self, item: Item) -> list[Phone]:
        """The ground truth's phones: listed, or aligned here.

        Raises:
            AlignmentError: there are none.
        """
        if self._listed is None:
            assert item.truth is not None
            return align_truth(item.truth, without_figures(item.clip.text))
        if item.clip.id not in self._listed:
            raise AlignmentError("the clip is not in the list of phone durations")
        return self._listed[item.clip.id]
