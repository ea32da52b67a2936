"""The embedded corpus: its speech, its timings, its lips, its files."""

from __future__ import annotations

import csv
import json
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader")
pytest.importorskip("cv2")

from dubbench.datasets.toon import corpus
from dubbench.datasets.toon.dataset import ToonDataset
from dubbench.datasets.toon.face import EYE_DISTANCE, MAX_GAPE, Face, Pose
from dubbench.datasets.toon.motion import poses, prosody
from dubbench.datasets.toon.script import FREE, GRAMMAR, SPEAKERS, more, script
from dubbench.datasets.toon.voice import Espeak, Phone, phones, spoken
from dubbench.errors import DubbenchError
from dubbench.signal import media

LINES = script()
SAMPLE = (LINES[0], LINES[15], LINES[-1])


@pytest.fixture(scope="module")
def espeak() -> Espeak:
    return Espeak()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toon") / "corpus"
    corpus.make_corpus(root, workers=1, lines=SAMPLE)
    return root


# Speech


def test_speech_does_not_depend_on_what_was_said_before(espeak: Espeak) -> None:
    voices = ["en-us+f1", "en-us+klatt2", "en-us+f5", "en-us"]  # roughness, C's random numbers, breath with echo
    alone = {voice: espeak.speak("bin blue at f two now", voice) for voice in voices}
    for voice in reversed(voices):
        espeak.speak("Something else, quite different!", "en-us+m3", wpm=230, pitch=80, pitch_range=90)
        again = espeak.speak("bin blue at f two now", voice)
        assert np.array_equal(again.samples, alone[voice].samples), voice
        assert again.events == alone[voice].events
    assert not np.array_equal(alone["en-us"].samples, alone["en-us+f1"].samples)


def test_words_and_phones_come_in_order(espeak: Espeak) -> None:
    sentence = "place green in o zero please"
    speech = espeak.speak(sentence, "en-us+m1", wpm=150)
    assert " ".join(event.text for event in speech.events if event.kind == "word") == sentence
    told = phones(speech)
    names = " ".join(phone.phone for phone in told if phone.phone != "SIL")
    assert names == "P L EY S G R IY N IH N OW Z IH R OW P L IY Z"  # as CMUdict has it
    assert told[0].start == 0
    assert told[-1].end == pytest.approx(len(speech.samples) / speech.rate)
    assert all(a.end == b.start and a.start < a.end for a, b in pairwise(told))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (spoken("set red by a four again"), "S EH T R EH D B AY EY F AO R AH G EH N"),
        ("bell", "B EH L"),
        ("measure of", "M EH ZH ER AH V"),
        ("reacting", "R IH AE K T IH NG"),
        ("we judge church", "W IY JH AH JH CH ER CH"),
    ],
)
def test_phones_are_arpabet(espeak: Espeak, text: str, expected: str) -> None:
    told = phones(espeak.speak(text))
    assert " ".join(phone.phone for phone in told if phone.phone != "SIL") == expected


def test_a_stop_owns_its_closure(espeak: Espeak) -> None:
    speech = espeak.speak("a sippy attic", "en-us+m1")
    told = phones(speech)
    stop = next(phone for phone in told if phone.phone == "P")
    vowel = told[told.index(stop) - 1]

    def level(start: float, end: float) -> float:
        return float(np.abs(speech.samples[round(start * speech.rate) : round(end * speech.rate)].astype(float)).mean())

    assert level(stop.start, stop.start + 0.02) < 1
    assert level(vowel.end - 0.02, vowel.end) > 100
    assert level(stop.end - 0.02, stop.end) > 100  # the burst


