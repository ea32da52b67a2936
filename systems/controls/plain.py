"""Controls: dubs with known faults, for tests of the metrics.

They are handed the ground truth (`Truth`), are badged as such, and never rank. What they need and do not have is a
`Failure`. Everything random comes from the request's seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.signal.media import RATE, read_audio
from dubbench.systems.controls.splice import join, lay_over, quiet_cuts, rms, room_tone, speech_span

Samples = NDArray[np.float32]


class Control(SystemBase):
    """A control is one function: `make`. The result is at 16 kHz."""

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        """The dub of one clip, (T,) at 16 kHz.

        Raises:
            DubbenchError: this clip cannot be had.
        """
        raise NotImplementedError

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """One dub a request, in order."""
        for request in requests:
            try:
                samples = self.make(request, np.random.default_rng(request.seed))
            except DubbenchError as error:
                yield Failure(request.clip, one_line(error))
                continue
            yield Dub(request.clip, samples, RATE)


def truth_of(request: DubRequest) -> Samples:
    """The ground-truth speech, (T,) at 16 kHz.

    Raises:
        DubbenchError: the clip has none.
    """
    if request.truth is None:
        raise DubbenchError(f"clip {request.clip} has no ground-truth sound; add it")
    if request.truth.problem:
        raise DubbenchError(f"no ground-truth sound: {request.truth.problem}")
    return read_audio(Path(request.truth.audio))


def picture_length(request: DubRequest) -> int:
    """Samples at 16 kHz that are as long as the video."""
    return max(1, round(request.duration * RATE))


def control_info(name: str, summary: str, **settings: str | int | float | bool) -> SystemInfo:
    """The `SystemInfo` of a control."""
    return SystemInfo(name=name, kind="control", summary=summary, licence="Apache-2.0", settings=settings)


class GroundTruth(Control):
    """The clip's own speech, sample by sample."""

    def __init__(self) -> None:
        self.info = control_info("ground_truth", "the clip's own speech")

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        return truth_of(request)


class Delay(Control):
    """The ground truth ``ms`` milliseconds late (early if negative), of unchanged length.

    What is freed is filled with the clip's own room tone, so that no edge and no digital silence gives it away.
    """

    def __init__(self, ms: float = 100.0) -> None:
        self.ms = float(ms)
        self.info = control_info("delay", f"the ground truth {self.ms:+g} ms late", ms=self.ms)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        truth = truth_of(request)
        shift = round(self.ms * RATE / 1000)
        if abs(shift) >= len(truth):
            raise DubbenchError(
                f"clip {request.clip} lasts {len(truth) / RATE:.2f} s: no {self.ms:g} ms to shift it by"
            )
        if shift == 0:
            return truth
        return lay_over(room_tone(truth, RATE, len(truth), rng), truth, shift, RATE)


class AnotherClip(Control):
    """Another clip of the same speaker, as long as the video (cut, or filled with that clip's room tone)."""

    def __init__(self) -> None:
        self.info = control_info("another_clip", "another sentence of the same speaker")

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        if request.truth is None or request.truth.other_audio is None:
            raise DubbenchError(f"clip {request.clip}: its speaker has no other clip with another sentence; add one")
        other = read_audio(Path(request.truth.other_audio))
        length = picture_length(request)
        return lay_over(room_tone(other, RATE, length, rng), other, 0, RATE)


class Shuffled(Control):
    """The ground truth with pieces of its speech in another order; no piece stays in its place.

    Cut where the speech is quietest near even cuts, joined with cross-fades of 8 ms; what comes before and after the
    speech stays, and so does the length.

    Args:
        segments: how many pieces; 0 for pieces of about 0.35 s, at least 3.
    """

    _FADE = 0.008

    def __init__(self, segments: int = 0) -> None:
        if segments != 0 and segments < 2:
            raise DubbenchError(f"shuffled: segments is {segments}; expected 2 or more, or 0 to choose by length")
        self.segments = int(segments)
        self.info = control_info("shuffled", "the ground truth's segments in another order", segments=self.segments)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        truth = truth_of(request)
        start, end = speech_span(truth, RATE)
        pieces = self.segments or max(3, round((end - start) / RATE / 0.35))
        cuts = quiet_cuts(truth, RATE, start, end, pieces)
        order = derangement(pieces, rng)
        half = round(self._FADE * RATE / 2)
        padded = np.concatenate([np.zeros(half, np.float32), truth, np.zeros(half, np.float32)])
        bounds = [(0, start), *((cuts[i], cuts[i + 1]) for i in order), (end, len(truth))]
        joined = join([padded[a : b + 2 * half] for a, b in bounds], 2 * half)
        return joined[half : half + len(truth)]


class Silence(Control):
    """Digital silence as long as the video."""

    def __init__(self) -> None:
        self.info = control_info("silence", "digital silence")

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        return np.zeros(picture_length(request), np.float32)


class Noise(Control):
    """Gaussian noise as long as the video, at the ground truth's RMS.

    Args:
        colour: ``white``, or ``speech`` for noise with the clip's own long-term spectrum.
    """

    def __init__(self, colour: Literal["white", "speech"] = "white") -> None:
        self.colour = checked_colour("noise", colour)
        self.info = control_info("noise", f"{colour} noise at the ground truth's level", colour=colour)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        truth = truth_of(request)
        return rms(truth) * unit_noise(picture_length(request), self.colour, truth, rng)


def checked_colour(name: str, colour: str) -> str:
    """``colour``, if it is one.

    Raises:
        DubbenchError: it is not.
    """
    if colour not in ("white", "speech"):
        raise DubbenchError(f"{name}: colour is {colour!r}; expected white or speech")
    return colour


def unit_noise(length: int, colour: str, like: Samples, rng: np.random.Generator) -> Samples:
    """(length,) Gaussian noise of RMS 1: white, or with the long-term spectrum of ``like``."""
    noise = rng.standard_normal(length)
    if colour == "speech":
        from scipy.signal import welch

        size = min(512, len(like))
        frequencies, power = welch(like.astype(np.float64), RATE, nperseg=size)
        gains = np.sqrt(np.interp(np.fft.rfftfreq(length, 1 / RATE), frequencies, power))
        noise = np.fft.irfft(np.fft.rfft(noise) * gains, length)
    return np.asarray(noise / max(rms(noise.astype(np.float32)), 1e-12), np.float32)


def derangement(count: int, rng: np.random.Generator) -> list[int]:
    """A random order of 0 … count - 1 (count >= 2) in which nothing stays in its place."""
    while True:
        order = rng.permutation(count)
        if not np.any(order == np.arange(count)):
            return [int(i) for i in order]
