"""Copies of requests that do not show a system where the run is: two files in a folder that holds nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dubbench.core.request import DubRequest

STAGE = "dubbench-requests-"
"""How folders of copies are called in the system's temporary folder; the number of their process follows."""


@contextmanager
def staged(requests: Sequence[DubRequest], parent: Path | None = None) -> Iterator[tuple[list[DubRequest], str]]:
    """The requests with copies of their video and reference, each in a folder of its own that is removed afterwards.

    Args:
        requests: as the harness has them.
        parent: where the copies go; None for the system's temporary folder.

    Yields:
        The requests, and the folder of all copies, whose name is another one each time (see `neutral`).
    """
    prefix = None if parent else f"{STAGE}{os.getpid()}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        copies = []
        for number, request in enumerate(requests):
            own = Path(folder) / str(number)
            own.mkdir()
            video, reference = own / f"video{request.video.suffix}", own / f"reference{request.reference.suffix}"
            shutil.copyfile(request.video, video)
            if request.reference.exists():  # finished wavs are scored where there is no reference
                shutil.copyfile(request.reference, reference)
            copies.append(replace(request, video=video, reference=reference))
        yield copies, folder


def neutral(text: str, folder: str) -> str:
    """``text`` without the folder of copies."""
    return text.replace(f"{folder}/", "") if folder else text
