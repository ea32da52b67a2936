"""Folders of speech without video."""

from pathlib import Path

import numpy as np
import pytest

from dubbench.errors import DubbenchError
from dubbench.signal.media import write_wav
from dubbench.systems.diflowdubber.speech import speech_sources


def speak(path: Path, text: str | None, ending: str = ".txt") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, np.full(16000, 0.1, np.float32), 16000)
    if text is not None:
        path.with_suffix(ending).write_text(text, "utf-8")


def test_libritts_in_its_own_layout(tmp_path):
    root = tmp_path / "LibriTTS"
    for speaker, chapter, n in ((19, 198, 1), (19, 198, 2), (26, 495, 1)):
        path = root / "train-clean-100" / str(speaker) / str(chapter) / f"{speaker}_{chapter}_00000{n}_000000.wav"
        speak(path, "Hello there.", ".normalized.txt")
        path.with_suffix(".original.txt").write_text("HELLO (there).", "utf-8")
    found = speech_sources(root)
    assert [s.speaker for s in found] == ["19", "19", "26"]
    assert found[0].clip == "train-clean-100-19-198-19_198_000001_000000"
    assert {s.text for s in found} == {"Hello there."} and found[0].video is None


def test_any_folder_of_wav_and_text(tmp_path):
    speak(tmp_path / "anna" / "a.wav", "One.")
    speak(tmp_path / "anna" / "b.wav", " Two\n words. ", ".lab")
    speak(tmp_path / "bert" / "c.wav", None)
    (tmp_path / "grids").mkdir()
    (tmp_path / "grids" / "a.TextGrid").write_text("", "utf-8")
    found = speech_sources(tmp_path, tmp_path / "grids")
    assert [(s.clip, s.speaker, s.text) for s in found] == [
        ("anna-a", "anna", "One."),
        ("anna-b", "anna", "Two words."),
    ]
    assert found[0].hints.textgrid is not None and found[1].hints.textgrid is None


def test_ljspeech(tmp_path):
    root = tmp_path / "LJ"
    speak(root / "wavs" / "LJ001-0001.wav", None)
    (root / "metadata.csv").write_text('LJ001-0001|Dr. "Who|Doctor "Who\n', "utf-8")
    (found,) = speech_sources(root)
    assert (found.speaker, found.text) == ("LJ", 'Doctor "Who')


def test_a_folder_without_speech_is_said(tmp_path):
    speak(tmp_path / "a.wav", None)
    with pytest.raises(DubbenchError, match=r"no speech with text \(1 sound files\)"):
        speech_sources(tmp_path)
    with pytest.raises(DubbenchError, match="no such folder"):
        speech_sources(tmp_path / "nothing")
