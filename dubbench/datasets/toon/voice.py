"""Speech with exact timings from espeak-ng (through the ``espeakng-loader`` wheel), the same bytes each time.

The library keeps state between utterances (filters, echo, random noise seeded by the clock), and neither
``espeak_Terminate`` nor a new voice clears it. So each utterance gets a freshly loaded library and fixed seeds.
That holds unless something else in the process (phonemizer, for example) keeps the library loaded too.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError, require

# speak_lib.h
_SYNCHRONOUS = 2
_PHONEME_EVENTS, _DONT_EXIT = 0x0001, 0x8000
_UTF8, _PHONEMES_IN_BRACKETS = 0x0001, 0x0100
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_KINDS: dict[int, Literal["word", "phone", "end"]] = {1: "word", 5: "end", 7: "phone"}
_LIMITS = {"wpm": (80, 450), "pitch": (0, 100), "pitch_range": (0, 100), "volume": (0, 200)}
_LOCK = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that starts at ``sample``: a word (``text`` as written), a phone (espeak mnemonic) or a clause end."""

    kind: Literal["word", "phone", "end"]
    sample: int
    text: str


@dataclass(frozen=True, slots=True)
class Speech:
    """(T,) int16 samples at ``rate`` Hz, and what starts where in them, in order."""

    samples: NDArray[np.int16]
    rate: int
    events: tuple[Event, ...]


class Espeak:
    """espeak-ng as a pure function; one utterance at a time in a process (a lock sees to it), 3 ms each.

    Raises:
        DubbenchError: the wheel ``espeakng-loader`` is not installed.
    """

    def __init__(self) -> None:
        loader = require("espeakng_loader", "toon", "speech by espeak-ng")
        self._library = str(loader.get_library_path())
        self._data = str(loader.get_data_path())

    def speak(
        self,
        text: str,
        voice: str = "en-us",
        wpm: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
    ) -> Speech:
        """Speak ``text``.

        Args:
            text: what to say; ``[['eI]]`` gives phones by espeak mnemonics.
            voice: a language, with a variant if wanted: ``en-us``, ``en-us+f1``.
            wpm: words a minute, 80 to 450.
            pitch: 0 to 100; 50 leaves the voice as it is.
            pitch_range: 0 to 100; 0 is monotone, 50 leaves the voice as it is.
            volume: 0 to 200; 100 leaves the voice as it is.

        Raises:
            DubbenchError: an unknown voice, a value out of its range, or a text without anything to say.
        """
        for name, value in (("wpm", wpm), ("pitch", pitch), ("pitch_range", pitch_range), ("volume", volume)):
            low, high = _LIMITS[name]
            if not low <= value <= high:
                raise DubbenchError(f"espeak: {name} is {value}; expected {low} to {high}")
        variant = voice.partition("+")[2]
        if variant and not (Path(self._data) / "voices" / "!v" / variant).is_file():  # espeak would ignore it
            raise DubbenchError(f"espeak: no voice variant {variant!r} (in {voice!r})")

        blocks: list[bytes] = []
        events: list[Event] = []

        def receive(samples: int | None, count: int, start: Any) -> int:
            if samples and count > 0:
                blocks.append(ctypes.string_at(samples, 2 * count))
            for index in range(1 << 30):
                event = start[index]
                if event.type == 0:
                    return 0
                if kind := _KINDS.get(event.type):
                    first = event.position - 1
                    told = text[first : first + event.length] if kind == "word" else ""
                    told = event.id.string.decode() if kind == "phone" else told
                    events.append(Event(kind, event.sample, told))
            return 0

        with _LOCK:
            library = ctypes.CDLL(self._library)
            try:
                rate = library.espeak_Initialize(_SYNCHRONOUS, 0, self._data.encode(), _PHONEME_EVENTS | _DONT_EXIT)
                if rate <= 0:
                    raise DubbenchError(f"espeak: could not start with the data in {self._data} (error {rate})")
                _seed(library)
                callback = _Callback(receive)
                library.espeak_SetSynthCallback(callback)
                if library.espeak_SetVoiceByName(voice.encode()):
                    raise DubbenchError(f"espeak: no voice {voice!r}; English is en-us, with variants as en-us+f1")
                for number, value in ((_RATE, wpm), (_VOLUME, volume), (_PITCH, pitch), (_RANGE, pitch_range)):
                    library.espeak_SetParameter(number, value, 0)
                coded = text.encode()
                flags = _UTF8 | _PHONEMES_IN_BRACKETS
                library.espeak_Synth(coded, ctypes.c_size_t(len(coded) + 1), 0, 1, 0, flags, None, None)
                library.espeak_Synchronize()
                library.espeak_Terminate()
            finally:
                _unload(library)
        samples = np.frombuffer(b"".join(blocks), np.int16)
        if not any(event.kind == "phone" and not event.text.startswith("_") for event in events):
            raise DubbenchError(f"espeak: nothing to say in {text[:60]!r}")
        return Speech(samples, rate, tuple(events))


