"""Decoding a stream at a time: what is mean, what is sampled, and that the codec's tokens stay tokens."""

import numpy as np
import pytest
import torch
from synthetic_items import dub_batch

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.codec.settle import Beliefs, requantise
from dubbench.systems.diflowdubber.codec.world_settle import melody, smooth_path
from dubbench.systems.diflowdubber.codec.world_streams import VOICED
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.decoding import NAMED, PAPER, STREAMS, Decoding, Reader, decoding
from dubbench.systems.diflowdubber.stage2 import Stage2


@pytest.fixture(scope="module")
def codec():
    return open_codec("world")


def certain(tokens, rows, doubt=0.0):
    """Beliefs of which ``tokens`` have the mass, some of it elsewhere."""
    length = tokens.shape[1]
    told = {}
    for row in rows:
        p = np.full((length, 1024), doubt / 1024, np.float32)
        p[np.arange(length), tokens[row]] += 1 - doubt
        told[row] = p
    return Beliefs(tokens.copy(), told)


def test_what_is_certain_is_kept(codec):
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 1024, (6, 40))
    for rows in ([0], [2], [3, 4, 5], [0, 2]):
        settled = codec.settle(certain(tokens, rows))
        assert settled.shape == tokens.shape and settled.dtype == np.int64
        untouched = [row for row in range(6) if row not in rows]
        assert np.array_equal(settled[untouched], tokens[untouched])
        if rows in ([0], [2]):  # one book of its own: its nearest code, or an equal one
            book = codec.arrays.prosody if rows == [0] else codec.arrays.content[1] * codec.arrays.content_weights
            np.testing.assert_allclose(book[settled[rows[0]]], book[tokens[rows[0]]], atol=1e-4)


def test_settled_books_are_nearer_to_the_mean_than_likeliest_codes(codec):
    draw = np.random.default_rng(1)
    logits = 2 * draw.normal(size=(3, 50, 1024)).astype(np.float32)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    books = codec.arrays.acoustic
    mean = sum(p[k] @ books[k] for k in range(3))
    tokens = np.zeros((6, 50), np.int64)
    settled = requantise(
        np.zeros((50, 41)), books, [3, 4, 5], Beliefs(tokens, dict(zip((3, 4, 5), p, strict=True))), [None] * 3
    )

    def error(codes):
        return np.square(mean - sum(books[k][codes[k]] for k in range(3))).sum(1).mean()

    assert error(settled[3:]) < 0.5 * error(p.argmax(-1))


def test_voicing_is_the_voiced_codes_mass_and_pitch_their_mean(codec):
    book = codec.arrays.prosody
    low, high = np.argsort(book[:VOICED, 0])[[150, 700]]
    p = np.zeros((3, 1024), np.float32)
    p[0, [low, high, VOICED]] = 0.3, 0.3, 0.4  # the likeliest code is unvoiced, most of the mass voiced
    p[1, [low, VOICED, VOICED + 1]] = 0.4, 0.3, 0.3
    p[2, [low, high]] = 0.5, 0.5
    codes, energy = melody(p, book)
    assert (codes < VOICED).tolist() == [True, False, True]
    middle = book[[low, high]].mean(0)
    assert abs(book[codes[0], 0] - middle[0]) < 1.5 and energy[0] == pytest.approx(middle[1], abs=1e-4)
    assert codes[1] in range(VOICED, 1024)


def test_the_search_prefers_the_path_to_the_leap():
    semitones = np.linspace(-12, 12, 49, dtype=np.float32)
    p = np.full((20, 49), 1e-4)
    p[:, 24] = 0.5
    p[10, 24], p[10, 44] = 0.3, 0.6  # an octave's slip in one token
    path = smooth_path(p / p.sum(1, keepdims=True), semitones, np.ones(20, bool))
    assert np.abs(path).max() <= 0.25
    assert np.abs(semitones[p[10].argmax()]) > 9


@pytest.mark.parametrize("name", ["paper", "streams"])
def test_a_clip_is_read_the_same_in_any_batch(tiny, awake, codec, name):
    model = awake(Stage2(tiny))
    read = Reader(decoding(name, 3 if name == "paper" else None, content="mean"), codec)
    both = model.generate(dub_batch(tiny, (5, 10), (6, 8)), 1, [0, 1], read=read)
    alone = model.generate(dub_batch(tiny, (5, 10)), 1, [0], read=read)
    length = int(alone.lengths[0])
    assert torch.equal(both.tokens[0, :, :length], alone.tokens[0])
    assert both.tokens.min() >= 0 and both.tokens.max() < 1024
    assert (both.tokens[1, :, int(both.lengths[1]) :] == 0).all()


def test_the_papers_decoding_is_the_sampler(tiny, awake, codec):
    model, batch = awake(Stage2(tiny)), dub_batch(tiny, (5, 10), (6, 8))
    plain = model.generate(batch, 5, [3, 4], temperature=0.5)
    read = model.generate(batch, 1, [3, 4], read=Reader(decoding("paper", 5), codec))
    assert torch.equal(plain.tokens, read.tokens)


def test_streams_are_read_apart(tiny, awake, codec):
    """One change alters its own rows only; the first content book is the likeliest code under all."""
    model, batch = awake(Stage2(tiny)), dub_batch(tiny, (5, 10))

    def tokens(**how):
        return model.generate(batch, 1, [3], read=Reader(decoding("paper", 4, **how), codec)).tokens[0]

    plain = tokens()
    for change, rows in (({"prosody": "mean"}, [0]), ({"content": "mean"}, [2]), ({"acoustic": "mean"}, [3, 4, 5])):
        changed = tokens(**change)
        same = [row for row in range(6) if row not in rows]
        assert torch.equal(changed[same], plain[same]) and not torch.equal(changed[rows], plain[rows])
    assert torch.equal(tokens(prosody="search")[1:], plain[1:])
    cold = model.generate(batch, 1, [3], read=Reader(decoding("paper", 4, "0.1:1:0.5"), codec)).tokens[0]
    assert torch.equal(cold[1:3], plain[1:3]) and not torch.equal(cold[0], plain[0])


def test_reading_evaluates_the_denoiser_once(tiny, awake, codec):
    model, calls = awake(Stage2(tiny)), []
    model.dfpa.register_forward_hook(lambda *_: calls.append(1))
    model.generate(dub_batch(tiny, (5, 10)), 16, [0], read=Reader(STREAMS, codec))
    assert len(calls) == 1


def test_decodings_say_what_they_are():
    assert decoding("paper") == PAPER and PAPER.settings["nfe"] == 16 and PAPER.samples and not PAPER.expects
    assert decoding("streams").settings["nfe"] == 1 and not STREAMS.samples
    assert decoding("streams", temperature="1:0.5:2").temperature == (1.0, 0.5, 2.0)
    assert decoding("streams", 8, acoustic="sample").nfe == 8
    assert set(NAMED) == {"paper", "streams"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "greedy"}, "there are paper, streams"),
        ({"name": "streams", "nfe": 8}, "nfe belongs to decode=paper"),
        ({"name": "paper", "nfe": 0}, "at least 1"),
        ({"name": "paper", "temperature": "1:2"}, "prosody:content:acoustic"),
        ({"name": "paper", "temperature": 0.0}, "above 0"),
        ({"name": "paper", "prosody": "beam"}, "there are sample, mean, search"),
    ],
)
def test_bad_decodings_are_refused(given, message):
    with pytest.raises(DubbenchError, match=message):
        decoding(**given)


def test_a_decoding_is_plain_data():
    assert Decoding() == Decoding(temperature=(1.0, 1.0, 1.0))
