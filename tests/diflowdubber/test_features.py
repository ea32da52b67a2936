import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic_cache import cache, features, write_cache

from dubbench.clip import Clip
from dubbench.errors import DubbenchError
from dubbench.media import write_wav
from dubbench.systems.diflowdubber import making
from dubbench.systems.diflowdubber.codec.base import Tokens, frames_of
from dubbench.systems.diflowdubber.config import configuration
from dubbench.systems.diflowdubber.features import Cache, CacheInfo, hold_out, pack, with_deltas
from dubbench.systems.diflowdubber.frontend import at_25, find_features, read_features, visual_features, voice_of
from dubbench.systems.diflowdubber.making import Recipe, Source, dataset_sources, extract, make_cache
from dubbench.systems.diflowdubber.speech import speech_sources
from dubbench.systems.diflowdubber.text import PHONES, phonemes
from dubbench.systems.diflowdubber.timing import Hints, align, transfer
from dubbench.timings import AlignmentError, Phone

RECIPE = Recipe("made-up", "train", "fake", "f" * 64, "none", configuration("paper"))


class FakeCodec:
    """Tokens that say how loud each 12.5 ms are."""

    name, digest = "fake", "f" * 64

    def encode(self, wav):
        loud = np.abs(wav[: frames_of(len(wav)) * 200].reshape(-1, 200)).max(1)
        return Tokens.of(np.tile((loud * 1023).astype(np.int64), (6, 1)), np.full(256, loud.mean(), np.float32))

    def decode(self, tokens):
        return np.repeat(tokens.prosody[0] / 1023, 200).astype(np.float32)


# The cache.


def test_a_cache_gives_back_what_went_in(tmp_path):
    clips = [features(i) for i in range(5)]
    path = write_cache(tmp_path, 5)
    read = Cache.load(path)
    assert len(read) == 5 and read.info.problems == {"clip-99": "no face found"}
    assert read.lip_dim == 12 and read.face_dim == 5
    assert read.token_lengths.tolist() == [c.tokens.shape[1] for c in clips]
    for found, clip in zip(read, clips, strict=True):
        assert (found.clip, found.speaker, found.text, found.aligned) == (clip.clip, clip.speaker, "bin blue", "exact")
        for name in ("tokens", "phonemes", "durations", "voice"):
            np.testing.assert_array_equal(getattr(found, name), getattr(clip, name))
        assert np.abs(found.lips - with_deltas(clip.lips)).max() < 1e-4  # a hundredth of a pixel
        assert np.abs(found.face - clip.face).max() < 3e-3


def test_deltas_are_central_differences():
    x = np.array([[1.0], [2.0], [5.0], [6.0]], np.float32)
    np.testing.assert_allclose(with_deltas(x)[:, 1], [1.0, 2.0, 2.0, 1.0])
    assert with_deltas(x[:1]).tolist() == [[1.0, 0.0]]


def test_features_of_850_grid_clips_stay_under_50_mib(tmp_path):
    """At the widths of the landmark features: 144 and 75 a frame, 75 frames, 240 tokens."""
    from dubbench.visual import FACE_FEATURES, LIP_FEATURES

    one = replace(
        features(0),
        tokens=np.zeros((6, 240), np.int16),
        lips=np.zeros((75, LIP_FEATURES), np.float32),
        face=np.zeros((75, FACE_FEATURES), np.float32),
    )
    info = CacheInfo("grid", "train", "none", "0" * 64, "landmarks")
    path = tmp_path / "grid.safetensors"
    pack([replace(one, clip=f"s1-{i}") for i in range(85)], info).save(path)
    assert path.stat().st_size * 10 < 50 * 2**20


def test_the_digest_is_of_the_content(tmp_path):
    one, two = cache(4), cache(4)
    assert one.digest == two.digest == Cache.load(write_cache(tmp_path, 4)).digest
    two.arrays["tokens"][0, 0] += 1
    assert Cache(two.info, two.arrays).digest != one.digest


def test_a_damaged_cache_is_one_clear_line(tmp_path):
    path = write_cache(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(DubbenchError, match="unreadable or cut short"):
        Cache.load(path)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DubbenchError, match="does not fit its digest"):
        Cache.load(path)
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(DubbenchError, match="not features of dubbench"):
        Cache.load(path)
    save_file({"x": np.zeros(3)}, path, {"dubbench": json.dumps({"version": 0, "dataset": "toon"})})
    with pytest.raises(DubbenchError, match="features of version 0"):
        Cache.load(path)
    for other in (json.dumps({"codec": "world", "version": 1}), "[]"):
        save_file({"x": np.zeros(3)}, path, {"dubbench": other})
        with pytest.raises(DubbenchError, match="not features of dubbench"):
            Cache.load(path)
    save_file({"x": np.zeros(3)}, path, {"dubbench": '{"version'})
    with pytest.raises(DubbenchError, match="damaged"):
        Cache.load(path)
    with pytest.raises(DubbenchError, match="no such features"):
        Cache.load(tmp_path / "nothing")