def test_rate_and_pitch_change_the_speech(espeak: Espeak) -> None:
    def measure(**options: int) -> tuple[float, float]:
        speech = espeak.speak("lay white with z nine soon", "en-us+m1", **options)
        sound = speech.samples.astype(np.float32) / 32768
        _, tone = prosody(media.resample(sound, speech.rate, 16000), 16000)
        return len(sound) / speech.rate, float(np.std(tone[tone != 0]))

    assert measure(wpm=200)[0] < 0.85 * measure(wpm=140)[0]
    assert measure(pitch_range=95)[1] > 2 * measure(pitch_range=10)[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"voice": "xx-zz"}, "no voice 'xx-zz'"),
        ({"voice": "en-us+nobody"}, "no voice variant 'nobody'"),
        ({"wpm": 9}, "wpm is 9; expected 80 to 450"),
        ({"text": " . "}, "nothing to say"),
        ({"text": ""}, "nothing to say"),
    ],
)
def test_bad_speech_input_is_one_clear_line(espeak: Espeak, options: dict[str, object], message: str) -> None:
    with pytest.raises(DubbenchError, match=message) as error:
        espeak.speak(**{"text": "bin", **options})  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


# The script


def test_script_is_balanced_and_never_repeats_a_sentence() -> None:
    assert len({line.clip for line in LINES}) == len({line.text for line in LINES}) == len(LINES) == 120
    assert {line.text for line in LINES} >= set(FREE)
    assert len(SPEAKERS) == len({speaker.voice for speaker in SPEAKERS}) == 10
    for speaker in SPEAKERS:
        own = [line for line in LINES if line.speaker == speaker]
        assert len(own) == 12
        assert sum(line.split == "test" for line in own) == 3
    for line in LINES:
        code = line.clip.split("-")[1]
        if not code.startswith("free"):
            assert line.text.split() == [dict(slot)[letter] for slot, letter in zip(GRAMMAR, code, strict=True)]


def test_every_line_can_be_spoken_and_fits(espeak: Espeak) -> None:
    starts, spans = [], []
    for line in LINES:
        sound, told = corpus.speak(line, espeak)
        assert len(sound) % 640 == 0
        assert 2.0 <= len(sound) / 16000 <= 3.52
        assert told[0].start == 0
        assert told[-1].end == len(sound) / 16000
        assert all(a.end == pytest.approx(b.start) for a, b in pairwise(told))
        speech = np.sqrt(np.mean(sound[round(told[0].end * 16000) : round(told[-1].start * 16000)] ** 2))
        before = np.sqrt(np.mean(sound[: round((told[0].end - 0.03) * 16000)] ** 2))
        assert 0 < before < 0.01 * speech
        starts.append(told[0].end)
        spans.append(told[-1].start - told[0].end)
    assert np.ptp(starts) > 0.5
    assert np.ptp(spans) > 0.3


# Motion


def test_lips_close_for_bilabials_and_open_for_vowels(espeak: Espeak) -> None:
    seen = 0
    for line in LINES[3::12]:
        sound, told = corpus.speak(line, espeak)
        frames = len(sound) // 640
        gape = np.array([pose.open for pose in poses(told, sound, 16000, frames, 25, line.seed)])
        times = np.arange(frames) / 25
        for phone in told:
            if phone.phone in ("P", "B", "M"):
                near = (times >= phone.start - 0.08) & (times <= phone.end)
                assert gape[near].min() < 0.02, (line.clip, phone)
                seen += 1
        assert gape[times < told[0].end - 0.15].max(initial=0) < 0.02
        assert gape[times > told[-1].start + 0.15].max(initial=0) < 0.02
        assert gape.max() > 0.4
    assert seen > 10


def test_visemes_differ() -> None:
    def held(name: str) -> Pose:
        told = [Phone("SIL", 0, 0.5), Phone(name, 0.5, 1.1), Phone("SIL", 1.1, 1.6)]
        sound = np.random.default_rng(0).normal(0, 0.1, 25600).astype(np.float32)
        return poses(told, sound, 16000, 40, 25, 1)[20]

    assert held("AA").open > held("EH").open > held("S").open > held("M").open == 0
    assert held("UW").round > 0.9 > 0.1 > held("IY").round
    assert held("IY").wide > 0.9
    assert held("F").tuck > 0.9


