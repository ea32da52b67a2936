"""The configurations, their sizes, and batches."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_items import dub_item, tts_item

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.alignment import spans
from dubbench.systems.diflowdubber.batch import collate_dub, collate_tts
from dubbench.systems.diflowdubber.config import PAPER, SMALL, TINY, Config
from dubbench.systems.diflowdubber.presets import CONFIGS, TABLE_3, configuration
from dubbench.systems.diflowdubber.sizes import count_parameters


def test_paper_has_the_numbers_of_the_supplement():
    c = PAPER
    assert (c.prosody, c.content, c.acoustic, c.vocab, c.speaker_dim) == (1, 2, 3, 1024, 256)
    assert (c.frame_rate, c.token_rate, c.max_length) == (25, 80, 5000)
    assert (c.decoder_layers, c.heads, c.hidden, c.stream_dim) == (2, 4, 256, 768)
    assert (c.filter, c.kernels, c.dropout) == (1024, (9, 1), 0.2)
    assert (c.dit_layers, c.dit_dim, c.dit_heads) == (8, 768, 8)
    assert (c.upsample_layers, c.fapro_convnext, c.sync_convnext) == (4, 8, 8)
    assert (c.convnext_inner, c.convnext_kernel, c.sync_layers, c.sync_inner) == (1024, 7, 8, 1024)
    w = c.weights
    assert (w.tts_duration, w.tts_content, w.tts_flow) == (0.5, 1, 1)
    assert (w.content, w.ctc, w.distill, w.flow, w.vt, w.st) == (1, 0.1, 0.1, 1, 0.001, 0.001)
    assert (c.tts.learning_rate, c.tts.warmup, c.tts.batch, c.tts.steps) == (1e-4, 0.1, 16, 300_000)
    assert (c.dub.learning_rate, c.dub.warmup, c.dub.batch, c.dub.epochs) == (1e-3, 0.05, 64, 200)
    assert c.tts.weight_decay == c.dub.weight_decay == 0.01


@pytest.mark.parametrize(("frames", "tokens"), [(1, 3), (2, 6), (3, 10), (5, 16), (75, 240), (76, 243)])
def test_token_length_is_the_rounded_ratio(frames, tokens):
    assert PAPER.tokens(frames) == tokens == round(frames * 16 / 5)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda c: c.name)
def test_configuration_survives_json(config):
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_unknown_names_are_refused():
    with pytest.raises(DubbenchError, match="depth"):
        Config.from_dict({**TINY.to_dict(), "depth": 3})
    with pytest.raises(DubbenchError, match="nothing"):
        Config.from_dict({**TINY.to_dict(), "weights": {"nothing": 1}})
    with pytest.raises(DubbenchError, match="paper"):
        configuration("large")
    with pytest.raises(DubbenchError, match="no-ctc"):
        configuration("tiny", "no-cct")
    with pytest.raises(DubbenchError, match="lip_dim"):
        configuration("tiny", lips=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 5}, "heads"),
        ({"dit_heads": 64}, "heads"),
        ({"kernels": (4, 1)}, "odd"),
        ({"attention": "hard"}, "monotonic"),
        ({"regulate": "MAS"}, "mas or truth"),
        ({"flow_positions": "some"}, "all or masked"),
        ({"tau": 0.0}, "tau"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change, message):
    with pytest.raises(DubbenchError, match=message):
        replace(TINY, **change)


def test_ablations_change_one_thing():
    assert not configuration("paper", "no-ctc").ctc
    for name, change in TABLE_3.items():
        assert configuration("tiny", name) == replace(TINY, **change)


def test_sizes():
    tiny, small, paper = (count_parameters(c) for c in (TINY, SMALL, PAPER))
    assert max(tiny["stage1"], tiny["stage2"]) < 1_000_000
    # 20 MB of package data in 16 bits, with room for a codec.
    assert small["inference"] * 2 < 18e6
    # Table 4 says 250 M, visual encoders left out; FACodec has 4.21 M + 98.12 M.
    assert paper["inference"] - paper["visual"] + 98.12e6 == pytest.approx(250e6, rel=0.05)
    # The per-token part of the transformer: 8 blocks of 12 · 768² weights.
    assert paper["dfpa transformer"] > 8 * 12 * 768**2


def test_documented_sizes_are_the_real_ones():
    page = (Path(__file__).resolve().parents[3] / "docs" / "choices.md").read_text("utf-8")
    counts = [count_parameters(c) for c in (TINY, SMALL, PAPER)]
    for module in counts[0]:
        assert f"| {module} | {' | '.join(f'{c[module]:,}' for c in counts)} |" in page


def test_parts_sum_to_the_whole():
    counts = count_parameters(TINY)
    parts = list(counts.values())[: list(counts).index("ctc") + 1]
    assert sum(parts) == counts["stage2"] + counts["duration predictor"]


def test_collate_pads_and_rounds(tiny):
    items = [dub_item(tiny, 0, 5, 20), dub_item(tiny, 1, 8, 11)]
    batch = collate_dub(items, tiny)
    assert batch.token_lengths.tolist() == [64, 35] and batch.token_size == 64
    assert batch.tokens.shape == (2, 6, 64) and (batch.tokens[1, :, 35:] == 0).all()
    np.testing.assert_array_equal(batch.tokens[1, :, :35], items[1].tokens)
    assert batch.frame_spans.sum(1).tolist() == [20, 11] and batch.token_spans.sum(1).tolist() == [64, 35]
    assert (batch.frame_spans > 0).equal(batch.phoneme_mask)
    for row, item in enumerate(items):
        count = len(item.phonemes)
        for made, rate, length in (
            (batch.frame_spans, 25, len(item.lips)),
            (batch.token_spans, 80, item.tokens.shape[1]),
        ):
            np.testing.assert_array_equal(made[row, :count], spans(item.durations, rate, length))
    assert batch.frame_mask.sum(1).tolist() == [20, 11] and batch.lips.dtype == torch.float32


def test_batches_move(tiny):
    for batch in (
        collate_dub([dub_item(tiny, 0, 5, 20)], tiny).to("meta"),
        collate_tts([tts_item(tiny, 0, 5, 20)], tiny).to("meta"),
    ):
        assert batch.phonemes.is_meta and batch.tokens.is_meta and batch.token_spans.is_meta
        assert batch.phoneme_mask.is_meta


def test_collate_without_truth(tiny):
    items = [replace(dub_item(tiny, 0, 5, 20), tokens=None, durations=None)]
    assert collate_dub(items, tiny).tokens is None
    items = [replace(tts_item(tiny, 0, 5, 20, reference=0), tokens=None, durations=None)]
    batch = collate_tts(items, tiny)
    assert batch.tokens is None and batch.reference.shape == (1, 6, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lips": np.zeros((20, 7))}, "lip features"),
        ({"face": np.zeros((19, 5))}, "face features"),
        ({"lips": np.full((20, 6), np.nan)}, "not numbers"),
        ({"phonemes": np.array([40] * 5)}, "phoneme ids"),
        ({"phonemes": np.array([], dtype=int), "durations": None}, "phonemes"),
        ({"tokens": np.full((6, 64), 1024)}, "tokens must be"),
        ({"tokens": np.zeros((6, 63), int)}, "tokens"),
        ({"durations": np.ones(4)}, "durations"),
        ({"speaker": np.ones(255)}, "speaker"),
    ],
)
def test_collate_refuses_what_does_not_fit(tiny, change, message):
    with pytest.raises(DubbenchError, match=message):
        collate_dub([replace(dub_item(tiny, 0, 5, 20), **change)], tiny)


def test_the_length_limit_is_named(tiny):
    with pytest.raises(DubbenchError, match=r"limit of 62\.5 s"):
        collate_dub([replace(dub_item(tiny, 0, 5, 1600), tokens=None, durations=None)], tiny)
