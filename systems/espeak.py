"""Two honest baselines: espeak-ng says the text in a voice of the reference's pitch, within a span of the video.

What a real system must beat. `EspeakMeanspan` does not look at the video at all: it speaks when people of the data set
speak on average. `EspeakLipspan` speaks from the moment the lips start to move until they stop, and has no idea what
they do in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.provenance import versions
from dubbench.signal.media import RATE, as_mono, read_audio, resample
from dubbench.systems.controls.splice import frame_levels, lay_over, room_tone, speech_level
from dubbench.systems.controls.timescale import stretch

if TYPE_CHECKING:
    from dubbench.datasets.base import DatasetInfo
    from dubbench.datasets.toon.voice import Espeak

Samples = NDArray[np.float32]

VOICES = {"low": "en-us", "high": "en-us+f2"}
"""espeak's voices for references below and above `_BORDER`."""
_BORDER = 155.0  # Hz, between men's and women's usual pitch
_PITCHES = (0, 20, 40, 60, 80, 99)
_CALIBRATION = "Set white with p two soon, and bin blue at f nine again."
_FASTEST = 450  # words a minute: espeak's limit
_SLOWEST = 80


class _Espeak(SystemBase):
    """Text, reference and a span to speech; `span` is what a baseline adds."""

    def __init__(self, name: str, summary: str, **settings: str | int | float | bool) -> None:
        self.info = SystemInfo(
            name=name,
            kind="baseline",
            summary=summary,
            licence="Apache-2.0; espeak-ng itself: GPL-3.0-or-later",
            settings={**versions("espeakng-loader", extra="toon"), **versions("soxr", "pyworld"), **settings},
        )
        self._espeak: Espeak | None = None
        self._pitch_of: dict[str, NDArray[np.float64]] = {}

    def span(self, request: DubRequest) -> tuple[float, float]:
        """(start, end) of the speech in seconds."""
        raise NotImplementedError

    def load(self, device: str) -> None:
        """Start espeak and measure how high its voices are at each setting."""
        from dubbench.datasets.toon.voice import Espeak

        self._espeak = Espeak()
        for voice in VOICES.values():
            heights = [median_f0(self._say(_CALIBRATION, voice, pitch, 175)) for pitch in _PITCHES]
            self._pitch_of[voice] = np.log(heights)

    def close(self) -> None:
        """Forget espeak."""
        self._espeak = None

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """One dub a request, in order; as long as the video."""
        for request in requests:
            try:
                yield self._dub(request)
            except DubbenchError as error:
                yield Failure(request.clip, one_line(error))

    def _dub(self, request: DubRequest) -> Dub:
        if self._espeak is None:
            raise DubbenchError(f"{self.info.name} was not loaded")
        begun = time.perf_counter()
        reference = read_audio(Path(request.reference))
        start, end = self.span(request)
        f0 = median_f0(reference)
        voice, pitch = self._voice(f0)
        seen = time.perf_counter()
        speech, wpm = self._say_in(request.text, voice, pitch, end - start)
        spoken = time.perf_counter()
        samples = self._place(speech, start, end, request, reference)
        done = time.perf_counter()
        extras = {"span": [round(start, 3), round(end, 3)], "voice": voice, "pitch": pitch, "wpm": wpm}
        timings = {"frontend": seen - begun, "model": spoken - seen, "vocoder": done - spoken}
        return Dub(request.clip, samples, RATE, timings, extras)

    def _voice(self, f0: float) -> tuple[str, int]:
        """Voice and espeak's pitch (0 to 99) whose median F0 is nearest to ``f0`` Hz (0: unknown)."""
        voice = VOICES["high" if f0 > _BORDER else "low"]
        if f0 <= 0:
            return voice, 50
        return voice, round(float(np.interp(np.log(f0), self._pitch_of[voice], _PITCHES)))

    def _say(self, text: str, voice: str, pitch: int, wpm: int) -> Samples:
        """Speech at 16 kHz without the silence around it."""
        from dubbench.datasets.toon.voice import spoken

        assert self._espeak is not None
        said = self._espeak.speak(spoken(text), voice, wpm, pitch)
        return trimmed(resample(as_mono(said.samples, "espeak"), said.rate, RATE))

    def _say_in(self, text: str, voice: str, pitch: int, seconds: float) -> tuple[Samples, int]:
        """Speech that lasts as near to ``seconds`` as espeak's rate can bring it, and the rate in words a minute."""
        wpm = 175
        speech = self._say(text, voice, pitch, wpm)
        for _ in range(3):
            better = int(np.clip(round(wpm * len(speech) / RATE / seconds), _SLOWEST, _FASTEST))
            if better == wpm:
                break
            wpm = better
            speech = self._say(text, voice, pitch, wpm)
        return speech, wpm

    def _place(self, speech: Samples, start: float, end: float, request: DubRequest, reference: Samples) -> Samples:
        """Stretch the rest of the way, bring to the reference's level, lay over the reference's room tone."""
        length = max(1, round(request.duration * RATE))
        fitted = stretch(speech, max(1, round((end - start) * RATE)), RATE)
        fitted = fitted * np.float32(speech_level(reference, RATE) / max(speech_level(fitted, RATE), 1e-6))
        tone = room_tone(reference, RATE, length, np.random.default_rng(request.seed))
        return lay_over(tone, fitted, round(start * RATE), RATE, fade=0.005)