def test_held_out_clips_stay_the_same_when_others_go():
    ids = [f"s1-{i}" for i in range(100)]
    some = hold_out(ids, 10)
    assert len(some) == 10 and some == hold_out(ids[::-1], 10)
    fewer = [clip for clip in ids if clip in some or int(clip[3:]) % 2]
    assert hold_out(fewer, 10) == some


# Timing.


def test_an_equal_alignment_passes_through():
    phones = [Phone("sil", 0, 0.1), Phone("B", 0.1, 0.2), Phone("IH", 0.2, 0.35), Phone("sil", 0.35, 1.0)]
    found = transfer(phones, ["sil", "B", "IH", "sil"])
    np.testing.assert_allclose(found, [0.1, 0.1, 0.15, 0.65], atol=1e-6)


@pytest.mark.parametrize(
    ("aligned", "wanted", "expected"),
    [
        # a pause that the text does not ask for lengthens the phone before it
        ("sil:1 B:1 sil:2 IH:1 sil:1", "sil B IH sil", [1, 3, 1, 1]),
        # a pause that nobody made, and no silence at the ends
        ("B:1 IH:2", "sil B sil IH sil", [0, 1, 0, 2, 0]),
        # another vowel
        ("sil:1 D:1 AH:2 M:1 sil:1", "sil D AE M sil", [1, 1, 2, 1, 1]),
        # a phone more, a phone less
        ("sil:1 Z:1 IH:1 R:1 OW:2 W:2 sil:1", "sil Z IH R OW sil", [1, 1, 1, 1, 4, 1]),
        ("sil:1 S:1 EH:1 V:3 N:1 sil:1", "sil S EH V AH N sil", [1, 1, 1, 1.5, 1.5, 1, 1]),
        # the text begins with a phone that the alignment lacks: it shares with the one after it
        ("sil:1 EH:2 V:1 N:1 D:1", "sil HH EH V N D sil", [1, 1, 1, 1, 1, 1, 0]),
    ],
)
def test_differences_are_settled_nearby(aligned, wanted, expected):
    clock, phones = 0, []
    for part in aligned.split():
        name, length = part.split(":")
        phones.append(Phone(name, clock, clock + int(length)))
        clock += int(length)
    np.testing.assert_allclose(transfer(phones, wanted.split()), expected)


def test_every_alignment_is_used_to_its_end():
    draw = np.random.default_rng(0)
    for _ in range(200):
        wanted = ["sil", *draw.choice(PHONES[1:], draw.integers(2, 12)), "sil"]
        heard = [p for p in wanted if draw.uniform() > 0.1] + ["sil"]
        ends = np.cumsum(draw.uniform(0.01, 0.2, len(heard)))
        phones = [Phone(p, a, b) for p, a, b in zip(heard, [0, *ends], ends, strict=False)]
        try:
            found = transfer(phones, wanted)
        except AlignmentError:
            continue
        assert len(found) == len(wanted) and (found >= 0).all()
        assert abs(found.sum() - ends[-1]) < 1e-5


def test_other_words_are_refused():
    phones = [Phone("sil", 0, 1), *(Phone(p, i + 1, i + 2) for i, p in enumerate(["S", "UW", "N"])), Phone("sil", 4, 5)]
    with pytest.raises(AlignmentError, match="3 of 3 phones differ"):
        transfer(phones, ["sil", "B", "AH", "K", "sil"])


def test_a_grid_clip_is_aligned_by_force_or_by_its_words(shared_data):
    from dubbench.media import read_audio

    clips = sorted((shared_data / "grid" / "s1").glob("*.mpg"))[:2]
    from dubbench.datasets.grid import sentence

    for path in clips:
        words = next((shared_data / "grid" / "alignments").rglob(f"{path.stem}.align"))
        samples = read_audio(path)[: 3 * 16000]
        text = sentence(path.stem)
        phones, forced, source = align(samples, text, 3.0, Hints())
        assert source == "forced" and phones == phonemes(text) and abs(forced.sum() - 3) < 1e-5
        noise = np.random.default_rng(0).normal(0, 1e-3, 48000).astype(np.float32)
        phones, by_words, source = align(noise, text, 3.0, Hints(words=words))
        assert source == "anchors"
        middle = len(phones) // 2
        assert abs(forced.cumsum()[middle] - by_words.cumsum()[middle]) < 0.15
        with pytest.raises(AlignmentError):
            align(noise, text, 3.0, Hints())


