"""The input of a system (`DubRequest`) and its output (`Dub` or `Failure`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Truth:
    """What only controls may see: the ground truth, and another clip of the same speaker.

    Attributes:
        audio: ground-truth speech, mono float32 wav at 16 kHz, on the video's clock.
        other_audio: the same of another clip of the speaker that says another sentence; None if there is none.
        other_video: that clip's silent video.
        problem: why there is no ``audio`` after all (one line); empty if there is.
    """

    audio: Path
    other_audio: Path | None = None
    other_video: Path | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DubRequest:
    """One clip to dub.

    ``video`` and ``reference`` are copies in a folder that holds nothing else and is removed after the answer; only
    privileged systems are shown the files of the run.

    Attributes:
        clip: the clip's id.
        video: a video file without an audio stream, upright, with square pixels; its pictures have times of their own
            where it has no constant rate.
        text: the sentence to speak.
        reference: the reference voice, mono wav at 16 kHz.
        duration: length of the video in seconds.
        fps: frames per second of the video; 25 where it has no constant rate (read features at that rate, by time).
        seed: the seed to use for this clip; it depends on the run's seed and the clip's id alone,
            so that the order of clips and the batch size change nothing.
        truth: None, except for privileged systems (the controls).
    """

    clip: str
    video: Path
    text: str
    reference: Path
    duration: float
    fps: float
    seed: int
    truth: Truth | None = None


@dataclass(slots=True)
class Dub:
    """Speech for one clip, starting at the video's first frame.

    Attributes:
        clip: the clip's id.
        samples: (T,) or (T, channels), any real dtype that holds values in [-1, 1].
        sample_rate: in Hz.
        timings: seconds spent in ``frontend``, ``model`` and ``vocoder``, as far as the system knows them.
        extras: anything a system wants kept in the ledger (JSON-serialisable).
    """

    clip: str
    samples: NDArray[Any]
    sample_rate: int
    timings: dict[str, float] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A clip that could not be dubbed, and why (one line)."""

    clip: str
    reason: str