class EspeakMeanspan(_Espeak):
    """espeak within the data set's mean speech span.

    The defaults are GRID's: over the word alignments of the 843 training clips of s1 the first word starts at 0.557 s
    and the last ends at 2.032 s on average (standard deviations 0.19 and 0.20), of 3 s. A data set that
    knows its own span (`DatasetInfo.speech_span`) puts it in place of the defaults.

    Args:
        start: when the speech begins.
        end: when it ends.
        unit: of both: ``fraction`` of the video's length, or ``seconds``.
    """

    def __init__(
        self, start: float = 0.186, end: float = 0.677, unit: Literal["fraction", "seconds"] = "fraction"
    ) -> None:
        if unit not in ("fraction", "seconds"):
            raise DubbenchError(f"espeak_meanspan: unit is {unit!r}; expected fraction or seconds")
        if not 0 <= start < end or (unit == "fraction" and end > 1):
            raise DubbenchError(f"espeak_meanspan: no span from {start} to {end} ({unit})")
        self.start, self.end, self.unit = float(start), float(end), unit
        summary = "espeak-ng over the data set's mean speech span"
        super().__init__("espeak_meanspan", summary, start=self.start, end=self.end, unit=unit)

    @staticmethod
    def defaults_for(info: DatasetInfo) -> dict[str, float]:
        """The data set's own mean span, for a spec without options."""
        return dict(zip(("start", "end"), info.speech_span, strict=True)) if info.speech_span else {}

    def span(self, request: DubRequest) -> tuple[float, float]:
        """The mean span, cut to the video."""
        scale = request.duration if self.unit == "fraction" else 1.0
        start, end = self.start * scale, min(self.end * scale, request.duration)
        if start >= end:
            raise DubbenchError(f"clip {request.clip} lasts {request.duration:.2f} s, but speech starts at {start:g} s")
        return start, end


class EspeakLipspan(_Espeak):
    """espeak within the span in which the lips move (`dubbench.signal.landmarks.moving_span`)."""

    def __init__(self) -> None:
        looking = versions("mediapipe", "av", extra="face")
        super().__init__("espeak_lipspan", "espeak-ng while the lips move, by their landmarks", **looking)

    def span(self, request: DubRequest) -> tuple[float, float]:
        """When the lips move.

        Raises:
            VisualError: no face, or lips that do not move.
        """
        from dubbench.signal.landmarks import moving_span
        from dubbench.signal.picture import Picture

        picture = Picture(Path(request.video), f"the video of {request.clip}")
        start, end = moving_span(picture.face, picture.fps)
        return start, min(end, request.duration)


def median_f0(samples: Samples) -> float:
    """Median F0 in Hz over the voiced frames (pyworld dio and stonemask, 5 ms, 71 to 500 Hz); 0 without any."""
    from dubbench.signal.world import f0_track

    f0, _ = f0_track(samples, RATE, ceil=500.0, feature="matching the reference's pitch")
    voiced = f0[f0 > 0]
    return float(np.median(voiced)) if len(voiced) else 0.0


def trimmed(samples: Samples) -> Samples:
    """Without the frames of 10 ms before and after that lie 50 dB below the loudest."""
    level = frame_levels(samples, RATE)
    loud = np.flatnonzero(level > level.max() - 50) if len(level) else np.zeros(0, int)
    return samples[loud[0] * 160 : (loud[-1] + 1) * 160] if len(loud) else samples
