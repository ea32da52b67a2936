"""Finished wavs that are declared Setting 2.0: were they made with the clip's own sound after all?

Each dub's voice is held (Resemblyzer) against the clip's own recording, the declared reference and other recordings of
the run. A voice-cloning system's dub is nearest to what it was given: if that is the clip's own recording for most
clips, and the declared reference no more often than chance, the folder is probably 1.0. That is a warning, no proof:
clip and dub also share their words.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubbench.datasets.selection import place
from dubbench.errors import DubbenchError
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, write_manifest
from dubbench.signal.media import RATE, read_audio

CLIPS = 24
"""At most so many clips are looked at, chosen by a hash of their ids."""
FEWEST = 6
"""Clips below which nothing is said."""
OTHERS = 4
"""Recordings of the same speaker beside the clip's own and its reference."""


@dataclass(frozen=True)
class Nearest:
    """Of ``n`` dubs: how many are nearest to the clip's ``own`` recording, how many to the declared ``reference``;
    ``chance`` is the share of either if all recordings were as near."""

    n: int
    own: int
    reference: int
    chance: float

    @property
    def suspicious(self) -> bool:
        """Whether the own recording is nearest to more than half, and the reference to no more than by chance."""
        return self.n >= FEWEST and self.own > self.n / 2 and self.reference <= self.n * self.chance


def nearest(run: Path, manifest: Manifest, dubs: Sequence[DubRow]) -> Nearest:
    """Hold the dubs of one system against the recordings of the run.

    Raises:
        DubbenchError: Resemblyzer is not installed.
    """
    from dubbench.signal.voice_encoder import resemblyzer, voice_encoder

    resemblyzer(used_by="the test of references")
    encoder = voice_encoder()
    rows = {clip.id: clip for clip in manifest.clips}
    voices: dict[str, np.ndarray] = {}  # type: ignore[type-arg]

    def embedding(path: Path) -> np.ndarray:  # type: ignore[type-arg]
        key = str(path)
        if key not in voices:
            voices[key] = np.asarray(encoder.embed_utterance(read_audio(path, RATE)), np.float64)
        return voices[key]

    counts, shares = {"own": 0, "reference": 0}, []
    usable = [d for d in dubs if d.path and _truth(rows[d.clip]) and rows[d.clip].reference_digest]
    for dub in sorted(usable, key=lambda d: place(d.clip, "nearest"))[:CLIPS]:
        clip = rows[dub.clip]
        if clip.reference_digest == clip.digest:
            continue
        same = [c for c in manifest.clips if c.speaker == clip.speaker and c.id != clip.id and _truth(c)]
        others = [
            c.digest for c in sorted(same, key=lambda c: place(c.id, clip.id)) if c.digest != clip.reference_digest
        ]
        files = {digest: sound_file(run / "work", digest) for digest in others[:OTHERS]}
        files |= {d: sound_file(run / "work", d) for d in (clip.digest, clip.reference_digest)}
        try:
            voice = embedding(run / dub.path)
            near = {digest: float(voice @ embedding(path)) for digest, path in files.items()}
        except DubbenchError:
            continue
        best = max(near, key=lambda digest: near[digest])
        counts["own"] += best == clip.digest
        counts["reference"] += best == clip.reference_digest
        shares.append(1 / len(near))
    return Nearest(len(shares), counts["own"], counts["reference"], float(np.mean(shares)) if shares else 0.0)


def _truth(clip: ClipRow) -> bool:
    return bool(clip.digest) and not clip.problem and not clip.truth_problem


def warning(label: str, setting: str, found: Nearest) -> str:
    """The line for the board; empty if there is nothing to say."""
    if not found.suspicious:
        return ""
    return (
        f"{label}: declared {setting}, but of {found.n} dubs {found.own} sound most like the clip's own recording and "
        f"{found.reference} like the reference; they may have been made under Setting 1.0"
    )


def note_nearest(run: Path, manifest: Manifest, dubs: Sequence[DubRow]) -> None:
    """Note on standard error and in the manifest where finished dubs do not seem to be of the run's setting.

    Without Resemblyzer nothing is held against anything.
    """
    notes = []
    for label, entry in manifest.systems.items():
        if entry.info.kind == "precomputed" and manifest.setting != "1.0":
            try:
                found = nearest(run, manifest, [dub for dub in dubs if dub.system == label])
            except DubbenchError:  # Resemblyzer is not installed
                return
            notes += [warning(label, manifest.setting, found)]
    new = [note for note in notes if note and note not in manifest.notes]
    for note in new:
        print(f"dubbench: {note}", file=sys.stderr)
    if new:
        write_manifest(run, manifest.model_copy(update={"notes": (*manifest.notes, *new)}))
