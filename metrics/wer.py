"""Word error rate, in percent: (substitutions + deletions + insertions) / reference words, pooled over clips.

Counting (`count_errors`) is the same for every recogniser: both sides as lists of words, Levenshtein alignment by
jiwer, the script as the reference, an empty hypothesis as all deletions. A clip keeps its counts, so the mean is
micro: sum of errors over sum of words. (The dubbing papers' scripts swap the arguments, drop empty hypotheses and
average over clips; such numbers are not comparable.)

``WER-grammar`` needs no download. Its recogniser is pocketsphinx with the English model in its wheel and GRID's grammar
(Cooke et al. 2006): command, colour, preposition, letter, digit, adverb. Free dictation with that model is hopeless (82
% on the ground truth); with the grammar the ground truth of GRID's s1 has 8 to 12 %. A grammar repairs wrong speech,
since it must choose one of its few words whatever it hears, so letters (25 choices) and digits (10) are reported apart;
and it takes whatever is said beside the sentence for noise, so there are no insertions. Sound in which no whole
sentence is found is decoded again with every word optional, so that a cut-off dub loses the words that it lacks, and
silence or noise lose them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Ratio, Stats, Unscored
from dubbench.datasets import grid_grammar
from dubbench.errors import require
from dubbench.runtime.provenance import versions
from dubbench.signal import sphinx

SLOTS: dict[str, tuple[str, ...]] = {name: tuple(words.values()) for name, words in grid_grammar.SLOTS.items()}
"""One word of each, in this order."""
SKIP = 0.01
"""Likelihood of leaving a word out in the second pass."""


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Counts of one clip, and for each reference word whether it was recognised in its place."""

    hits: int
    substitutions: int
    deletions: int
    insertions: int
    correct: tuple[bool, ...]

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions


def count_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> WordErrors:
    """Word errors of a hypothesis.

    Args:
        reference: the words of the script, at least one.
        hypothesis: the recognised words; none counts as all deletions.
    """
    jiwer = require("jiwer", "metrics", "WER")
    if not reference:
        raise ValueError("there is no reference word to count errors against")
    if not hypothesis:
        return WordErrors(0, 0, len(reference), 0, (False,) * len(reference))
    result = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    correct = [False] * len(reference)
    for chunk in result.alignments[0]:
        if chunk.type == "equal":
            correct[chunk.ref_start_idx : chunk.ref_end_idx] = [True] * (chunk.ref_end_idx - chunk.ref_start_idx)
    return WordErrors(result.hits, result.substitutions, result.deletions, result.insertions, tuple(correct))


def grid_words(text: str) -> tuple[str, ...] | None:
    """The six words of a GRID sentence, lower-case; None if ``text`` is none. A digit may be written as a figure."""
    words = re.findall(r"[a-z]+|\d", text.lower())
    if len(words) != len(SLOTS) or re.sub(r"[\W_]", "", text.lower()) != "".join(words):
        return None
    if words[4].isdigit():
        words[4] = SLOTS["digit"][int(words[4])]
    return tuple(words) if all(word in slot for word, slot in zip(words, SLOTS.values(), strict=True)) else None


def lexicon() -> dict[str, tuple[sphinx.Pronunciation, ...]]:
    """Pronunciations of the grammar's words: the CMU dictionary's, and letters by their names."""
    known = sphinx.dictionary()
    words = {word: known[word] for slot in SLOTS.values() for word in slot if len(word) > 1}
    return words | sphinx.letters(SLOTS["letter"])


def recognise(samples: NDArray[np.floating]) -> tuple[str, ...]:
    """The words of (T,) samples at 16 kHz as GRID's grammar allows them: six, fewer, or none."""
    sound = sphinx.pcm(samples)
    if sound is None:
        return ()
    return _decode(sound, skip=0.0) or _decode(sound, skip=SKIP)


def _decode(sound: bytes, skip: float) -> tuple[str, ...]:
    recogniser = sphinx.decoder(lexicon())
    arcs: list[tuple[int, int, float] | tuple[int, int, float, str]] = [
        (i, i + 1, 1.0 / len(slot), word) for i, slot in enumerate(SLOTS.values()) for word in slot
    ]
    if skip:
        arcs += [(i, i + 1, skip) for i in range(len(SLOTS))]
    recogniser.add_fsg("grid", recogniser.create_fsg("grid", 0, len(SLOTS), arcs))
    recogniser.activate_search("grid")
    sphinx.decode(recogniser, sound)
    found = recogniser.hyp()
    return tuple(re.sub(r"\(\d+\)", "", found.hypstr).split()) if found else ()


