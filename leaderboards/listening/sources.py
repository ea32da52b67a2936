"""Sources of the stimuli: a run's dubs, its reference voices, and the spoilt sounds of catch trials."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening.stimuli import Samples, Source, noise, turned
from dubbench.leaderboards.sheet import Entrant, Sheet
from dubbench.pipeline.originals import picture_of
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import ClipRow
from dubbench.runtime.digests import digest
from dubbench.signal.media import read_audio_native


class Sources:
    """The stimuli that a sheet of runs can give. Nothing is decoded before `Source.sound` is called."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet

    @cached_property
    def truth(self) -> str:
        """The label of the ground truth; empty if the run has none."""
        return next((k for k, x in self.sheet.entrants.items() if x.entry.info.name == "ground_truth"), "")

    def has(self, label: str, clip: ClipRow) -> bool:
        """Whether there is a dub to hear."""
        row = self.sheet.dubs.get((label, clip.id))
        return row is not None and not row.reason and self._inside(label, row.path).is_file()

    def has_reference(self, clip: ClipRow) -> bool:
        """Whether the reference voice is at hand."""
        return self._voice(clip) is not None

    def dub(self, label: str, clip: ClipRow) -> Source:
        """The clip's pictures with a system's dub; ``@good``, ``@noise`` and ``@turned`` are those of catch trials."""
        base = self._best(clip) if label.startswith("@") else label
        row = self.sheet.dubs[base, clip.id]
        path = self._inside(base, row.path)

        def sound() -> tuple[Samples, int]:
            samples, rate = read_audio_native(path)
            if label == "@noise":
                return noise(samples, rate, int(digest(clip.id)[:8], 16)), rate
            return (turned(samples), rate) if label == "@turned" else (samples, rate)

        return Source(label, clip.id, self._video(clip, base), sound, digest([clip.digest, row.digest]))

    def reference(self, clip: ClipRow) -> Source:
        """The reference voice alone."""
        path = self._voice(clip)
        if path is None:
            raise DubbenchError(f"{clip.id}: its reference voice is no longer in the run's folder work/; run again")
        return Source("@reference", clip.id, None, lambda: read_audio_native(path), clip.reference_digest)

    def _best(self, clip: ClipRow) -> str:
        """The ground truth, or the first system that dubbed the clip."""
        labels = (self.truth, *self.sheet.entrants) if self.truth else tuple(self.sheet.entrants)
        return next(label for label in labels if self.has(label, clip))

    def _inside(self, label: str, path: str) -> Path:
        """A ledger's path; one that leads out of its run is refused, since a run may come from someone else."""
        run = self.sheet.entrants[label].run.path
        whole = (run / path).resolve()
        if not whole.is_relative_to(run.resolve()):
            raise DubbenchError(f"{run}: {path!r} leads out of the run folder; do not use this run")
        return whole

    def _works(self) -> list[Path]:
        return [run.path / "work" for run in self.sheet.runs]

    def _voice(self, clip: ClipRow) -> Path | None:
        if not clip.reference_digest:
            return None
        files = (sound_file(work, clip.reference_digest) for work in self._works())
        return next((path for path in files if path.is_file()), None)

    def _video(self, clip: ClipRow, label: str) -> Path:
        entrant: Entrant = self.sheet.entrants[label]
        return picture_of([entrant.run.path, *(run.path for run in self.sheet.runs)], clip)