def test_a_lively_reading_has_a_livelier_face(espeak: Espeak) -> None:
    def expression(pitch_range: int) -> tuple[float, float]:
        speech = espeak.speak("lay white with z nine soon", "en-us+m1", pitch_range=pitch_range)
        sound = media.resample(speech.samples.astype(np.float32) / np.float32(32768), speech.rate, 16000)
        film = poses(phones(speech), sound, 16000, len(sound) // 640, 25, 7)
        return float(np.mean([pose.smile for pose in film])), max(pose.brow for pose in film)

    (flat_smile, flat_brow), (smile, brow) = expression(5), expression(95)
    assert smile > flat_smile + 0.15
    assert brow > flat_brow + 0.15


def test_pitch_of_a_known_tone() -> None:
    at = np.arange(32000) / 16000
    glide = 150 * 2 ** (at / 2)  # an octave in two seconds
    sound = sum(np.sin(2 * np.pi * k * np.cumsum(glide) / 16000) / k for k in range(1, 6)) * 0.1
    _, tone = prosody(np.asarray(sound, np.float32), 16000)
    middle = tone[20:180]
    assert np.allclose(middle, 12 * np.linspace(-0.4, 0.4, 160), atol=0.6)


# The face


def test_drawing_is_pure_and_looks_differ() -> None:
    pose = Pose(open=0.5, smile=0.3, blink=0.2, yaw=2.0, roll=0.02)
    one, other = Face(SPEAKERS[0].look), Face(SPEAKERS[5].look)
    first = one.draw(pose)
    one.draw(Pose(open=1.0, blink=1.0, brow=1.0))
    assert np.array_equal(one.draw(pose), first)
    assert first.shape == (256, 256, 3)
    assert np.abs(first.astype(int) - other.draw(pose)).mean() > 10
    shut = one.draw(Pose())
    assert np.abs(shut[165:200, 100:156].astype(int) - one.draw(Pose(open=0.8))[165:200, 100:156]).mean() > 10
    assert np.array_equal(shut[:100], one.draw(Pose(open=0.8))[:100])  # the jaw does not move the forehead


def test_a_face_landmarker_finds_the_face_and_follows_the_lips(made: Path, espeak: Espeak) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mediapipe = pytest.importorskip("mediapipe")
        if not hasattr(mediapipe, "solutions"):
            pytest.skip("this mediapipe ships no face mesh")
    for clip, line in zip(corpus.clips(made)[:2], SAMPLE, strict=False):
        sound, told = corpus.speak(line, espeak)
        film = media.read_frames(clip.video)
        truth, seen = [], []
        with warnings.catch_warnings(), mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False) as mesh:
            warnings.simplefilter("ignore")
            for picture, pose in zip(film, poses(told, sound, 16000, len(film), 25, line.seed), strict=True):
                found = mesh.process(picture).multi_face_landmarks
                if found:
                    at = np.array([(mark.x, mark.y) for mark in found[0].landmark])
                    eyes = np.linalg.norm(at[[33, 133]].mean(0) - at[[362, 263]].mean(0))
                    truth.append(pose.open * MAX_GAPE / EYE_DISTANCE)
                    seen.append(np.linalg.norm(at[13] - at[14]) / eyes)
        assert len(seen) >= 0.98 * len(film)
        assert np.corrcoef(truth, seen)[0, 1] > 0.85


# The files


