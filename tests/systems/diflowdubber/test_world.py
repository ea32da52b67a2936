"""The codec `world`: its analysis, its k-means, and a codec fitted on a few spoken sentences."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

for module in ("pyworld", "resemblyzer", "espeakng_loader", "safetensors"):
    pytest.importorskip(module)

from scipy.fft import dct  # noqa: E402
from scipy.signal import lfilter  # noqa: E402
from spoken import SENTENCES, say  # noqa: E402

from dubbench.errors import DubbenchError  # noqa: E402
from dubbench.systems.diflowdubber.codec import world, world_voice  # noqa: E402
from dubbench.systems.diflowdubber.codec.base import Codec, Tokens, frames_of  # noqa: E402
from dubbench.systems.diflowdubber.codec.kmeans import assign, kmeans  # noqa: E402
from dubbench.systems.diflowdubber.codec.world_features import (  # noqa: E402
    FLOOR,
    MELS,
    Frames,
    analyse,
    bend,
    synthesise,
)
from dubbench.systems.diflowdubber.codec.world_fit import prosody_book  # noqa: E402

MEN, WOMEN = ("en-us+m1", "en-us+m3", "en-us+m7"), ("en-us+f1", "en-us+f2", "en-us+f4")


@pytest.fixture(scope="module")
def wavs() -> dict[tuple[str, str], np.ndarray]:
    return {(voice, text): say(text, voice)[0] for voice in (*MEN, *WOMEN) for text in SENTENCES[:2]}


@pytest.fixture(scope="module")
def codec(wavs: dict[tuple[str, str], np.ndarray]) -> world.WorldCodec:
    return world.WorldCodec.fit(wavs.values(), seed=0)


def vowel(f0: float, formants: tuple[float, ...], seconds: float = 1.0) -> np.ndarray:
    """Pulses through two-pole resonators 80 Hz wide."""
    x = np.zeros(round(16000 * seconds))
    x[np.round(np.arange(0, len(x), 16000 / f0)).astype(int)[:-1]] = 1.0
    for f in formants:
        r = np.exp(-np.pi * 80 / 16000)
        x = lfilter([1.0], [1.0, -2 * r * np.cos(2 * np.pi * f / 16000), r * r], x)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


def mel_point(hertz: float) -> float:
    return float(np.log1p(hertz / 700) / np.log1p(8000 / 700) * (MELS - 1))


def distance_db(a: Frames, b: Frames) -> float:
    """Mean over speech of the RMS difference between two envelopes, in dB."""
    heard = world_voice.speech(a)
    return float(np.sqrt(((a.envelope - b.envelope)[heard] ** 2).mean(1)).mean() * 10 / np.log(10))


def envelope_of(frames: Frames) -> np.ndarray:
    """(128,) mean over speech."""
    return frames.envelope[world_voice.speech(frames)].mean(0)


def test_analysis_finds_pitch_and_formants() -> None:
    frames = analyse(vowel(120.0, (600.0, 1500.0, 2600.0)))
    assert frames.f0.shape == (80,) and frames.envelope.shape == (80, MELS)
    middle = slice(10, 70)
    np.testing.assert_allclose(frames.f0[middle], 120.0, rtol=0.01)
    envelope = frames.envelope[middle].mean(0)
    for formant in (600.0, 1500.0, 2600.0):
        near = round(mel_point(formant))
        peak = near - 6 + int(np.argmax(envelope[near - 6 : near + 7]))
        assert abs(peak - mel_point(formant)) <= 2.5
    assert (frames.aperiodicity[frames.f0 == 0] == 0).all() and frames.aperiodicity[middle].max() < -3


def test_sound_comes_back_at_its_time() -> None:
    x = say(SENTENCES[0])[0]
    y = synthesise(analyse(x))
    assert y.dtype == np.float32 and len(y) == 200 * frames_of(len(x))
    assert y.tobytes() == synthesise(analyse(x)).tobytes()
    power = [np.convolve(np.log(s[: len(x)] ** 2 + 1e-6), np.ones(80) / 80, "same") for s in (x, y)]
    lags = np.arange(-400, 401, 8)
    match = [np.corrcoef(power[0][500:-500], np.roll(power[1], -lag)[500:-500])[0, 1] for lag in lags]
    assert max(match) > 0.9
    assert abs(int(lags[np.argmax(match)])) <= 48  # 3 ms; a frame off by half would be 6.25 ms


def test_any_sound_survives() -> None:
    rng = np.random.default_rng(0)
    for samples in (1, 200, 333, 1600):
        for x in (np.zeros(samples), rng.normal(0, 0.3, samples), np.ones(samples), rng.integers(-1, 2, samples)):
            frames = analyse(x.astype(np.float32))
            assert len(frames.f0) == frames_of(samples) and frames.envelope.min() >= FLOOR
            assert np.isfinite(synthesise(frames)).all()


def test_bend_moves_formants_and_is_undone() -> None:
    low, high = (analyse(vowel(120.0, f)).envelope[20:60].mean(0) for f in ((600.0, 1500.0), (690.0, 1725.0)))
    gain = [np.abs(bend(a) @ high - low - np.mean(bend(a) @ high - low)).mean() for a in (-0.08, 0.0, 0.08)]
    assert gain[2] < gain[1] < gain[0]  # the shorter tract is read at higher frequencies
    smooth = dct(np.eye(MELS), norm="ortho", axis=0)[:20].T @ np.random.default_rng(0).normal(size=20)
    np.testing.assert_allclose(bend(-0.1) @ bend(0.1) @ smooth, smooth, atol=0.06 * np.ptp(smooth))
    np.testing.assert_allclose(bend(0.15).sum(1), 1.0)
    assert bend(0.15)[0, 0] == pytest.approx(1.0) and bend(0.15)[-1, -1] == pytest.approx(1.0)


def test_cosines_are_the_cosine_transform() -> None:
    x = np.random.default_rng(0).normal(size=(3, MELS))
    np.testing.assert_allclose(x @ world_voice.cosines().T, dct(x, norm="ortho")[:, : world_voice.CEPSTRA], atol=1e-12)


def test_absolute_undoes_relative() -> None:
    rng = np.random.default_rng(0)
    frames = analyse(say(SENTENCES[0])[0])
    flat = frames.envelope @ world_voice.cosines().T @ world_voice.cosines()
    frames = Frames(frames.f0, flat, frames.aperiodicity)
    average = world_voice.Voice.measured(frames, 0.0)
    changed = average.vector + rng.normal(0, 0.1, 83)
    changed[2] = 0.0
    same = world_voice.Voice.of(changed)
    melody, detail = world_voice.relative(frames, same, average)
    back = world_voice.absolute(melody[:, 0], frames.f0 > 0, detail, same, average)
    for name in ("f0", "envelope", "aperiodicity"):
        np.testing.assert_allclose(getattr(back, name), getattr(frames, name), atol=1e-8, err_msg=name)
    heard = world_voice.speech(frames)
    melody, detail = world_voice.relative(frames, average, average)
    np.testing.assert_allclose(detail[heard, :40].mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(detail[heard, :39].std(0), average.spread, rtol=1e-6)
    assert np.median(melody[frames.f0 > 0, 0]) == pytest.approx(0, abs=1e-9)
    bent = world_voice.Voice.of(np.r_[average.vector[:2], 0.1, average.vector[3:]])
    back = world_voice.absolute(
        melody[:, 0], frames.f0 > 0, world_voice.relative(frames, bent, average)[1], bent, average
    )
    assert np.abs((back.envelope - frames.envelope)[heard].mean(1)).mean() < 0.1  # 0.4 dB, by interpolation alone


def test_assign_is_nearest() -> None:
    rng = np.random.default_rng(0)
    x, book = rng.normal(size=(9000, 5)).astype(np.float32), rng.normal(size=(40, 5)).astype(np.float32)
    ids, distance = assign(x, book)
    brute = ((x[:, None].astype(np.float64) - book) ** 2).sum(-1)
    np.testing.assert_allclose(brute[np.arange(9000), ids], brute.min(1), atol=1e-4)
    np.testing.assert_allclose(distance, brute.min(1), atol=1e-4)


def test_kmeans_finds_clusters_and_weighs_points() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(-50, 50, (16, 3))
    x = (centres[rng.integers(0, 16, 4000)] + rng.normal(0, 0.1, (4000, 3))).astype(np.float32)
    book = kmeans(x, 16, seed=1)
    assert book.tobytes() == kmeans(x, 16, seed=1).tobytes()
    assert max(np.linalg.norm(book - c, axis=1).min() for c in centres) < 0.5
    two = np.array([[0.0], [1.0]], np.float32)
    np.testing.assert_allclose(kmeans(two, 1, 0, np.array([3.0, 1.0], np.float32)), [[0.25]])
    assert np.isfinite(kmeans(two, 5, 0)).all()  # more centres than points


def test_tokens_copy_speech_outside_the_fit(codec: world.WorldCodec) -> None:
    """Few seconds were fitted: bounds are loose, but twice better than frames in the wrong order."""
    assert isinstance(codec, Codec)
    full, spoken, shuffled = [], [], []
    for voice, text in ((MEN[0], SENTENCES[2]), (WOMEN[1], SENTENCES[3]), ("en-us+m2", SENTENCES[2])):
        x = say(text, voice)[0]
        frames = analyse(x)
        tokens = codec.quantise(frames, world.embed(x))
        restored = codec.restore(tokens)
        np.testing.assert_array_equal(restored.f0 > 0, frames.f0 > 0)
        both = frames.f0 > 0
        assert np.median(np.abs(np.log(restored.f0[both] / frames.f0[both]))) < 0.03, (voice, text)
        assert np.quantile(np.abs(np.log(restored.f0[both] / frames.f0[both])), 0.95) < 0.12, (voice, text)
        full.append(distance_db(frames, restored))
        spoken.append(distance_db(frames, codec.restore(tokens, acoustic=False)))
        heard = np.flatnonzero(world_voice.speech(frames))
        envelope = frames.envelope.copy()
        envelope[heard] = envelope[np.random.default_rng(0).permutation(heard)]
        shuffled.append(distance_db(frames, Frames(frames.f0, envelope, frames.aperiodicity)))
    assert np.mean(full) < np.mean(spoken) < 0.75 * np.mean(shuffled)
    assert np.mean(full) < 0.5 * np.mean(shuffled)


def test_decoding_is_deterministic_and_encoding_repeats(codec: world.WorldCodec, wavs: dict) -> None:
    x = wavs[WOMEN[0], SENTENCES[1]]
    tokens, again = codec.encode(x), codec.encode(x.copy())
    np.testing.assert_array_equal(tokens.stacked, again.stacked)
    assert tokens.speaker.tobytes() == again.speaker.tobytes()
    assert codec.decode(tokens).tobytes() == codec.decode(again).tobytes()
    assert codec.decode(tokens).shape == (200 * tokens.length,)
    assert codec.decode(tokens, acoustic=False).tobytes() != codec.decode(tokens).tobytes()


def test_the_speaker_vector_is_the_voice(codec: world.WorldCodec, wavs: dict) -> None:
    for man, woman in zip(MEN, WOMEN, strict=True):
        of_man, of_woman = (codec.encode(wavs[v, SENTENCES[0]]) for v in (man, woman))
        low, high = codec.voice(of_man.speaker), codec.voice(of_woman.speaker)
        assert low.pitch < high.pitch - 0.2
        moved = codec.restore(replace(of_man, speaker=of_woman.speaker))
        pitch = np.median(np.log(moved.f0[moved.f0 > 0]))
        assert abs(pitch - high.pitch) < abs(pitch - low.pitch)
        there, before = (envelope_of(codec.restore(t)) for t in (of_woman, of_man))
        assert np.abs(envelope_of(moved) - there).mean() < np.abs(envelope_of(moved) - before).mean()


def test_voice_and_vector(codec: world.WorldCodec) -> None:
    vector = np.random.default_rng(0).normal(0, 0.1, 5 + 2 * (world_voice.CEPSTRA - 1))
    np.testing.assert_allclose(world_voice.Voice.of(vector).vector, vector, atol=1e-12)
    average = codec.voice(codec.arrays.centre)
    np.testing.assert_allclose(average.vector, codec.arrays.average, rtol=1e-5)


def test_awkward_sound_is_encoded(codec: world.WorldCodec) -> None:
    rng = np.random.default_rng(0)
    for x in (np.zeros(1), np.zeros(8000), rng.normal(0, 0.5, 3300), np.ones(250), rng.normal(0, 1e-6, 16000)):
        tokens = codec.encode(x.astype(np.float32))
        assert tokens.length == frames_of(len(x)) and np.isfinite(tokens.speaker).all()
        assert np.isfinite(codec.decode(tokens)).all()
    with pytest.raises(DubbenchError, match="NaN or Inf"):
        codec.encode(np.full(400, np.inf, np.float32))


def test_saved_and_read_again(codec: world.WorldCodec, wavs: dict, tmp_path: Path) -> None:
    path = tmp_path / "codec.safetensors"
    codec.save(path)
    assert path.stat().st_size < 3_000_000
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["digest"] == codec.digest and told["utterances"] == len(wavs)
    read = world.WorldCodec.load(path)
    assert read.digest == codec.digest and read.meta == codec.meta
    x = wavs[MEN[1], SENTENCES[1]]
    np.testing.assert_array_equal(read.encode(x).stacked, codec.encode(x).stacked)
    changed = world.WorldCodec(replace(codec.arrays, average=codec.arrays.average * 2))
    assert changed.digest != codec.digest


def test_bad_files_are_refused(codec: world.WorldCodec, tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "codec.safetensors"
    codec.save(path)
    whole = path.read_bytes()
    with pytest.raises(DubbenchError, match="no such file"):
        world.WorldCodec.load(tmp_path / "none.safetensors")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DubbenchError, match="not readable"):
        world.WorldCodec.load(path)
    flipped = bytearray(whole)
    flipped[-5] ^= 0x10
    path.write_bytes(flipped)
    with pytest.raises(DubbenchError, match="changed or damaged"):
        world.WorldCodec.load(path)
    features = {"dubbench": '{"codec": "world", "version": 1}'}
    for metadata in (None, features):
        save_file({"a": np.zeros(3)}, path, metadata)
        with pytest.raises(DubbenchError, match="not a codec"):
            world.WorldCodec.load(path)
    save_file({"a": np.zeros(3)}, path, {"dubbench": '{"codec": "world", "version": "0", "digest": ""}'})
    with pytest.raises(DubbenchError, match="expected world of version"):
        world.WorldCodec.load(path)


def test_fitting_says_what_it_lacks(wavs: dict) -> None:
    with pytest.raises(DubbenchError, match="too few"):
        world.WorldCodec.fit([np.zeros(32000, np.float32)])
    with pytest.raises(DubbenchError, match="too few"):
        world.WorldCodec.fit([wavs[MEN[0], SENTENCES[0]]])
    melody = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    ones = np.ones(3000, np.float32)
    for voiced, what in ((3000, "0 unvoiced"), (2900, "100 unvoiced"), (0, "0 voiced"), (600, "600 voiced")):
        with pytest.raises(DubbenchError, match=f"^{what} frames are too few for"):
            prosody_book(melody, np.arange(3000) < voiced, ones, seed=0)
    assert prosody_book(melody, np.arange(3000) < 800, ones, seed=0).shape == (1024, 2)


def test_tokens_hold_their_order(codec: world.WorldCodec, wavs: dict) -> None:
    tokens = codec.encode(wavs[MEN[0], SENTENCES[0]])
    np.testing.assert_array_equal(Tokens.of(tokens.stacked, tokens.speaker).acoustic, tokens.acoustic)
    np.testing.assert_array_equal(tokens.prosody[0] < world.VOICED, codec.restore(tokens).f0 > 0)
