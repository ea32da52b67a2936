"""Forced alignment against exact timings and against GRID's own; readers against files written by hand."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from spoken import SENTENCES, say

from dubbench.datasets.grid import sentence
from dubbench.signal import forced_alignment, sphinx
from dubbench.signal.forced_alignment import SILENCE, AlignmentError, Phone, Word, align_words_phones, fill
from dubbench.signal.media import read_audio
from dubbench.signal.phone_timings import canonical, read_align, read_phones, read_textgrid, spread


def spans(phones: list[Phone], words: int) -> list[tuple[float, float]]:
    """Start and end of each word."""
    inside = [[p for p in phones if p.word == i] for i in range(words)]
    return [(word[0].start, word[-1].end) for word in inside]


def test_phones_lie_where_espeak_put_them() -> None:
    errors = []
    for text in SENTENCES:
        sound, told = say(text)
        found = [p for p in align_words_phones(sound, text) if p.phone != SILENCE]
        assert [p.phone for p in found] == [p.phone for p in told]
        errors += [abs(p.start - q.start) for p, q in zip(found, told, strict=True)]
    assert np.median(errors) < 0.025
    assert np.percentile(errors, 90) < 0.08


def test_phones_cover_the_sound_and_belong_to_words() -> None:
    sound, _ = say(SENTENCES[0])
    phones = align_words_phones(sound, SENTENCES[0])
    assert phones[0].start == 0.0
    assert phones[-1].end == pytest.approx(len(sound) / 16000)
    assert all(a.end == b.start for a, b in pairwise(phones))
    assert [p.word for p in phones if p.phone != SILENCE] == sorted(p.word for p in phones if p.phone != SILENCE)
    assert {p.word for p in phones} == {-1, *range(6)}


def test_a_delay_is_seen_in_full() -> None:
    sound, _ = say(SENTENCES[1])
    late = np.concatenate([np.zeros(1600, np.float32), sound])
    before, after = (spans(align_words_phones(x, SENTENCES[1]), 6) for x in (sound, late))
    assert np.median(np.array(after) - before) == pytest.approx(0.1, abs=0.0101)


def test_level_does_not_matter_and_nothing_is_carried_over() -> None:
    first, second = say(SENTENCES[0])[0], say(SENTENCES[2])[0]
    alone = align_words_phones(first, SENTENCES[0])
    align_words_phones(second, SENTENCES[2])
    assert align_words_phones(first, SENTENCES[0]) == alone
    assert align_words_phones(first * np.float32(0.25), SENTENCES[0]) == alone


def test_grids_words_lie_where_grid_says(shared_data: Path) -> None:
    """Real speech against GRID's own alignment (itself by HMM): half of the boundaries within 20 ms."""
    errors, files = [], sorted((shared_data / "grid" / "s1").glob("*.m*"))[::90]
    for file in files:
        words = read_align(next((shared_data / "grid" / "alignments").rglob(f"{file.stem}.align")))
        phones = align_words_phones(read_audio(file), sentence(file.stem))
        assert [w.word for w in words] == sentence(file.stem).split()
        errors += [
            abs(t - u) for (a, b), w in zip(spans(phones, 6), words, strict=True) for t, u in ((a, w.start), (b, w.end))
        ]
    assert len(files) >= 5
    assert np.median(errors) <= 0.0201
    assert np.percentile(errors, 90) < 0.1


@pytest.mark.parametrize(
    "sound", [np.zeros(48000), np.full(48000, 0.3), np.eye(1, 10, 3)[0], np.random.default_rng(0).normal(0, 0.1, 48000)]
)
def test_sound_without_the_text_fails_in_one_line(sound: np.ndarray) -> None:
    with pytest.raises(AlignmentError) as caught:
        align_words_phones(sound.astype(np.float32), SENTENCES[0])
    assert "\n" not in str(caught.value)


def test_the_word_that_nobody_can_pronounce_is_named() -> None:
    sound, _ = say(SENTENCES[0])
    with pytest.raises(AlignmentError, match="'qwxyzzy'"):
        align_words_phones(sound, "set qwxyzzy soon")
    with pytest.raises(AlignmentError, match="no text"):
        align_words_phones(sound, " ... ")
    with pytest.raises(AlignmentError, match="not ARPAbet"):
        align_words_phones(sound, "set qwxyzzy soon", pronounce=lambda word: ("W", "2"))


def test_the_hook_pronounces_unknown_words() -> None:
    sound, told = say(SENTENCES[0])
    asked = []

    def pronounce(word: str) -> tuple[str, ...]:
        asked.append(word)
        return ("G", "R", "IY", "N")

    phones = align_words_phones(sound, "set grieeq with p two soon", pronounce=pronounce)
    assert asked == ["grieeq"]
    assert [p.phone for p in phones if p.phone != SILENCE] == [p.phone for p in told]


def test_anchors_help_only_where_forced_alignment_fails() -> None:
    sound, _ = say(SENTENCES[0])
    anchors = [Word(w, 0.2 * i, 0.2 * i + 0.15) for i, w in enumerate(SENTENCES[0].split())]
    assert align_words_phones(sound, SENTENCES[0], anchors=anchors) == align_words_phones(sound, SENTENCES[0])
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    phones = align_words_phones(noise, SENTENCES[0], anchors=anchors)
    assert spans(phones, 6) == [pytest.approx((w.start, w.end)) for w in anchors]
    assert phones[0] == Phone("S", 0.0, 0.05, 0)
    with pytest.raises(AlignmentError, match="anchors say"):
        align_words_phones(noise, SENTENCES[0], anchors=anchors[1:])