def test_corpus_files_agree(made: Path) -> None:
    clips = corpus.clips(made)
    assert [clip.id for clip in clips] == [line.clip for line in SAMPLE]
    for clip in clips:
        info = media.probe(clip.video)
        assert (info.fps, info.width, info.height, info.has_audio) == (25, 256, 256, False)
        assert clip.audio is not None
        assert clip.phones is not None
        samples, rate = media.read_audio_native(clip.audio)
        assert rate == 16000
        assert len(samples) == info.frames * 640
        still = np.flatnonzero(np.diff(np.flatnonzero(samples != 0)) > 160)
        assert not len(still)  # nowhere 10 ms of digital silence
        with clip.phones.open() as file:
            rows = [(row["phone"], float(row["start"]), float(row["end"])) for row in csv.DictReader(file)]
        assert rows[0][:2] == ("SIL", 0.0)
        assert rows[-1][2] == pytest.approx(info.duration)
        assert all(a[2] == b[1] for a, b in pairwise(rows))
    train, test = (corpus.split_ids(made, name) for name in ("train", "test"))
    assert test == [LINES[0].clip, *(line.clip for line in SAMPLE[1:] if line.split == "test")]
    assert {*(test or []), *(train or [])} == {clip.id for clip in clips}
    assert corpus.split_ids(made, "dev") is None
    told = json.loads((made / "corpus.json").read_text())
    assert told["sha256"] == corpus.digest(made)
    assert told["version"] == corpus.VERSION


def test_made_again_by_two_processes_it_is_the_same(made: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    corpus.make_corpus(
        tmp_path / "again", workers=2, progress=lambda done, total: told.append((done, total)), lines=SAMPLE
    )
    assert corpus.digest(tmp_path / "again") == corpus.digest(made)
    assert (tmp_path / "again" / "corpus.json").read_bytes() == (made / "corpus.json").read_bytes()
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_what_is_whole_stays_and_what_is_not_is_made_again(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (made / "clips.csv").stat().st_mtime_ns
    corpus.make_corpus(made, lines=SAMPLE)
    assert (made / "clips.csv").stat().st_mtime_ns == before

    root, line = tmp_path / "one", SAMPLE[:1]
    corpus.make_corpus(root, workers=1, lines=line)
    whole = corpus.digest(root)
    next((root / "video").iterdir()).unlink()
    corpus.make_corpus(root, workers=1, lines=line)
    assert corpus.digest(root) == whole
    (root / "corpus.json").unlink()
    corpus.make_corpus(root, workers=1, lines=line)
    assert (root / "corpus.json").is_file()
    monkeypatch.setattr(corpus, "VERSION", "next")
    corpus.make_corpus(root, workers=1, lines=line)
    assert json.loads((root / "corpus.json").read_text())["version"] == "next"


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(corpus, "_write_video", full)
    with pytest.raises(DubbenchError, match=r"cannot be written there .*No space left"):
        corpus.make_corpus(tmp_path / "toon", workers=1, lines=SAMPLE)
    assert not list(tmp_path.iterdir())


def test_another_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DubbenchError, match="not a toon corpus"):
        corpus.make_corpus(tmp_path, workers=1, lines=SAMPLE)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    with pytest.raises(DubbenchError, match="no toon corpus there"):
        corpus.clips(tmp_path)


def test_default_root_follows_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUBBENCH_CACHE", str(tmp_path))
    assert corpus.default_root() == tmp_path / "toon" / corpus.VERSION
    monkeypatch.delenv("DUBBENCH_CACHE")
    assert corpus.default_root().parts[-2:] == ("toon", corpus.VERSION)


def test_more_sentences_to_train_on(tmp_path: Path) -> None:
    known, lines = script(), more(30)
    assert len(lines) == 30 * len(SPEAKERS) == len({line.text for line in lines})
    assert not {line.text for line in known} & {line.text for line in lines}
    assert {line.split for line in lines} == {"train"}
    assert more(30) == lines
    looks = {speaker.look: speaker.id for speaker in SPEAKERS}
    assert len({(line.speaker.id, looks[line.speaker.look]) for line in lines}) > 80  # voices and faces: 100 pairs
    assert all(line.speaker in SPEAKERS for line in more(3, own_faces=True))
    corpus.make_corpus(tmp_path / "more", workers=1, lines=lines[:2])
    data = ToonDataset(tmp_path / "more")
    assert (
        [clip.id for clip in data.clips()]
        == sorted(data.split("train") or [])
        == sorted(line.clip for line in lines[:2])
    )
    assert data.split("test") == []