# The visual side.


def test_other_rates_become_25_hz():
    x = np.linspace(0, 1, 61, dtype=np.float32)[:, None]  # 2 s at 30 fps
    y = at_25(x, 30.0, 50)
    np.testing.assert_allclose(y[:, 0], np.arange(50) / 25 / 2, atol=1e-6)
    assert at_25(x, 25.0, 61) is x
    assert at_25(x[:1], 10.0, 3).tolist() == [[0.0]] * 3


def test_npy_features_are_found_by_their_names(tmp_path):
    (tmp_path / "s1").mkdir()
    for name in ("s1-face-bbaf2n", "s2-face-bbaf2n", "s1/lwbs9s", "7RrOhe6SSj0-feature-7RrOhe6SSj0-001"):
        np.save(tmp_path / f"{name}.npy", np.ones((75, 4), np.float32))
    assert find_features(tmp_path, "s1-bbaf2n").stem == "s1-face-bbaf2n"
    assert find_features(tmp_path, "s1-lwbs9s").stem == "lwbs9s"
    found = find_features(tmp_path, "7RrOhe6SSj0-001", "7RrOhe6SSj0")
    assert found.stem == "7RrOhe6SSj0-feature-7RrOhe6SSj0-001"
    with pytest.raises(DubbenchError, match=r"0 \.npy files fit the clip s9-bbaf2n"):
        find_features(tmp_path, "s9-bbaf2n")


def test_npy_features_are_checked(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12.0).reshape(1, 6, 2))
    assert read_features(path).shape == (6, 2)
    assert read_features(path, 5).shape == (5, 2) and read_features(path, 8)[-1].tolist() == [10, 11]
    with pytest.raises(DubbenchError, match="6 frames, but the clip has 75"):
        read_features(path, 75)
    np.save(path, np.full((3, 2), np.nan))
    with pytest.raises(DubbenchError, match="not numbers"):
        read_features(path)
    np.save(path, np.zeros(5, int))
    with pytest.raises(DubbenchError, match="expected floats"):
        read_features(path)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DubbenchError, match=r"not readable as a plain \.npy"):
        read_features(path)


def test_a_long_video_is_refused_before_it_is_decoded(monkeypatch, tmp_path):
    monkeypatch.setattr("dubbench.media.probe", lambda path: SimpleNamespace(duration=200.0, fps=25.0))
    with pytest.raises(DubbenchError, match=r"200\.0 s are more than the model's limit of 62\.5 s"):
        visual_features(tmp_path / "long.mp4", 62.5)


def test_references_of_any_length_have_a_voice():
    class Heard(FakeCodec):
        def encode(self, wav):
            self.length = len(wav)
            return super().encode(wav)

    codec = Heard()
    sound = np.sin(np.arange(60 * 16000) / 9).astype(np.float32)
    for seconds, heard in ((0.2, 1.6), (3.0, 3.0), (60.0, 20.0)):
        assert voice_of(codec, sound[: int(seconds * 16000)]).shape == (256,)
        assert codec.length == int(heard * 16000)
    with pytest.raises(DubbenchError, match="silent, so there is no voice"):
        voice_of(codec, np.zeros(16000, np.float32))


# Speech without video.


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


# Making.


def timed(path: Path, text: str, seconds: float) -> Hints:
    phones = phonemes(text)
    edges = np.linspace(0, seconds, len(phones) + 1)
    rows = [f"{p},{a:.4f},{b:.4f}" for p, a, b in zip(phones, edges, edges[1:], strict=False)]
    path.write_text("\n".join(["phone,start,end", *rows]), "utf-8")
    return Hints(exact=path)


def source(folder: Path, name: str, text: str = "bin blue", seconds: float = 1.01) -> Source:
    wav = folder / f"{name}.wav"
    write_wav(wav, np.full(round(seconds * 16000), 0.5, np.float32), 16000)
    return Source(name, "anna", text, wav, hints=timed(folder / f"{name}.csv", text, seconds))


def test_speech_becomes_features(tmp_path):
    found = extract(source(tmp_path, "a"), FakeCodec(), RECIPE)
    assert found.tokens.shape == (6, 81) and found.tokens.dtype == np.int16
    assert [PHONES[i] for i in found.phonemes] == phonemes("bin blue")
    assert abs(found.durations.sum() - 81 / 80) < 1e-5 and found.aligned == "exact" and found.lips is None


