"""`Clip`: one talking-face video with its sentence and its speaker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance of a data set.

    Audio and video are on one clock that starts at the first video frame; `dubbench.signal.media` keeps it.

    Attributes:
        id: unique in its data set, for example ``s1-bbaf2n``; letters of any script, digits and ``-_.@`` only,
            so that it can name a file.
        dataset: name of the data set, for example ``grid``.
        speaker: speaker id; empty if unknown (such a clip has no reference in Setting 2.0).
        text: the sentence to speak.
        video: the talking-face video, with or without sound.
        audio: the file that holds the ground-truth speech; often the video itself. None if there is none.
        phones: exact phone timings as a CSV (``phone,start,end``, seconds), where the corpus has them.
    """

    id: str
    dataset: str
    speaker: str
    text: str
    video: Path
    audio: Path | None = None
    phones: Path | None = None