def test_an_anchor_beyond_the_sound_is_refused() -> None:
    with pytest.raises(AlignmentError, match="beyond"):
        spread([Word("a", 1.0, 1.2)], ["a"], [("EY",)], 0.5)


def test_fill_closes_gaps_and_refuses_overlap() -> None:
    phones = [Phone("B", 0.1, 0.2, 0), Phone(SILENCE, 0.3, 0.4), Phone("IH", 0.4004, 0.5, 0)]
    filled = fill(phones, 0.6)
    assert [p.phone for p in filled] == [SILENCE, "B", SILENCE, "IH", SILENCE]
    assert [p.start for p in filled] == [0.0, 0.1, 0.2, 0.4, 0.5]
    assert filled[-1].end == 0.6
    with pytest.raises(AlignmentError, match="overlap"):
        fill([Phone("B", 0.1, 0.3), Phone("IH", 0.2, 0.4)], 0.6)


def test_words_of_a_text() -> None:
    assert forced_alignment.text_words("It's a “covalent-bond”, isn’t it?") == [
        "it's",
        "a",
        "covalent",
        "bond",
        "isn't",
        "it",
    ]
    assert forced_alignment.pronunciations("z") == (("Z", "EH", "D"), ("Z", "IY"))
    assert sphinx.dictionary()["zero"] == (("Z", "IH", "R", "OW"), ("Z", "IY", "R", "OW"))


def test_canonical_labels() -> None:
    assert [canonical(x) for x in ("AH0", "ng", "SIL", "", " sp ", "<eps>")] == ["AH", "NG", *[SILENCE] * 4]
    with pytest.raises(AlignmentError, match="'ɛ'"):
        canonical("ɛ")


LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 0.9
            text = "say ""12 3"" so"
        intervals [3]:
            xmin = 0.9
            xmax = 1.5
            text = "go"
    item [2]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = ""
        intervals [2]:
            xmin = 0.5
            xmax = 0.9
            text = "S"
        intervals [3]:
            xmin = 0.9
            xmax = 1.2
            text = "OW1"
        intervals [4]:
            xmin = 1.2
            xmax = 1.5
            text = "spn"
"""
SHORT = """"ooTextFile"
"TextGrid"

0
1.5
<exists>
2
"TextTier"
"marks"
0
1.5
1
0.4
"x"
"IntervalTier"
"s1 - phones"
0
1.5
2
0
0.5
""
0.5
1.5
"AY2"
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrids_of_praat(tmp_path: Path, encoding: str) -> None:
    long, short = tmp_path / "long.TextGrid", tmp_path / "short.TextGrid"
    long.write_text(LONG, encoding)
    short.write_text(SHORT, encoding)
    assert read_textgrid(long) == [
        Phone(SILENCE, 0.0, 0.5),
        Phone("S", 0.5, 0.9, 0),
        Phone("OW", 0.9, 1.2, 1),
        Phone(SILENCE, 1.2, 1.5),
    ]
    assert read_textgrid(short) == [Phone(SILENCE, 0.0, 0.5), Phone("AY", 0.5, 1.5)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a TextGrid"),
        ("hello there", "not a TextGrid"),
        (LONG[:900], "cut short"),
        (LONG.replace('"phones"', '"other"'), "no interval tier"),
        (LONG.replace("OW1", "əʊ"), "ARPAbet"),
        (LONG.replace("xmin = 1.2", "xmin = 0.2"), "overlap"),
    ],
)
def test_damaged_textgrids(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.TextGrid"
    path.write_text(text)
    with pytest.raises(AlignmentError, match=reason) as caught:
        read_textgrid(path)
    assert "x.TextGrid" in str(caught.value)


def test_grids_alignment_files(tmp_path: Path) -> None:
    path = tmp_path / "x.align"
    path.write_text("0 17750 sil\n17750 22500 bin\n22500 22500 sp\n22500 27000 Blue\n27000 74500 sil\n")
    assert read_align(path) == [Word("bin", 0.71, 0.9), Word("blue", 0.9, 1.08)]
    for text, reason in (("0 1 bin\n5 bin", "line 2"), ("9 1 bin", "line 1"), ("0 10 sil", "no words")):
        path.write_text(text)
        with pytest.raises(AlignmentError, match=reason):
            read_align(path)
    with pytest.raises(AlignmentError, match="cannot be read"):
        read_align(tmp_path / "absent.align")


def test_phones_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("phone,start,end\nSIL,0,0.25\nB,0.25,0.5\nIH1,0.5,0.75\n")
    assert read_phones(path) == [Phone(SILENCE, 0.0, 0.25), Phone("B", 0.25, 0.5), Phone("IH", 0.5, 0.75)]
    for text, reason in (
        ("phone,begin,end\nB,0,1\n", "no column start"),
        ("phone,start,end\nB,zero,1\n", "line 2"),
        ("phone,start,end\n", "no phones"),
        ("phone,start,end\nB,0.5,1\nIH,0,0.2\n", "backwards"),
        ("phone,start,end\nQQ,0,1\n", "ARPAbet"),
    ):
        path.write_text(text)
        with pytest.raises(AlignmentError, match=reason):
            read_phones(path)
