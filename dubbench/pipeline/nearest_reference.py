"""A test of finished wavs that are declared Setting 2.0: do they resemble the references, or the clips' own recordings?

Voices are held against each other (Resemblyzer) within each speaker. If a system listened to the reference of each
clip, its dubs are nearer to their own references than to those of other clips: a permutation test of the similarities,
centred by row and column, so that near voices count for nothing. The clip's own recording is tested likewise; it also
shares the words of the dub, so it is near in any setting. Where the references leave no trace and the own recordings
do, the folder may be 1.0: a warning, no proof. (On 20 GRID clips of DiFlowDubber, p of the references is 0.01 for dubs
of Setting 2.0 and 0.53 for those of 1.0; merely counting which recording is nearest tells nothing, 14 and 16 of 20.)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.datasets.selection import place
from dubbench.errors import DubbenchError
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, write_manifest
from dubbench.signal.media import RATE, read_audio

CLIPS = 32
"""About so many clips are looked at, chosen by a hash of their ids."""
FEWEST = 8
"""Clips below which nothing is said, and clips that are taken of a speaker at least, where there are so many."""
PERMUTATIONS = 2000


@dataclass(frozen=True)
class Traces:
    """p values of ``n`` dubs being nearer to their ``reference``, and to their ``own`` recording, by chance."""

    n: int
    reference: float
    own: float

    @property
    def suspicious(self) -> bool:
        """Whether the own recordings leave a trace and the references none."""
        return self.n >= FEWEST and self.own <= 0.01 and self.reference > 0.2


def traces(run: Path, manifest: Manifest, dubs: Sequence[DubRow]) -> Traces:
    """Hold the dubs of one system against the recordings of the run.

    Raises:
        DubbenchError: Resemblyzer is not installed.
    """
    from dubbench.signal.voice_encoder import resemblyzer, voice_encoder

    resemblyzer(used_by="the test of references")
    encoder = voice_encoder()

    def voice(path: Path) -> NDArray[np.float64]:
        return np.asarray(encoder.embed_utterance(read_audio(path, RATE)), np.float64)

    blocks: list[list[NDArray[np.float64]]] = []
    for group in _groups(manifest, dubs):
        found = []
        for clip, dub in group:
            files = (run / dub.path, *(sound_file(run / "work", d) for d in (clip.reference_digest, clip.digest)))
            try:
                found.append(np.stack([voice(path) for path in files]))
            except DubbenchError:  # a dub or recording that cannot be read is told elsewhere
                continue
        blocks += [list(np.stack(found, 1))] if len(found) > 2 else []
    n = sum(len(block[0]) for block in blocks)
    if not n:
        return Traces(0, 1.0, 1.0)
    return Traces(n, chance([d @ r.T for d, r, _ in blocks]), chance([d @ own.T for d, _, own in blocks]))


def chance(similarities: Sequence[NDArray[np.float64]]) -> float:
    """p value of the diagonals being as large as they are, by permutations within each (n, n) block."""
    centred = [s - s.mean(0, keepdims=True) - s.mean(1, keepdims=True) + s.mean() for s in similarities]
    seen = sum(float(np.trace(block)) for block in centred)
    rng = np.random.default_rng(0)
    as_large = 0
    for _ in range(PERMUTATIONS):
        drawn = sum(float(block[np.arange(len(block)), rng.permutation(len(block))].sum()) for block in centred)
        as_large += drawn >= seen - 1e-12
    return (1 + as_large) / (1 + PERMUTATIONS)


def _groups(manifest: Manifest, dubs: Sequence[DubRow]) -> list[list[tuple[ClipRow, DubRow]]]:
    """Clips with their dubs, by speaker: at most about `CLIPS` in all."""
    rows = {clip.id: clip for clip in manifest.clips}
    groups: dict[str, list[tuple[ClipRow, DubRow]]] = {}
    for dub in sorted(dubs, key=lambda d: place(d.clip, "traces")):
        clip = rows[dub.clip]
        usable = clip.digest and clip.reference_digest and not (clip.problem or clip.truth_problem)
        if dub.path and usable and clip.reference_digest != clip.digest:
            groups.setdefault(clip.speaker, []).append((clip, dub))
    each = max(FEWEST, CLIPS // max(1, len(groups)))
    return [group[:each] for group in groups.values()][: -(-CLIPS // each)]


def warning(label: str, setting: str, found: Traces) -> str:
    """The line for the board; empty if there is nothing to say."""
    if not found.suspicious:
        return ""
    return (
        f"{label}: declared {setting}, but in {found.n} of its dubs the references leave no trace (p = "
        f"{found.reference:.2f}) and the clips' own recordings do (p = {found.own:.3f}): made under Setting 1.0, with "
        "other references than this run's, or without listening to them"
    )


def note_nearest(run: Path, manifest: Manifest, dubs: Sequence[DubRow]) -> None:
    """Note on standard error and in the manifest where finished dubs do not seem to be of the run's setting.

    Without Resemblyzer nothing is held against anything.
    """
    notes = []
    for label, entry in manifest.systems.items():
        if entry.info.kind == "precomputed" and manifest.setting != "1.0":
            try:
                found = traces(run, manifest, [dub for dub in dubs if dub.system == label])
            except DubbenchError:  # Resemblyzer is not installed
                return
            notes += [warning(label, manifest.setting, found)]
    new = [note for note in notes if note and note not in manifest.notes]
    for note in new:
        print(f"dubbench: {note}", file=sys.stderr)
    if new:
        write_manifest(run, manifest.model_copy(update={"notes": (*manifest.notes, *new)}))
