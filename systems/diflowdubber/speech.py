"""Folders of speech with its text, for stage 1: LibriTTS in its own layout, or any wav with a text beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from dubbench.errors import DubbenchError

from .making import Source
from .timing import Hints

SOUNDS = {".wav", ".flac"}
TEXTS = (".normalized.txt", ".txt", ".lab")
"""What may stand beside a sound file, in this order; LibriTTS's ``.original.txt`` is not read."""


def speech_sources(root: Path, textgrids: Path | None = None) -> list[Source]:
    """Every utterance below ``root``, sorted by id.

    - LibriTTS: ``[subset/]speaker/chapter/speaker_chapter_paragraph_sentence.wav`` with ``.normalized.txt``; the
      speaker is the name's first number.
    - LJSpeech: ``metadata.csv`` of ``id|text|normalised text`` beside ``wavs/``; one speaker, named after the folder.
    - Anything else: ``x.wav`` (or .flac) with ``x.txt`` or ``x.lab``; the speaker is the folder it lies in.

    Args:
        textgrids: folder of MFA's TextGrids, found by file name wherever they lie in it; beside the sound if None.

    Raises:
        DubbenchError: no such folder, or no utterance in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise DubbenchError(f"{root}: no such folder of speech")
    sounds = sorted(p for p in root.rglob("*") if p.suffix.lower() in SOUNDS)
    grids = {p.stem: p for p in sorted(Path(textgrids or root).rglob("*.TextGrid"))}
    listed = dict(_metadata(root))
    sources = []
    for path in sounds:
        text = listed.get(path.stem) or _text(path)
        if text:
            clip = path.relative_to(root).with_suffix("").as_posix().replace("/", "-")
            hints = Hints(textgrid=grids.get(path.stem))
            sources.append(Source(clip, _speaker(path, root, bool(listed)), text, path, hints=hints))
    if not sources:
        raise DubbenchError(
            f"{root}: no speech with text ({len(sounds)} sound files); expected x.wav with x.normalized.txt, x.txt or "
            "x.lab beside it, or LJSpeech's metadata.csv"
        )
    return sources


def _metadata(root: Path) -> Iterator[tuple[str, str]]:
    path = root / "metadata.csv"
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE):
                if len(row) >= 2:
                    yield row[0], row[-1] or row[1]


def _text(path: Path) -> str:
    for ending in TEXTS:
        beside = path.with_suffix(ending)
        if beside.is_file():
            return " ".join(beside.read_text("utf-8").split())
    return ""


def _speaker(path: Path, root: Path, one: bool) -> str:
    parts = path.stem.split("_")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return parts[0]
    return root.resolve().name if one or path.parent == root else path.parent.name
