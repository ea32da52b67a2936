"""The same test for webMUSHRA (and pymushra, which serves it): one configuration a block.

webMUSHRA plays sound files alone, so that the videos stand in the text of its pages and its own player has the same
sound as a wav (two dubs one after the other). Its names of pages begin with a letter: pymushra turns every answer that
looks like a number into one, names included. webMUSHRA itself is not part of dubbench.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from dubbench.leaderboards.listening.key import Key, Shown
from dubbench.leaderboards.listening.protocol import Question
from dubbench.leaderboards.listening.stimuli import RATE, Samples
from dubbench.runtime.files import atomic, write_text
from dubbench.runtime.progress import progress
from dubbench.signal.media import read_audio

PAUSE = 0.5
"""Seconds between two dubs in one wav."""


def folder_name(key: Key) -> str:
    """The folder under webMUSHRA's ``configs`` and its test's id."""
    return f"dubbench-{key.export}"


def page_id(block: int, page: int) -> str:
    """The id of a page (both counted from 0)."""
    return f"b{block + 1:03d}p{page + 1:03d}"


def write_webmushra(out: Path, key: Key, media: Path) -> Path:
    """Write ``out/dubbench-EXPORT``: copy it into webMUSHRA's ``configs``; its address gets
    ``?config=dubbench-EXPORT/block-001.yaml``."""
    name = folder_name(key)
    folder = out / name
    (folder / "media").mkdir(parents=True, exist_ok=True)
    for path in sorted(media.iterdir()):
        if path.suffix in (".mp4", ".flac"):
            shutil.copyfile(path, folder / "media" / path.name)
    wavs = {_wav_name(shown.media): shown.media for block in key.blocks for shown in block}
    with progress("writing wavs", len(wavs)) as advance:
        for wav, files in sorted(wavs.items()):
            _write_wav(folder / "media" / wav, [read_audio(media / file, RATE) for file in files])
            advance()
    for number, block in enumerate(key.blocks):
        text = "\n".join(_configuration(key, number, block, f"configs/{name}/media")) + "\n"
        write_text(folder / f"block-{number + 1:03d}.yaml", text)
    return folder


def _wav_name(files: tuple[str, ...]) -> str:
    return "-".join(Path(file).stem for file in files) + ".wav"


def _write_wav(path: Path, sounds: list[Samples]) -> None:
    from scipy.io import wavfile

    pause = np.zeros(round(PAUSE * RATE), np.float32)
    joined = np.concatenate([part for sound in sounds for part in (pause, sound)][1:])
    with atomic(path) as temporary:
        wavfile.write(temporary, RATE, np.round(np.clip(joined, -1, 1) * 32767).astype(np.int16))


def _configuration(key: Key, number: int, block: tuple[Shown, ...], media: str) -> Iterator[str]:
    yield f"testname: {_quoted(key.title)}"
    yield f"testId: {_quoted(folder_name(key))}"
    yield "bufferSize: 2048"
    yield "stopOnErrors: true"
    yield "showButtonPreviousPage: false"
    yield 'remoteService: "service/write.php"'
    yield "pages:"
    says = "".join(f"<p>{escape(key.tests[t].protocol.says)}</p>" for t in dict.fromkeys(shown.test for shown in block))
    yield from _page("generic", f"b{number + 1:03d}start", key.title, says)
    for at, shown in enumerate(block):
        questions = key.tests[shown.test].protocol.questions
        title = f"Page {at + 1} of {len(block)}"
        yield from _page("likert_single_stimulus", page_id(number, at), title, _content(key, shown, media))
        yield "    mustRate: true"
        yield "    showWaveform: false"
        yield "    stimuli:"
        yield f"      clip: {_quoted(f'{media}/{_wav_name(shown.media)}')}"
        yield "    response:"
        for question in questions:
            yield from _scale(question, len(questions) > 1)
    yield from _page("finish", f"b{number + 1:03d}finish", "Thank you", "Please send your answers.")
    yield "    showResults: false"
    yield "    writeResults: true"
    yield "    questionnaire:"
    yield "      - type: text\n        label: Your name or number\n        name: listener"


def _page(kind: str, ident: str, name: str, content: str) -> Iterator[str]:
    yield f"  - type: {kind}"
    yield f"    id: {_quoted(ident)}"
    yield f"    name: {_quoted(name)}"
    yield f"    content: {_quoted(content)}"


def _scale(question: Question, named: bool) -> Iterator[str]:
    """A scale; where a page has several, every label says which it belongs to."""
    lead = "      -\n        - "
    for place, (value, label) in enumerate(question.choices):
        text = f"{value:g}" if isinstance(value, float) and question.choices[0][0] == 1.0 else ""
        words = " ".join(part for part in (f"{question.name}:" if named else "", text, label) if part)
        yield f"{lead if place == 0 else '        - '}value: {_quoted(f'c{place}')}\n          label: {_quoted(words)}"


def _content(key: Key, shown: Shown, media: str) -> str:
    protocol = key.tests[shown.test].protocol
    parts = [f"<p>{escape(q.asks)}</p>" for q in protocol.questions]
    if shown.text:
        parts.append(f"<p>{escape(shown.text)}</p>")
    if shown.reference:
        parts.append(f'<p>Reference voice<br><audio controls src="{media}/{shown.reference}"></audio></p>')
    if shown.original:
        parts.append(f"<p>Original<br>{_video(media, shown.original)}</p>")
    for label, file in zip(("A", "B") if protocol.sides == 2 else ("",), shown.media, strict=True):
        parts.append(f"<p>{label}<br>{_video(media, file)}</p>")
    return "".join(parts)


def _video(media: str, file: str) -> str:
    return f'<video controls playsinline width=360 src="{media}/{file}"></video>'


def _quoted(text: str) -> str:
    """A YAML string in double quotes: JSON's are of the same form."""
    return json.dumps(text)
