"""The pictures and the sound of a run's clip, for pages: the run's own copies, or originals that fit the digest.

A manifest may come from a stranger and name any file of this machine; a page shows none but the clip's.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.pipeline.prepare import content_digest, sound_file, video_file
from dubbench.pipeline.store import ClipRow


def picture_of(runs: Iterable[Path], clip: ClipRow) -> Path:
    """A file with the clip's pictures.

    Raises:
        DubbenchError: no copy in the runs, and the original is not here or another file.
    """
    for run in runs:
        copy = video_file(run / "work", clip.digest)
        if clip.digest and copy.is_file():
            return copy
    return _original(clip)


def sound_of(runs: Iterable[Path], clip: ClipRow) -> Path:
    """A file with the clip's own sound.

    Raises:
        DubbenchError: as `picture_of`.
    """
    for run in runs:
        copy = sound_file(run / "work", clip.digest)
        if clip.digest and not clip.truth_problem and copy.is_file():
            return copy
    return _original(clip)


def _original(clip: ClipRow) -> Path:
    path = Path(clip.video)
    if not clip.digest:
        raise DubbenchError(f"{path.name}: the clip has no digest that its original could be known by")
    if not path.is_file():
        raise DubbenchError(f"{path.name}: no such file here, and no copy in the run's work/")
    sides = [None, *(path.with_suffix(end) for end in (".wav", ".flac") if path.with_suffix(end).is_file())]
    if not any(content_digest(clip.text, path, side) == clip.digest for side in sides):
        raise DubbenchError(f"{path.name}: not the file that was dubbed (its digest differs), and no copy in the run")
    return path
