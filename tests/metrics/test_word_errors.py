"""WER: counting against brute force, the grammar against an independent JSGF, decoding on real clips."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pairs import awkward, voice
from spoken import SENTENCES, say

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.datasets.grid import sentence
from dubbench.metrics import wer
from dubbench.signal import sphinx
from dubbench.signal.media import read_audio, resample
from dubbench.signal.sound import Sound

COLUMN = wer.WERGrammar.columns[0]


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein distance, straight from its recursion."""

    @cache
    def d(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return d(len(a), len(b))


def item(sound: np.ndarray, text: str, rate: int = 16000) -> Item:
    clip = Clip("c", "grid", "s1", text, Path("none.mp4"))
    return Item(clip, Sound(sound.astype(np.float32), rate), None, None, len(sound) / rate, 25.0)


def test_counts_agree_with_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        reference = [str(w) for w in rng.choice(list("abcd"), rng.integers(1, 8))]
        hypothesis = [str(w) for w in rng.choice(list("abcd"), rng.integers(0, 8))]
        counted = wer.count_errors(reference, hypothesis)
        assert counted.errors == edits(reference, hypothesis)
        assert counted.hits + counted.substitutions + counted.deletions == len(reference)
        assert counted.hits + counted.substitutions + counted.insertions == len(hypothesis)
        assert sum(counted.correct) == counted.hits


def test_nothing_recognised_is_all_deletions_and_insertions_count() -> None:
    assert wer.count_errors(["a", "b", "c"], []) == wer.WordErrors(0, 0, 3, 0, (False,) * 3)
    assert wer.count_errors(["a"], ["x", "a", "y"]) == wer.WordErrors(1, 0, 0, 2, (True,))
    with pytest.raises(ValueError, match="no reference"):
        wer.count_errors([], ["a"])


def test_places_are_those_of_the_reference() -> None:
    assert wer.count_errors(["bin", "blue", "at", "f", "two", "now"], ["blue", "at", "s", "two", "soon"]).correct == (
        *(False, True, True, False, True, False),
    )


def test_the_mean_is_micro() -> None:
    stats = {"errors": np.array([0.0, 1.0]), "words": np.array([4.0, 1.0])}
    assert COLUMN.scale * COLUMN.aggregate.resample(stats, np.array([[0, 1]]))[0] == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("set white by i six please", "set white by i six please"),
        ("Set white, by I 6 PLEASE.", "set white by i six please"),
        ("bin blue at z 0 now", "bin blue at z zero now"),
        ("set white by w six please", None),
        ("set white by i six", None),
        ("please set white by i six", None),
        ("set white by i sixty please", None),
        ("set white by é six please", None),
        ("", None),
    ],
)
def test_sentences_of_the_grammar(text: str, words: str | None) -> None:
    assert wer.grid_words(text) == (tuple(words.split()) if words else None)


def test_the_grammar_is_grids() -> None:
    assert list(wer.SLOTS) == ["command", "colour", "preposition", "letter", "digit", "adverb"]
    assert [len(slot) for slot in wer.SLOTS.values()] == [4, 4, 4, 25, 10, 4]
    assert set(wer.lexicon()) == {word for slot in wer.SLOTS.values() for word in slot}


def test_text_outside_the_grammar_is_unscored_and_a_failed_dub_is_all_deletions() -> None:
    metric = wer.WERGrammar()
    assert metric.score(item(voice(), "hello there")) == Unscored("text is outside GRID's grammar")
    assert metric.failed(Clip("c", "d", "s", "hello there", Path("x"))) is None
    failed = metric.failed(Clip("c", "d", "s", SENTENCES[0], Path("x")))
    assert failed is not None
    assert (failed["errors"], failed["words"], failed["deletions"]) == (6.0, 6.0, 6.0)
    assert failed["letter_errors"] == failed["digit_errors"] == 1.0