def _seed(library: Any) -> None:
    """Fix the two random sources: espeak's own (breath, flutter) and C's (the Klatt voices)."""
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    if os.name == "posix":
        ctypes.CDLL(None).srand(1)


def _unload(library: Any) -> None:
    if os.name == "posix":
        _ctypes.dlclose(library._handle)
    else:
        getattr(_ctypes, "FreeLibrary")(library._handle)  # noqa: B009 - unknown to type checkers elsewhere


# espeak mnemonics of American English -> ARPAbet without stress (the set of CMUdict, MFA's english_us_arpa and
# pocketsphinx). Where espeak has one sound for two ARPAbet phones (a vowel with an r or l in it), both are named.
_ARPABET: dict[str, str] = {}
for _entry in """
AA A: A 0 0#|AE a aa|AH V @ @2 a# @5 @-|AO O: O O2|AW aU|AY aI aI2|EH E|ER 3 3:|EY eI|IH I I2 I#|IY i i: i2|OW oU oU#
OY OI|UH U|UW u: u|AA,R A@|AO,R o@ O@|EH,R e@|IH,R i@3|IY,AH i@|UH,R U@|AY,ER aI@ aI3|AW,ER aU@|AH,L @L|AH,N n-|AH,M m-
B b|CH tS|D d d#|DH D|F f|G g|HH h|JH dZ|K k x|L l l/ L|M m|N n|NG N|P p|R r r-|S s|SH S|T t t# t2 ?|TH T|V v|W w w#
Y j|Z z z#|ZH Z|SIL _ _: _! _| __
""".replace("\n", "|").split("|"):
    _arpa, *_codes = _entry.split() or [""]
    _ARPABET.update(dict.fromkeys(_codes, _arpa))
_STOPS = {"P", "T", "K", "B", "D", "G", "CH", "JH"}


@dataclass(frozen=True, slots=True)
class Phone:
    """An ARPAbet phone without stress (or ``SIL``), from ``start`` to ``end`` in seconds."""

    phone: str
    start: float
    end: float


def phones(speech: Speech) -> list[Phone]:
    """The phones of American English speech in ARPAbet, without gaps from its first sample to its last.

    Starts are espeak's own: it counts the glide out of a nasal or liquid to that consonant, so that an open vowel
    after one ("now") starts some 50 ms later than a recogniser would say. Three conventions bring the rest close to
    a phonetic alignment: a stop, which espeak starts at its release, also owns the digital silence of its closure;
    phones that espeak speaks as one sound (``AO R`` in "four", ``EH L`` in "bell") share its time evenly;
    neighbouring silences are one.

    Raises:
        DubbenchError: a phone that American English does not have.
    """
    events = [event for event in speech.events if event.kind == "phone"]
    codes = [event.text.lstrip("',%=|") for event in events]
    ends = [event.sample for event in events[1:]] + [len(speech.samples)]
    spans: list[tuple[int, list[str]]] = [(0, ["SIL"])]  # (first sample, names)
    for index, (event, code) in enumerate(zip(events, codes, strict=True)):
        if code == ";":  # the palatal glide into a vowel stays with the phone before it
            continue
        names = _arpabet(code).split(",")
        start, before = spans[-1]
        following = codes[index + 1] if index + 1 < len(codes) else ""
        if following in ("r", "r-"):  # "during": the r has its own sound
            names = {"UH,R": ["UH"], "IY,AH": ["IH"]}.get(",".join(names), names)
            names = names[:-1] if len(names) == 2 and names[-1] == "R" else names
        if names == before == ["SIL"] or (names == ["R"] and before[-1] == "ER"):  # "measure of": ER holds its r
            continue
        if ends[index] <= event.sample and names != ["SIL"]:  # "bell": the l is spoken within its vowel
            before += names
            continue
        first = event.sample
        if names[0] in _STOPS and before != ["SIL"]:
            first = max(_closure(speech.samples, first), (start + first) // 2)
        spans.append((first, names))
    result: list[Phone] = []
    for (first, names), last in zip(spans, [span[0] for span in spans[1:]] + [len(speech.samples)], strict=True):
        times = np.linspace(first, last, len(names) + 1) / speech.rate
        result += [Phone(name, float(times[k]), float(times[k + 1])) for k, name in enumerate(names) if last > first]
    return result


def _closure(samples: NDArray[np.int16], release: int) -> int:
    """The first sample of the digital silence that ends at ``release``."""
    loud = np.flatnonzero(np.abs(samples[:release].astype(np.int32)) > 16)
    return int(loud[-1]) + 1 if len(loud) else release


def _arpabet(code: str) -> str:
    try:
        return _ARPABET[code]
    except KeyError:
        raise DubbenchError(f"espeak: the phone {code!r} has no ARPAbet name; speak with an en-us voice") from None


def spoken(text: str) -> str:
    """``text`` as espeak should read it: the letter ``a`` of a six-word GRID sentence is no article."""
    words = text.split()
    if len(words) == 6 and words[3] == "a":
        words[3] = "[['eI]]"
        return " ".join(words)
    return text