def _statistics(errors: WordErrors) -> dict[str, float]:
    letter, digit = (list(SLOTS).index(name) for name in ("letter", "digit"))
    return {
        "hits": float(errors.hits),
        "substitutions": float(errors.substitutions),
        "deletions": float(errors.deletions),
        "insertions": float(errors.insertions),
        "errors": float(errors.errors),
        "words": float(len(errors.correct)),
        "letter_errors": float(not errors.correct[letter]),
        "letters": 1.0,
        "digit_errors": float(not errors.correct[digit]),
        "digits": 1.0,
    }


def percent_column(
    name: str,
    aggregate: Ratio | Mean,
    expects: dict[str, Effect],
    digits: int = 2,
    tolerance: float = 3.0,
    headline: bool = True,
) -> Column:
    """A column of errors, in percent."""
    return Column(
        name=name,
        direction="down",
        aggregate=aggregate,
        unit="%",
        scale=100.0,
        digits=digits,
        tolerance=tolerance,
        headline=headline,
        expects=expects,
    )


def _column(name: str, numerator: str, denominator: str, tolerance: float) -> Column:
    expects: dict[str, Effect] = {
        "delay": "invariant",
        "another_clip": "worse",
        "shuffled": "worse",
        "silence": "worse",
        "noise": "worse",
        "gain(db=-12)": "invariant",
        "noisy(snr=10)": "worse",
    }
    headline = numerator == "errors"
    if headline:
        expects["warp(ms=100)"] = "invariant"  # what comes too late is still said
    return percent_column(name, Ratio(numerator=numerator, denominator=denominator), expects, 1, tolerance, headline)


class WERGrammar(MetricBase):
    """Word error rate through pocketsphinx and GRID's grammar; letter and digit errors apart."""

    # What counts as the same. Sound that is moved or warped falls on other frames of the recogniser, and a word at the
    # edge of being heard tips over either way: that is no fault of the dub. Three points are a quarter of what the
    # recogniser gets wrong on GRID's ground truth (8 to 12 %), and a twentieth of what the mildest declared damage
    # costs (shuffled, +55). One letter or digit of forty clips is 2.5 points of its column, so that three of them are
    # within; the damage costs 40 and more there.
    columns = (
        _column("WER-grammar", "errors", "words", 3.0),
        _column("WER-letter", "letter_errors", "letters", 8.0),
        _column("WER-digit", "digit_errors", "digits", 8.0),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="wer-grammar",
            recipe="wer/pocketsphinx-grid",
            settings={
                **sphinx.settings(),
                **versions("jiwer"),
                "grammar": " ".join(SLOTS),
                "lexicon": "cmudict-en-us; letters by name, a EY, z Z EH D or Z IY",
                "second_pass": f"every word optional at {SKIP:g}, where no whole sentence is found",
                "search": "pocketsphinx defaults",
                "aggregation": "micro",
                "empty_hypothesis": "all deletions",
                "failed_dub": "all deletions",
            },
            weights=sphinx.model_weights(),
            needs=frozenset({"text"}),
            summary="Word error rate of a small recogniser that knows GRID's grammar and nothing else",
            source="Cooke, Barker, Cunningham and Shao 2006 (GRID's grammar); pocketsphinx",
            licence="BSD-2-Clause (pocketsphinx and its models)",
        )

    def load(self, device: str) -> None:
        """Read the dictionary; the recogniser runs on the CPU, new for each clip."""
        require("jiwer", "metrics", "WER-grammar")
        require("pocketsphinx", "metrics", "WER-grammar")
        lexicon()

    def score(self, item: Item) -> Stats | Unscored:
        """Counts of one clip. Unscored where the text is no GRID sentence."""
        words = grid_words(item.clip.text)
        if words is None:
            return Unscored("text is outside GRID's grammar")
        return _statistics(count_errors(words, recognise(item.dub.at(sphinx.RATE))))

    def failed(self, clip: Clip) -> Stats | None:
        """All words deleted; None where the text is no GRID sentence."""
        words = grid_words(clip.text)
        return None if words is None else _statistics(count_errors(words, ()))
