"""Batches, rates, averages and samples."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from synthetic_cache import cache

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.training.data import Corpus, Order, dub_item, step_generator, tts_item
from dubbench.systems.diflowdubber.training.log import read_log
from dubbench.systems.diflowdubber.training.objective import Objective, with_widths
from dubbench.systems.diflowdubber.training.optimise import Average, learning_rate
from dubbench.systems.diflowdubber.training.samples import attention_picture, write_png

# Batches.


def test_an_epoch_takes_every_clip_once():
    order = Order(np.arange(10, 47), 5, seed=1)
    assert order.per_epoch == 7
    epochs = [[order.step(step) for step in range(start, start + 7)] for start in (0, 7)]
    for batches in epochs:
        assert all(len(batch) == 5 for batch in batches)
        assert max(Counter(np.concatenate(batches).tolist()).values()) == 1
    assert not all(np.array_equal(a, b) for a, b in zip(*epochs, strict=True))
    fresh = Order(np.arange(10, 47), 5, seed=1)
    assert all(np.array_equal(fresh.step(step), epochs[1][step - 7]) for step in (9, 8, 13))
    assert len(Order(np.arange(3), 5, seed=1).step(11)) == 3


def test_clips_of_like_length_come_together():
    lengths = np.random.default_rng(0).permutation(640)
    order = Order(lengths, 8, seed=0)
    spread = [np.ptp(lengths[batch]) for batch in order.epoch(0)]
    assert np.median(spread) < 60


def test_the_reference_is_another_clip_of_the_speaker():
    corpus = Corpus.of([cache(12)])
    voices = {tuple(clip.voice.tolist()): clip for clip in map(corpus.__getitem__, range(12))}
    config = configuration("tiny", lip_dim=12, face_dim=5)
    rng = step_generator(0, 1, 0)
    seen = set()
    for _ in range(20):
        for make in (tts_item, dub_item):
            item = make(corpus, 4, rng, config)
            source = voices[tuple(item.speaker.tolist())]
            assert source.speaker == corpus[4].speaker and source.clip != corpus[4].clip
            seen.add(source.clip)
            if make is tts_item:
                windows = np.lib.stride_tricks.sliding_window_view(source.tokens, item.reference.shape[1], axis=1)
                assert (windows == item.reference[:, None]).all((0, 2)).any()
    assert len(seen) == 3


def test_a_lone_speaker_gets_no_tokens_of_its_own():
    from synthetic_cache import features as make_features

    from dubbench.training.features import CacheInfo, pack

    info = CacheInfo("made-up", "train", "none", "0" * 64, "landmarks")
    corpus = Corpus.of([pack([make_features(0, "a"), make_features(1, "b")], info)])
    assert tts_item(corpus, 0, np.random.default_rng(0), configuration("tiny")).reference.shape == (6, 0)


def test_statistics_are_those_of_all_frames():
    corpus = Corpus.of([cache(5), cache(3)])
    found = corpus.visual_statistics()
    for name in ("lips", "face"):
        every = np.concatenate([getattr(corpus[i], name) for i in range(8)])
        np.testing.assert_allclose(found[name][0], every.mean(0), atol=1e-5)
        np.testing.assert_allclose(found[name][1], every.std(0), rtol=1e-4)


# Small parts.


def test_the_learning_rate_warms_up_and_falls():
    training = configuration("tiny").tts
    rates = [learning_rate(step, 200, training, "cosine") for step in range(1, 201)]
    warm = round(200 * training.warmup)
    assert np.argmax(rates) == warm - 1 and rates[warm - 1] == training.learning_rate
    assert np.allclose(np.diff(rates[:warm]), training.learning_rate / warm)
    assert np.isclose(rates[-1], 0.02 * training.learning_rate) and (np.diff(rates[warm:]) < 0).all()
    assert learning_rate(200, 200, training, "constant") == training.learning_rate


def test_the_average_follows_its_recurrence():
    layer = torch.nn.Linear(2, 1, bias=False)
    average = Average(layer, 0.5)
    expected = layer.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            layer.weight.add_(step)
        average.update(layer, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    torch.testing.assert_close(average.weights["weight"], expected)


def test_samples_are_spoken_and_drawn(monkeypatch, tmp_path):
    import soundfile

    from dubbench.systems.diflowdubber.training.samples import Sampler

    class FakeCodec:
        name, digest = "fake", "0" * 64

        def decode(self, tokens):
            return np.repeat(tokens.prosody[0] / 1024, 200).astype(np.float32)

    monkeypatch.setattr("dubbench.systems.diflowdubber.codecs.open_codec", lambda spec: FakeCodec())
    corpus = Corpus.of([cache(5)])
    config = with_widths(configuration("tiny", distill=False), corpus, "dub")
    Sampler(corpus, tmp_path, "fake", torch.device("cpu"))(Objective("dub", config), 7)
    names = sorted(p.name for p in (tmp_path / "00000007").iterdir())
    wanted = [f"clip-0{i}{end}" for i in range(3) for end in ("-st.png", "-vt.png", ".wav")]
    assert names == sorted(wanted)
    assert soundfile.info(tmp_path / "00000007" / "clip-00.wav").frames == corpus.lengths[0] * 200
    monkeypatch.setattr(FakeCodec, "digest", "1" * 64)
    with pytest.raises(DubbenchError, match="not the one that made the features"):
        Sampler(corpus, tmp_path, "fake", torch.device("cpu"))


def test_pictures_are_png(tmp_path):
    import cv2

    weights = np.random.default_rng(0).uniform(size=(7, 3))
    grey = attention_picture(weights, zoom=2)
    write_png(tmp_path / "x.png", grey)
    assert np.array_equal(cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_GRAYSCALE), grey)
    assert grey.shape == (6, 14)
    top = weights[2].argmax()  # the likeliest phoneme of frame 2 is white, counted from below
    assert grey[5 - 2 * top, 4] == 255


def test_a_log_cut_off_by_a_kill_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": 2, "to', "utf-8")
    assert read_log(path) == [{"step": 1}]