def test_clear_speech_is_recognised_at_any_level_rate_and_in_any_order() -> None:
    metric = wer.WERGrammar()
    words = {text: wer.recognise(say(text)[0]) for text in SENTENCES}
    for text in reversed(SENTENCES):
        sound = say(text)[0]
        stats = metric.score(item(resample(sound, 16000, 48000), text, 48000))
        assert not isinstance(stats, Unscored)
        assert stats["errors"] == wer.count_errors(text.split(), words[text]).errors
        for gain in (1e-3, 0.25, 3.0):
            assert wer.recognise(np.float32(gain) * sound) == words[text]
    assert sum(wer.count_errors(t.split(), w).errors for t, w in words.items()) <= 4


def test_a_decoder_carries_nothing_over_because_it_is_new() -> None:
    """The scores of the search, not just its words, are the same before and after other sounds; one decoder for all
    of them would not pass."""

    def score(recogniser: object, text: str) -> float:
        sound = sphinx.pcm(say(text)[0])
        assert sound is not None
        sphinx.decode(recogniser, sound)
        return float(recogniser.hyp().score)  # type: ignore[attr-defined]

    def fresh() -> object:
        recogniser = sphinx.decoder(wer.lexicon(), bestpath=False)  # the last pass has no score
        arcs = [(i, i + 1, 0.1, word) for i, slot in enumerate(wer.SLOTS.values()) for word in slot]
        recogniser.add_fsg("grid", recogniser.create_fsg("grid", 0, 6, arcs))
        recogniser.activate_search("grid")
        return recogniser

    alone = [score(fresh(), text) for text in SENTENCES]
    assert [score(fresh(), text) for text in reversed(SENTENCES)] == alone[::-1]
    shared = fresh()
    assert [score(shared, text) for text in SENTENCES] != alone


def test_a_cut_off_dub_loses_the_words_that_it_lacks() -> None:
    sound, told = say(SENTENCES[1])  # bin blue at f | four again
    cut = sound[: round(16000 * next(p.end for p in told if p.phone == "F"))]
    found = wer.recognise(cut)
    assert 3 <= len(found) <= 5
    assert wer.count_errors(SENTENCES[1].split(), found).deletions >= 1
    assert found[:2] == ("bin", "blue")


def test_awkward_dubs_give_finite_counts() -> None:
    metric = wer.WERGrammar()
    for name, (sound, rate) in awkward(voice()).items():
        stats = metric.score(item(sound, SENTENCES[0], rate))
        assert not isinstance(stats, Unscored), name
        assert stats["words"] == 6 == stats["hits"] + stats["substitutions"] + stats["deletions"], name
        if name in ("one sample", "ten samples", "digital silence", "constant", "noise"):
            assert stats["deletions"] == 6, name


def test_real_clips(shared_data: Path, tmp_path: Path) -> None:
    """Ground truth of GRID s1: few errors, and the words that pocketsphinx finds with the grammar written as JSGF."""
    import pocketsphinx

    grammar, lexicon = tmp_path / "grid.gram", tmp_path / "grid.dict"
    slots = " ".join(f"({' | '.join(slot)})" for slot in wer.SLOTS.values())
    grammar.write_text(f"#JSGF V1.0;\ngrammar grid;\npublic <sentence> = {slots};\n")
    lines = [
        f"{word}{f'({i + 1})' * (i > 0)} {' '.join(phones)}\n"
        for word, variants in sorted(wer.lexicon().items())
        for i, phones in enumerate(variants)
    ]
    lexicon.write_text("".join(lines))
    errors = words = same = 0
    files = sorted((shared_data / "grid" / "s1").glob("*.m*"))[::60]
    for file in files:
        sound = read_audio(file)
        found = wer.recognise(sound)
        decoder = pocketsphinx.Decoder(jsgf=str(grammar), dict=str(lexicon), lm=None, loglevel="FATAL")
        sphinx.decode(decoder, sphinx.pcm(sound) or b"")
        same += tuple(decoder.hyp().hypstr.split()) == found
        text = sentence(file.stem)
        assert text
        errors += wer.count_errors(text.split(), found).errors
        words += 6
    assert same == len(files) >= 10
    assert errors / words < 0.2
