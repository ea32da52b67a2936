"""The script of the embedded corpus: sentences, speakers and voices as a pure function of one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dubbench.datasets.grid_grammar import GRAMMAR
from dubbench.datasets.toon.head import Look

SEED = 20240607
GRID_CLIPS, FREE_CLIPS, TEST_CLIPS = 10, 2, 3
"""Of every speaker: GRID sentences, free sentences, and how many of the former are the test split."""

FREE = (
    "The boat came home before the storm.",
    "My father bought five pears and a melon.",
    "Why did you open every window?",
    "She hums an old song while she works.",
    "Nobody knew the way to the farm.",
    "Put the small box under the table.",
    "We should leave early tomorrow morning.",
    "Fresh bread smells wonderful, does it not?",
    "His brother plays chess with a famous judge.",
    "The moon was full and very bright.",
    "You forgot your umbrella on the bus.",
    "Both of them jumped over the narrow stream.",
    "I hope the weather will be warmer soon.",
    "A young bird fell from the apple tree.",
    "They measured the garage before the move.",
    "How much money is in the purse?",
    "The children shouted for joy at the show.",
    "Keep the change and have a nice evening.",
    "Our teacher wrote three words on the board.",
    "Please bring me a cup of coffee.",
)


@dataclass(frozen=True, slots=True)
class Speaker:
    """A voice (see `Espeak.speak`) and the face that it belongs to."""

    id: str
    voice: str
    wpm: int
    pitch: int
    pitch_range: int
    look: Look


@dataclass(frozen=True, slots=True)
class Line:
    """One clip to make: ``lead`` and ``trail`` are seconds before and after the speech."""

    clip: str
    speaker: Speaker
    text: str
    wpm: int
    pitch: int
    pitch_range: int
    level: float
    lead: float
    trail: float
    seed: int
    split: Literal["train", "test"]


# Speaker(id, voice, wpm, pitch, pitch range, look); Look(skin, hair, lips, iris, shirt, wall, style, width, chin,
# jaw, brow, mouth, lip, nose). Variants without echo or much breath, that a recogniser understands, and that a
# speaker encoder tells apart.
_BLUE, _BROWN, _GREEN, _GREY = (84, 116, 150), (84, 54, 34), (92, 114, 80), (110, 122, 130)
SPEAKERS = (
    Speaker("v1", "en-us+f1", 150, 46, 55,
            Look((232, 188, 162), (116, 72, 40), (190, 96, 96), _BLUE, (156, 74, 88),
                 (176, 182, 188), "long", 63, 219, 0.72, 3.2, 24, 7.5, 0.9)),
    Speaker("v2", "en-us+m1", 145, 58, 45,
            Look((222, 176, 148), (66, 44, 30), (172, 90, 86), _BROWN, (66, 86, 128),
                 (168, 176, 170), "short", 67, 223, 0.84, 4.6, 26, 6.5, 1.05)),
    Speaker("v3", "en-us+steph2", 155, 50, 70,
            Look((148, 102, 78), (38, 27, 22), (142, 72, 72), _BROWN, (196, 160, 70),
                 (188, 180, 168), "long", 64, 220, 0.74, 3.4, 25, 8.5, 1.1)),
    Speaker("v4", "en-us+sandro", 150, 64, 35,
            Look((204, 158, 126), (70, 68, 70), (164, 88, 82), _GREY, (70, 72, 78),
                 (158, 170, 180), "cropped", 69, 226, 0.9, 5.0, 27, 6.0, 1.15)),
    Speaker("v5", "en-us+anika", 120, 32, 50,
            Look((240, 202, 180), (196, 150, 84), (198, 104, 104), _GREEN, (96, 128, 110),
                 (196, 188, 184), "long", 61, 216, 0.7, 2.8, 23, 7.0, 0.85)),
    Speaker("v6", "en-us+edward", 160, 45, 50,
            Look((120, 82, 62), (28, 22, 20), (122, 66, 64), _BROWN, (120, 60, 54),
                 (178, 170, 160), "cropped", 68, 224, 0.88, 4.8, 27, 8.5, 1.2)),
    Speaker("v7", "en-us+m7", 150, 68, 60,
            Look((230, 184, 154), (146, 84, 44), (180, 92, 88), _GREEN, (82, 104, 74),
                 (182, 186, 176), "short", 65, 221, 0.78, 3.8, 25, 6.5, 1.0)),
    Speaker("v8", "en-us+aunty", 140, 55, 70,
            Look((216, 172, 146), (150, 146, 142), (176, 92, 96), _GREY, (108, 84, 128),
                 (186, 178, 184), "short", 65, 219, 0.76, 3.0, 24, 7.0, 0.95)),
    Speaker("v9", "en-us+david", 145, 66, 40,
            Look((176, 130, 98), (34, 28, 26), (146, 80, 74), _BROWN, (58, 100, 110),
                 (166, 178, 176), "short", 66, 223, 0.82, 4.6, 26, 7.5, 1.1)),
    Speaker("v10", "en-us+Gene2", 155, 52, 70,
            Look((236, 194, 170), (44, 36, 32), (186, 94, 92), _BLUE, (140, 140, 146),
                 (158, 164, 172), "cropped", 66, 222, 0.8, 4.2, 26, 6.5, 0.95)),
)  # fmt: skip


def script() -> tuple[Line, ...]:
    """Every clip of the corpus: no sentence twice, sorted by speaker."""
    rng = random.Random(SEED)
    sentences = _grid_sentences(rng)
    free = iter(FREE)
    lines: list[Line] = []
    for speaker in SPEAKERS:
        for index in range(GRID_CLIPS):
            lines.append(_line(rng, speaker, *next(sentences), "test" if index < TEST_CLIPS else "train"))
        for index in range(FREE_CLIPS):
            lines.append(_line(rng, speaker, f"free{index + 1}", next(free), "train", faster=10))
    return tuple(lines)


def more(count: int, own_faces: bool = False) -> tuple[Line, ...]:
    """``count`` more GRID sentences of every voice, to train on: none that the corpus has.

    Each with any speaker's face, unless ``own_faces``: a model that learns the voice from the face does not heed the
    reference.
    """
    rng = random.Random(SEED + 1)
    taken = {line.text for line in script()}
    sentences = (pair for pair in _grid_sentences(rng) if pair[1] not in taken)
    lines = []
    for voice in SPEAKERS:
        for _ in range(count):
            face = voice if own_faces else rng.choice(SPEAKERS)
            lines.append(_line(rng, replace(voice, look=face.look), *next(sentences), "train"))
    return tuple(lines)


def _line(
    rng: random.Random, speaker: Speaker, code: str, text: str, split: Literal["train", "test"], faster: int = 0
) -> Line:
    lively = rng.uniform(-1, 1)  # how much the speaker puts into it
    return Line(
        clip=f"{speaker.id}-{code}",
        speaker=speaker,
        text=text,
        wpm=round(speaker.wpm * rng.uniform(0.88, 1.14)) + faster,
        pitch=round(speaker.pitch + 4 * lively + rng.uniform(-2, 2)),
        pitch_range=round(min(speaker.pitch_range + 28 * lively, 100)),
        level=10 ** ((-24 + 2.5 * lively + rng.uniform(-1, 1)) / 20),
        lead=rng.uniform(0.2, 1.0),
        trail=rng.uniform(0.2, 0.5),
        seed=rng.randrange(1 << 31),
        split=split,
    )


def _grid_sentences(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Endless (code, sentence) without repeats; every word of a slot comes up before any comes again."""
    seen: set[str] = set()
    decks: list[list[tuple[str, str]]] = [[] for _ in GRAMMAR]
    while True:
        words = []
        for deck, choices in zip(decks, GRAMMAR, strict=True):
            if not deck:
                deck += rng.sample(tuple(choices.items()), len(choices))
            words.append(deck.pop())
        code = "".join(letter for letter, _ in words)
        if code not in seen:
            seen.add(code)
            yield code, " ".join(word for _, word in words)
