"""Phones in time, carried over from other alignments."""

import numpy as np
import pytest

from dubbench.signal.phone_timings import AlignmentError, Phone
from dubbench.systems.diflowdubber.text import PHONES, phonemes
from dubbench.systems.diflowdubber.timing import Hints, align, transfer


def test_an_equal_alignment_passes_through():
    phones = [Phone("sil", 0, 0.1), Phone("B", 0.1, 0.2), Phone("IH", 0.2, 0.35), Phone("sil", 0.35, 1.0)]
    found = transfer(phones, ["sil", "B", "IH", "sil"])
    np.testing.assert_allclose(found, [0.1, 0.1, 0.15, 0.65], atol=1e-6)


@pytest.mark.parametrize(
    ("aligned", "wanted", "expected"),
    [
        # a pause that the text does not ask for lengthens the phone before it
        ("sil:1 B:1 sil:2 IH:1 sil:1", "sil B IH sil", [1, 3, 1, 1]),
        # a pause that nobody made, and no silence at the ends
        ("B:1 IH:2", "sil B sil IH sil", [0, 1, 0, 2, 0]),
        # another vowel
        ("sil:1 D:1 AH:2 M:1 sil:1", "sil D AE M sil", [1, 1, 2, 1, 1]),
        # a phone more, a phone less
        ("sil:1 Z:1 IH:1 R:1 OW:2 W:2 sil:1", "sil Z IH R OW sil", [1, 1, 1, 1, 4, 1]),
        ("sil:1 S:1 EH:1 V:3 N:1 sil:1", "sil S EH V AH N sil", [1, 1, 1, 1.5, 1.5, 1, 1]),
        # the text begins with a phone that the alignment lacks: it shares with the one after it
        ("sil:1 EH:2 V:1 N:1 D:1", "sil HH EH V N D sil", [1, 1, 1, 1, 1, 1, 0]),
    ],
)
def test_differences_are_settled_nearby(aligned, wanted, expected):
    clock, phones = 0, []
    for part in aligned.split():
        name, length = part.split(":")
        phones.append(Phone(name, clock, clock + int(length)))
        clock += int(length)
    np.testing.assert_allclose(transfer(phones, wanted.split()), expected)


def test_every_alignment_is_used_to_its_end():
    draw = np.random.default_rng(0)
    for _ in range(200):
        wanted = ["sil", *draw.choice(PHONES[1:], draw.integers(2, 12)), "sil"]
        heard = [p for p in wanted if draw.uniform() > 0.1] + ["sil"]
        ends = np.cumsum(draw.uniform(0.01, 0.2, len(heard)))
        phones = [Phone(p, a, b) for p, a, b in zip(heard, [0, *ends], ends, strict=False)]
        try:
            found = transfer(phones, wanted)
        except AlignmentError:
            continue
        assert len(found) == len(wanted) and (found >= 0).all()
        assert abs(found.sum() - ends[-1]) < 1e-5


def test_other_words_are_refused():
    phones = [Phone("sil", 0, 1), *(Phone(p, i + 1, i + 2) for i, p in enumerate(["S", "UW", "N"])), Phone("sil", 4, 5)]
    with pytest.raises(AlignmentError, match="3 of 3 phones differ"):
        transfer(phones, ["sil", "B", "AH", "K", "sil"])


def test_a_grid_clip_is_aligned_by_force_or_by_its_words(shared_data):
    from dubbench.signal.media import read_audio

    clips = sorted((shared_data / "grid" / "s1").glob("*.mpg"))[:2]
    from dubbench.datasets.grid import sentence

    for path in clips:
        words = next((shared_data / "grid" / "alignments").rglob(f"{path.stem}.align"))
        samples = read_audio(path)[: 3 * 16000]
        text = sentence(path.stem)
        phones, forced, source = align(samples, text, 3.0, Hints())
        assert source == "forced" and phones == phonemes(text) and abs(forced.sum() - 3) < 1e-5
        noise = np.random.default_rng(0).normal(0, 1e-3, 48000).astype(np.float32)
        phones, by_words, source = align(noise, text, 3.0, Hints(words=words))
        assert source == "anchors"
        middle = len(phones) // 2
        assert abs(forced.cumsum()[middle] - by_words.cumsum()[middle]) < 0.15
        with pytest.raises(AlignmentError):
            align(noise, text, 3.0, Hints())
