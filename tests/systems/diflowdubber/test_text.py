"""Text to words to phones."""

import itertools
import random

import numpy as np
import pytest

from dubbench.datasets.numbers import LARGEST, cardinal, number, ordinal, year
from dubbench.datasets.spoken_text import clean
from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.config import PAPER
from dubbench.systems.diflowdubber.text import PHONES, canonical, phone_ids, phonemes, words

pytest.importorskip("pocketsphinx")
from dubbench.systems.diflowdubber.text.dictionary import dictionary, past_sound, plural_sound, pronounce
from dubbench.systems.diflowdubber.text.spelling import sound_out


def test_phone_set_is_the_dictionarys_and_the_models():
    used = {phone for phones in dictionary().values() for phone in phones.split()}
    assert used | {"sil"} == set(PHONES) and len(PHONES) == PAPER.phones == 40


def test_a_grid_sentence():
    assert " ".join(phonemes("bin blue at f two now")) == "sil B IH N B L UW AE T EH F T UW N AW sil"


def test_the_letter_a_of_grid_is_not_the_article():
    assert "EY" in phonemes("Set white by A nine soon.")
    assert words("place red in a 0 again")[3] == "a."
    assert phonemes("I saw a nine.") == ["sil", "AY", "S", "AO", "AH", "N", "AY", "N", "sil"]


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Hello, world!", "hello , world"),
        ("Dr. Smith paid $5.50 for 3.14% of it.", "doctor smith paid five dollars and fifty cents for three point one "
         "four percent of it"),
        ("£2 million, $1, €0.01", "two million pounds , one dollar , one cent"),
        ("at 10:30, 9:05 or 12:00", "at ten thirty , nine oh five or twelve o'clock"),
        ("in 1984, 1905, 1900 and 2005", "in nineteen eighty four , nineteen oh five , nineteen hundred and two "
         "thousand five"),
        ("the 1980s and '90s", "the nineteen eighties and nineties"),
        ("1,984 of 007", "one thousand nine hundred eighty four of zero zero seven"),
        ("the 22nd and 3rd", "the twenty second and third"),
        ("3/4 of 1/7", "three quarters of one over seven"),
        ("½ a kg", "one half a k. g."),
        ("5 km at 1 mph, 6 ft", "five kilometers at one miles per hour , six feet"),
        ("H2O boils at 100 °C", "h. two o. boils at one hundred degrees celsius"),
        ("-5 or 5-10 people", "minus five or five to ten people"),
        ("call 555-1234", "call five five five one two three four"),
        ("The U.S.A. and NASA and XQTV", "the u. s. a. and nasa and x. q. t. v."),
        ("PLACE RED AT G NINE SOON", "place red at g. nine soon"),
        ("Mr. J. K. Brown vs. St. Louis", "mister j. k. brown versus saint louis"),
        ("So do I. They do.", "so do i , they do"),
        ("No. 5 is alive. No, it isn’t.", "number five is alive , no , it isn't"),
        ("‘Quoted’ (and bracketed) — dashed…", "quoted and bracketed , dashed"),
        ("Café naïve Zürich", "cafe naive zurich"),
        ("well-known zyx-known", "well-known zyx known"),
        ("... wait ...", "wait"),
    ],
)  # fmt: skip
def test_words(text, spoken):
    assert words(text) == spoken.split()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing to speak"),
        ("   \n", "nothing to speak"),
        ("?!... —", "nothing to speak"),
        ("()", "nothing to speak"),
        ("你好", "cannot speak 你 好"),
        ("hello 🙂", "cannot speak 🙂"),
        ("Привет", "cannot speak"),
        ("a\x00b", "cannot speak '"),
    ],
)
def test_what_cannot_be_spoken_is_named(text, message):
    with pytest.raises(DubbenchError, match=message) as error:
        phonemes(text)
    assert "\n" not in str(error.value)


def test_anything_printable_gives_phones_or_one_clear_error():
    draw = random.Random(0)
    signs = [chr(c) for c in range(32, 127)] + list("éß½²…—“”’°£€×ﬁ")
    for _ in range(2000):
        text = "".join(draw.choice(signs) for _ in range(draw.randrange(1, 25)))
        try:
            phones = phonemes(text)
        except DubbenchError:
            continue
        assert phones[0] == phones[-1] == "sil" and len(phones) > 2, text
        assert phone_ids(phones).max() < 40
        assert all(a != "sil" or b != "sil" for a, b in itertools.pairwise(phones)), text


def test_numbers():
    assert " ".join(cardinal(1_002_030)) == "one million two thousand thirty"
    assert " ".join(cardinal(LARGEST)).startswith("nine hundred ninety nine trillion")
    assert cardinal(0) == ["zero"] and number("0.05") == ["zero", "point", "zero", "five"]
    assert [ordinal(n)[-1] for n in (1, 2, 3, 5, 12, 20, 100)] == (
        ["first", "second", "third", "fifth", "twelfth", "twentieth", "hundredth"]
    )
    assert " ".join(year(2010)) == "twenty ten" and len(number("9" * 16)) == 16
    assert all(word in dictionary() for n in range(2000) for word in cardinal(n))


def test_derived_forms_follow_the_dictionary():
    """-s and -ed as the dictionary itself has them."""
    d = {word: tuple(phones.split()) for word, phones in dictionary().items()}
    for ending, sound in (("s", plural_sound), ("ed", past_sound)):
        pairs = [(d[w], d[w + ending]) for w in d if w.isalpha() and len(w) > 3 and w + ending in d]
        pairs = [(a, b) for a, b in pairs if b[: len(a)] == a and len(b) > len(a)]
        right = np.mean([sound(a)[len(a) :] == tuple(p.replace("AH", "IH") for p in b[len(a) :]) for a, b in pairs])
        assert len(pairs) > 500 and right > 0.97


def test_unknown_words():
    assert pronounce("xyzzy's")[-1] == "Z"
    assert pronounce("tensorflow") == pronounce("tensor") + pronounce("flow")
    assert pronounce("rebooked") and pronounce("rebooked") == pronounce("rebooked")
    assert pronounce("hmm") and pronounce("q.") == ("K", "Y", "UW")
    for word in ("gandalf", "frodo", "blorptastic", "zqx"):
        assert set(pronounce(word)) <= set(PHONES[1:])


def test_rules_come_near_the_dictionary():
    """Phone error rate of the rules alone on random dictionary words, names included."""

    def distance(a, b):
        row = list(range(len(b) + 1))
        for i, x in enumerate(a, 1):
            new = [i]
            for j, y in enumerate(b, 1):
                new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
            row = new
        return row[-1]

    sample = random.Random(0).sample([w for w in dictionary() if w.isalpha() and len(w) > 3], 1500)
    truth = [dictionary()[w].split() for w in sample]
    errors = sum(distance(sound_out(w), t) for w, t in zip(sample, truth, strict=True))
    assert errors / sum(map(len, truth)) < 0.21


def test_canonical_phones():
    assert [canonical(p) for p in ("AH0", "ah1", "SIL", "", "sp", "spn", "ZH")] == (
        ["AH", "AH", "sil", "sil", "sil", "sil", "ZH"]
    )
    with pytest.raises(DubbenchError, match="ʃ"):
        canonical("ʃ")


def test_clean_folds_what_has_a_plain_form():
    assert clean("“It’s” ½ ﬁne\u00ad") == '"It\'s" 1/2 fine'
