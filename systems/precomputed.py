"""``precomputed(FOLDER)``: finished dubs, found by a rule for their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from dubbench.errors import DubbenchError, one_line
from dubbench.media import read_audio_native
from dubbench.request import Dub, DubRequest, Failure
from dubbench.system import SystemBase, SystemInfo

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".aac", ".opus", ".mp4", ".mkv", ".mov", ".avi", ".mpg")
"""What is taken for a dub; where a clip has several, the first of these counts."""

RULES = (
    "{id}",
    "{name}",
    "wav_pred_{id}",
    "wav_pred_{name}",
    "pred_{id}",
    "pred_{name}",
    "{speaker}/{name}",
    "{speaker}/{id}",
    "{speaker}/wav_pred_{name}",
    "{id}_pred",
    "{id}_gen",
)
"""What ``auto`` tries: the names that the published repositories give their outputs."""

_FIELD = re.compile(r"\{(\w*)\}")


class Precomputed(SystemBase):
    """Finished dubs in a folder: wav, flac, mp3, mp4 …; nothing is timed.

    Args:
        folder: looked through once, with its subfolders; links that lead out of it are not followed.
        rule: a clip's file below the folder, with or without its extension, made of ``{id}`` (``s1-bbaf2n``),
            ``{name}`` (the id without its speaker, ``bbaf2n``) and ``{speaker}`` (``s1``); ``auto`` tries all
            of `RULES`, and a clip that two of them give a file fails.

    Raises:
        DubbenchError: no such folder, no sound in it, or a rule with other fields.
    """

    def __init__(self, folder: str, rule: str = "auto") -> None:
        self.folder = Path(folder).expanduser()
        self.rule = rule
        unknown = set(_FIELD.findall(rule)) - {"id", "name", "speaker"}
        if unknown or (rule != "auto" and not _FIELD.search(rule)):
            raise DubbenchError(f"rule {rule!r}: name the file with {{id}}, {{name}} or {{speaker}}, or say auto")
        if not self.folder.is_dir():
            raise DubbenchError(f"{self.folder}: no such folder of dubs")
        self.info = SystemInfo(
            name="precomputed",
            kind="precomputed",
            summary="finished dubs in a folder",
            settings={"folder": str(self.folder), "rule": rule},
        )

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Path below the folder without extension -> file."""
        top = self.folder.resolve()
        found: dict[str, Path] = {}
        for here, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names, key=lambda n: (_order(n), n)):
                path = Path(here) / name
                if _order(name) < len(SUFFIXES) and path.resolve().is_relative_to(top):
                    found.setdefault(path.relative_to(top).with_suffix("").as_posix(), path)
        if not found:
            raise DubbenchError(f"{self.folder}: no sound there ({', '.join(SUFFIXES)})")
        return found

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """Read each clip's file at its own rate."""
        for request in requests:
            try:
                samples, rate = read_audio_native(self.find(request.clip))
                yield Dub(request.clip, samples, rate)
            except DubbenchError as error:
                yield Failure(request.clip, one_line(error))

    def find(self, clip: str) -> Path:
        """The file of a clip.

        Raises:
            DubbenchError: none fits, or (under ``auto``) two do.
        """
        rules = RULES if self.rule == "auto" else (self.rule,)
        stems = list(dict.fromkeys(stem(rule, clip) for rule in rules))
        found = [self._files[name] for name in stems if name in self._files]
        if not found:
            raise DubbenchError(f"no file for the clip in {self.folder}; looked for {', '.join(stems[:4])}")
        if len(found) > 1:
            names = " and ".join(path.name for path in found[:2])
            raise DubbenchError(f"{self.folder}: {names} both fit; say which with --rule")
        return found[0]


def stem(rule: str, clip: str) -> str:
    """The path that a rule gives a clip id, without extension: ``{speaker}/{name}``, ``s1-bbaf2n`` -> ``s1/bbaf2n``."""
    speaker, mark, name = clip.partition("-")
    values = {"id": clip, "name": name if mark else clip, "speaker": speaker}
    path = _FIELD.sub(lambda m: values[m.group(1)], rule)
    return path.rpartition(".")[0] if path.lower().endswith(SUFFIXES) else path


def _order(name: str) -> int:
    suffix = Path(name).suffix.lower()
    return SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES)
