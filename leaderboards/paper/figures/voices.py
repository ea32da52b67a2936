"""The dubs of one clip out of a run, those that could be read and those that could not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.leaderboards.sheet import Sheet
from dubbench.pipeline.store import ClipRow
from dubbench.signal.media import RATE, read_audio

TRUTH = "Ground Truth"


@dataclass(frozen=True, slots=True)
class Voice:
    """A system's dub: (T,) samples at 16 kHz on the video's clock."""

    name: str
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """A clip's ground truth (None if it cannot be heard), dubs, and a line for each that is missing."""

    clip: ClipRow
    truth: Voice | None
    dubs: tuple[Voice, ...]
    problems: tuple[str, ...]


def heard(sheet: Sheet, clip: str, systems: Sequence[str] = ()) -> Heard:
    """The dubs of one clip.

    Args:
        sheet: of the run.
        clip: id.
        systems: labels in the order wanted; all systems that may rank, if empty.

    Raises:
        DubbenchError: no such clip or system.
    """
    row = next((c for c in sheet.clips if c.id == clip), None)
    if row is None:
        some = ", ".join(c.id for c in sheet.clips[:5])
        raise DubbenchError(f"{sheet.title}: no clip {clip!r}; there are {sheet.count}: {some} …")
    for label in systems:
        if label not in sheet.entrants:
            raise DubbenchError(f"{sheet.title}: no system {label!r}; there are: {', '.join(sheet.entrants)}")
    own = [label for label, e in sheet.entrants.items() if e.entry.info.name == "ground_truth"]
    found: list[Voice] = []
    problems: list[str] = []
    for label in [*own[:1], *(systems or sheet.ranking)]:
        try:
            found.append(Voice(TRUTH if label in own else label, _dub(sheet, label, clip)))
        except (DubbenchError, OSError) as error:
            problems.append(f"{label}: {error}")
    truth = next((voice for voice in found if voice.name == TRUTH), None)
    if truth is None:
        try:
            truth = Voice(TRUTH, read_audio(Path(row.video)))
        except (DubbenchError, OSError) as error:
            problems.append(f"{TRUTH}: {error}")
    return Heard(row, truth, tuple(voice for voice in found if voice.name != TRUTH), tuple(problems))


def _dub(sheet: Sheet, label: str, clip: str) -> NDArray[np.float32]:
    row = sheet.dubs.get((label, clip))
    if row is None or row.reason:
        raise DubbenchError(f"no dub of {clip} ({row.reason if row else 'not dubbed'})")
    folder = sheet.entrants[label].run.path.resolve()
    path = (folder / row.path).resolve()
    if not path.is_relative_to(folder):
        raise DubbenchError(f"{row.path}: leads out of the run folder")
    return read_audio(path, RATE)
