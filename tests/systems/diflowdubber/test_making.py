"""Features made of clips and speech."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic_codec import FakeCodec

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError
from dubbench.signal.media import write_wav
from dubbench.systems.diflowdubber import making
from dubbench.systems.diflowdubber.making import Recipe, Source, dataset_sources, extract, make_cache
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.text import PHONES, phonemes
from dubbench.systems.diflowdubber.timing import Hints

RECIPE = Recipe("made-up", "train", "fake", "f" * 64, "none", configuration("paper"))


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