def test_a_video_has_as_many_tokens_as_its_frames_stand_for(tmp_path, monkeypatch):
    from dubbench.systems.diflowdubber.frontend import Visual

    recipe = replace(RECIPE, visual="landmarks")
    for frames, tokens, seconds in ((76, 243, 2.0), (25, 80, 1.01)):
        one = source(tmp_path, "a", seconds=seconds)
        seen = Visual(np.zeros((frames, 6), np.float32), np.zeros((frames, 5), np.float32), frames / 25)
        monkeypatch.setattr(making, "visual_features", lambda video, longest, seen=seen: seen)
        found = extract(replace(one, video=tmp_path / "a.mp4"), FakeCodec(), recipe)
        assert found.tokens.shape == (6, tokens) and len(found.lips) == frames
        assert abs(found.durations.sum() - tokens / 80) < 1e-5
        assert (found.tokens[0, min(tokens, 160) :] == 0).all()  # silence after the sound's end
    with pytest.raises(DubbenchError, match="there is no video"):
        extract(one, FakeCodec(), recipe)


def test_too_long_speech_is_refused(tmp_path):
    recipe = replace(RECIPE, config=configuration("paper", max_length=80))
    with pytest.raises(DubbenchError, match=r"1\.0 s are more than the limit of 1\.0 s"):
        extract(source(tmp_path, "a"), FakeCodec(), recipe)


@pytest.fixture
def codec_file(tmp_path) -> Path:
    """A real codec, fitted on a little coloured noise with a pitch: processes of their own can load it."""
    from dubbench.systems.diflowdubber.codec.world import WorldCodec

    time = np.arange(16000 * 6) / 16000
    draw = np.random.default_rng(0)
    wavs = []
    for pitch in (110, 160, 220, 130, 180):
        wave = np.sin(2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * time))) / 16000)
        loud = np.sin(7 * time).clip(0)
        hiss = draw.normal(0, 0.05, len(time)) * np.sin(7 * time + np.pi).clip(0.02)
        wavs.append((0.3 * np.sign(wave) * loud + hiss).astype(np.float32))
    path = tmp_path / "codec.safetensors"
    WorldCodec.fit(wavs).save(path)
    return path


def test_failures_are_listed_and_what_is_done_is_kept(tmp_path, codec_file, capsys):
    from dubbench.systems.diflowdubber.codec.world import WorldCodec

    recipe = replace(RECIPE, codec=str(codec_file), codec_digest=WorldCodec.load(codec_file).digest)
    sources = [source(tmp_path, name) for name in ("a", "b", "c")]
    sources[1] = replace(sources[1], text="...")
    path = tmp_path / "out.safetensors"
    made, problems = make_cache(sources, recipe, path, workers=1)
    assert [row[0] for row in made.info.clips] == ["a", "c"] and made.info.codec == "world"
    assert len(problems) == 1 and problems[0].startswith("b: ") and "b" in made.info.problems
    assert not path.with_name("out.safetensors.parts").exists()
    before = path.stat().st_mtime_ns
    again, problems = make_cache(sources, recipe, path, workers=1)
    assert path.stat().st_mtime_ns == before and again.digest == made.digest and len(problems) == 1
    # An interrupted making: the parts that are there are not made again.
    parts = path.with_name("out.safetensors.parts")
    shutil.rmtree(parts, ignore_errors=True)
    path.unlink()
    kept = making._Task(sources[0], recipe, parts / f"{making._key(recipe, [sources[0]])[:32]}.npz")
    parts.mkdir()
    making._extract(kept)
    capsys.readouterr()
    resumed, _ = make_cache(sources, recipe, path, workers=1)
    assert "2/2, 1 failed" in capsys.readouterr().err and resumed.digest == made.digest


def test_nothing_done_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(
        making, "each", lambda f, tasks, **_: ((t, making.Crash("no answer within 1 s")) for t in tasks)
    )
    monkeypatch.setattr(making, "_codec", lambda spec: FakeCodec())
    with pytest.raises(DubbenchError, match="no clip has features; 1 failed, first a: no answer within 1 s"):
        make_cache([source(tmp_path, "a")], RECIPE, tmp_path / "out.safetensors", workers=1)


def test_sources_know_where_the_timing_comes_from(tmp_path):
    (tmp_path / "grids" / "s1").mkdir(parents=True)
    (tmp_path / "grids" / "s1" / "bbaf2n.TextGrid").write_text("", "utf-8")
    clip = Clip("s1-bbaf2n", "grid", "s1", "bin blue", tmp_path / "bbaf2n.mpg")
    dataset = SimpleNamespace(alignment=lambda clip: tmp_path / "bbaf2n.align")
    (found,) = dataset_sources(dataset, [clip], tmp_path / "grids")
    assert found.hints == Hints(None, tmp_path / "grids" / "s1" / "bbaf2n.TextGrid", tmp_path / "bbaf2n.align")
    assert found.audio == clip.video == found.video
