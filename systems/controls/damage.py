"""Graded damage to the ground truth: the other controls of the validity page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.core.request import DubRequest
from dubbench.errors import DubbenchError
from dubbench.runtime.provenance import versions
from dubbench.signal.media import RATE
from dubbench.systems.controls.plain import Control, Samples, checked_colour, control_info, truth_of, unit_noise
from dubbench.systems.controls.splice import speech_level
from dubbench.systems.controls.timescale import wsola

_STEEPEST = 0.6
"""The warp never changes the pace by more than this share."""


def warp_curve(length: int, rate: int, ms: float, seed: int) -> NDArray[np.float64]:
    """How late each moment of the ground truth is heard: (length,) seconds.

    What the truth says at time t, `Warp` says at t + curve(t). The curve is a smooth random sum of half sines, is zero
    at both ends, and its largest absolute value is ``ms``; its slope stays below 0.6, so that order is kept.

    Args:
        length: samples of the ground truth.
        rate: in Hz.
        ms: peak deviation in milliseconds; its sign is ignored, the seed chooses the direction.
        seed: the request's.

    Raises:
        DubbenchError: the clip is too short for such a deviation.
    """
    rng = np.random.default_rng(seed)
    phase = np.linspace(0.0, np.pi, length)
    direction, second, third = rng.choice([-1.0, 1.0]), *rng.uniform(-1.0, 1.0, 2)
    peak = abs(ms) / 1000
    for calm in (1.0, 0.5, 0.25, 0.0):  # the higher waves are steeper, and give way in short clips
        wave = np.sin(phase) + calm * (second * np.sin(2 * phase) + 0.5 * third * np.sin(3 * phase))
        curve = direction * peak * wave / max(float(np.abs(wave).max()), 1e-9)
        if length < 2 or float(np.abs(np.diff(curve)).max()) * rate <= _STEEPEST:
            return np.asarray(curve)
    raise DubbenchError(f"{length / rate:.2f} s are too short to be warped by {ms:g} ms")


class Warp(Control):
    """The ground truth with its time warped smoothly by up to ``ms``; pitch and length stay (WSOLA)."""

    def __init__(self, ms: float = 100.0) -> None:
        self.ms = float(ms)
        self.info = control_info("warp", f"the ground truth, its time warped by up to {self.ms:g} ms", ms=self.ms)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        truth = truth_of(request)
        time = np.arange(len(truth), dtype=np.float64)
        heard = time + RATE * warp_curve(len(truth), RATE, self.ms, request.seed)
        return wsola(truth, np.interp(time, heard, time), RATE)


class OtherVoice(Control):
    """The ground truth in another voice through the WORLD vocoder; timing stays.

    Args:
        pitch: factor of F0.
        formant: factor of the frequencies of the spectral envelope (a shorter vocal tract above 1).
    """

    def __init__(self, pitch: float = 1.5, formant: float = 1.15) -> None:
        if not (0.25 <= pitch <= 4 and 0.5 <= formant <= 2):
            raise DubbenchError(f"other_voice: pitch {pitch}, formant {formant}; expected 0.25 to 4 and 0.5 to 2")
        self.pitch, self.formant = float(pitch), float(formant)
        summary = f"the ground truth with {self.pitch:g} x its pitch, {self.formant:g} x its formants"
        made = versions("pyworld")
        self.info = control_info("other_voice", summary, pitch=self.pitch, formant=self.formant, **made)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        from dubbench.signal.world import f0_track, pyworld

        world = pyworld("the control other_voice")
        truth = truth_of(request)
        x = truth.astype(np.float64)
        f0, times = f0_track(x, RATE)
        envelope, aperiodic = world.cheaptrick(x, f0, times, RATE), world.d4c(x, f0, times, RATE)
        bins = np.arange(envelope.shape[1])
        log = np.log(envelope)
        moved = np.exp(np.stack([np.interp(bins / self.formant, bins, frame) for frame in log]))
        voice = world.synthesize(f0 * self.pitch, moved, aperiodic, RATE)[: len(truth)]
        return np.pad(voice, (0, len(truth) - len(voice))).astype(np.float32)


class Noisy(Control):
    """The ground truth with noise added ``snr`` dB below its speech.

    Args:
        snr: level of the speech (RMS of the frames in which somebody speaks) over the noise's, in dB.
        colour: ``white``, or ``speech`` for noise with the clip's own long-term spectrum.
    """

    def __init__(self, snr: float = 10.0, colour: str = "white") -> None:
        self.snr, self.colour = float(snr), checked_colour("noisy", colour)
        summary = f"the ground truth with {colour} noise at {self.snr:g} dB SNR"
        self.info = control_info("noisy", summary, snr=self.snr, colour=self.colour)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        truth = truth_of(request)
        level = speech_level(truth, RATE) * 10 ** (-self.snr / 20)
        return np.asarray(truth + level * unit_noise(len(truth), self.colour, truth, rng), np.float32)


class Gain(Control):
    """The ground truth ``db`` louder (quieter if negative)."""

    def __init__(self, db: float = -12.0) -> None:
        self.db = float(db)
        self.info = control_info("gain", f"the ground truth {self.db:+g} dB", db=self.db)

    def make(self, request: DubRequest, rng: np.random.Generator) -> Samples:
        return (truth_of(request) * np.float32(10 ** (self.db / 20))).astype(np.float32)
