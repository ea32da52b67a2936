"""A board that travels alone: one HTML file, or a zip of the board's folder, both without private paths."""

from __future__ import annotations

import base64
import re
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from dubbench.leaderboards.board import write_board
from dubbench.leaderboards.submissions.archive import plain_entry
from dubbench.leaderboards.submissions.private import without_paths
from dubbench.pipeline.store import Run
from dubbench.runtime.files import atomic, write_text

_KINDS = {"csv": "text/csv", "md": "text/markdown", "mp4": "video/mp4", "flac": "audio/flac", "png": "image/png"}


def one_file(runs: Sequence[Run], out: Path) -> Path:
    """The board of these runs with its tables, pictures and sounds inside the page."""
    with tempfile.TemporaryDirectory() as folder:
        text = _board(runs, Path(folder)).read_text(encoding="utf-8")

        def inside(name: str) -> str:
            payload = base64.b64encode((Path(folder) / name).read_bytes()).decode()
            return f"data:{_KINDS[name.rpartition('.')[2]]};base64,{payload}"

        text = re.sub(r'"(media/t\d+-c\d+(?:-\d+)?\.(?:mp4|flac|png))"', lambda m: f'"{inside(m[1])}"', text)
        text = re.sub(r'<a href="(\w+\.(?:csv|md))">', lambda m: f'<a download="{m[1]}" href="{inside(m[1])}">', text)
    write_text(out, text)
    return out


def zipped(runs: Sequence[Run], out: Path) -> Path:
    """The board's folder as a zip; its page opens once it is unpacked. Equal runs give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _board(runs, place)
        with atomic(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for path in sorted(path for path in place.rglob("*") if path.is_file()):
                name = plain_entry(f"board/{path.relative_to(place).as_posix()}")
                archive.writestr(name, path.read_bytes(), zipfile.ZIP_DEFLATED, 6)
    return out


def _board(runs: Sequence[Run], folder: Path) -> Path:
    return write_board([_shared(run) for run in runs], folder)


def _shared(run: Run) -> Run:
    """The run without private paths; where its videos lie stays known, for the pictures, and no page shows it."""
    shared = without_paths(run)
    clips = zip(shared.manifest.clips, run.manifest.clips, strict=True)
    kept = tuple(told.model_copy(update={"video": own.video}) for told, own in clips)
    return shared.model_copy(update={"manifest": shared.manifest.model_copy(update={"clips": kept})})
