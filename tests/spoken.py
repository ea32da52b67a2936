"""Speech whose words, voice and exact timing are known: espeak says GRID sentences, as the embedded corpus does."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from dubbench.signal.phone_timings import Phone

SENTENCES = (
    "set green with p two soon",
    "bin blue at f four again",
    "place red in x nine now",
    "lay green by r one please",
)


@cache
def say(text: str, voice: str = "en-us") -> tuple[NDArray[np.float32], tuple[Phone, ...]]:
    """(T,) at 16 kHz with 0.3 s of a quiet room before and after, and espeak's own phones (no silences)."""
    from dubbench.datasets.toon.voice import Espeak, phones
    from dubbench.signal.media import resample

    said = Espeak().speak(text, voice=voice, wpm=150)
    speech = resample(said.samples.astype(np.float32) / 32768, said.rate, 16000)
    room = np.random.default_rng(0).normal(0, 5e-4, len(speech) + 9600).astype(np.float32)
    room[4800 : 4800 + len(speech)] += speech
    told = tuple(Phone(p.phone, p.start + 0.3, p.end + 0.3) for p in phones(said) if p.phone != "SIL")
    return room, told
