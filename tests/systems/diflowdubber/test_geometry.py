"""What codes stand for, in training: softened targets, starts from the codebook, auxiliary losses, conditions."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_items import dub_batch

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.config import Config, Weights
from dubbench.systems.diflowdubber.dfpa import DFPA
from dubbench.systems.diflowdubber.flow.loss import FlowNoise, masked_cross_entropy
from dubbench.systems.diflowdubber.geometry import Books, Geometry, cross_entropy, soft_cross_entropy, softened
from dubbench.systems.diflowdubber.stage2 import Stage2
from dubbench.systems.diflowdubber.training.objective import Objective


@pytest.fixture(scope="module")
def books() -> Books:
    return open_codec("world").books()


def test_books_are_the_codecs(books):
    assert [x.shape for x in books.vectors] == [(1024, 2)] + [(1024, 41)] * 5
    assert books.voiced.sum() == 896 and books.semitones.shape == (1024,)


def test_softened_targets_prefer_near_codes():
    line = np.arange(10, dtype=np.float32)[:, None]
    table = softened(line, 1.0)
    torch.testing.assert_close(table.sum(1), torch.ones(10))
    assert table[4].argmax() == 4 and table[4, 5] > table[4, 6] > table[4, 9]
    torch.testing.assert_close(table[4, 5] / table[4, 4], torch.tensor(np.exp(-0.5), dtype=torch.float32))
    assert softened(line, 0.05)[4, 4] > 0.999


def test_soft_cross_entropy_is_the_hard_one_for_hard_tables():
    logits, targets = torch.randn(2, 3, 5, 7), torch.randint(0, 7, (2, 3, 5))
    counted = torch.rand(2, 3, 5) < 0.6
    hard = masked_cross_entropy(logits, targets, counted)
    torch.testing.assert_close(soft_cross_entropy(logits, targets, counted, [torch.eye(7)] * 3), hard)
    torch.testing.assert_close(cross_entropy(logits, targets, counted, None, [0, 1, 2]), hard)


def test_prosody_losses_are_of_mass_and_mean():
    voiced, semitones = np.array([True, True, False]), np.array([0.0, 12.0, 0.0], np.float32)
    config = replace(Config(vocab=3), weights=Weights(voicing=1.0, pitch=1.0))
    geometry = Geometry(Books([np.eye(3, dtype=np.float32)] * 6, voiced, semitones), config)
    p = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]]])
    losses = geometry.prosody_losses(p.log(), torch.tensor([[1, 2, 0]]), torch.tensor([[True, True, False]]))
    assert losses["voicing"].item() == pytest.approx(-(np.log(0.75) + np.log(0.8)) / 2, rel=1e-5)
    assert losses["pitch"].item() == pytest.approx((4 / 12 - 1) ** 2, rel=1e-5)
    with pytest.raises(DubbenchError, match="say what is voiced"):
        Geometry(Books([np.eye(3, dtype=np.float32)] * 6), config)


def test_every_setting_trains(tiny, books):
    """All at once in stage 2: finite losses, gradients where they belong, and the losses' names."""
    config = replace(
        tiny,
        distill=False,
        positions="restart",
        segments=True,
        condition_dropout=0.5,
        soft_targets=1.0,
        codebook_start=True,
        weights=Weights(voicing=0.1, pitch=0.1),
    )
    objective = Objective("dub", config)
    objective.learn_geometry(books)
    batch = dub_batch(config, (5, 10), (6, 8))
    losses = objective.model.losses(batch, noise=FlowNoise.draw(batch.token_lengths.tolist(), 4, [0, 1]))
    assert {"voicing", "pitch", "flow", "content"} <= set(losses)
    assert all(torch.isfinite(x) for x in losses.values())
    losses["total"].backward()
    assert objective.model.dfpa.segments.grad.abs().sum() > 0
    assert not any("geometry" in name for name in objective.state_dict())


def test_a_start_from_the_codebook_keeps_neighbours_together(tiny, books):
    objective = Objective("dub", replace(tiny, distill=False, codebook_start=True))
    before = objective.model.dfpa.embedders[1].weight[1024].clone()
    objective.learn_geometry(books)
    dfpa = objective.model.dfpa
    for table, slot in ((dfpa.embedders[1].weight[:1024], 3), (dfpa.heads.heads[1].weight, 3)):
        x = torch.from_numpy(books.vectors[slot])
        true = torch.cdist(x[:200], x[:200]).flatten()
        made = torch.cdist(table[:200].detach(), table[:200].detach()).flatten()
        assert torch.corrcoef(torch.stack([true, made]))[0, 1] > 0.9
    assert torch.equal(dfpa.embedders[1].weight[1024], before)  # the mask
    assert dfpa.embedders[1].weight[:1024].std().item() == pytest.approx(1.0, abs=0.05)


def test_restarting_positions_give_a_token_the_place_of_its_condition(tiny):
    lengths = torch.tensor([3])
    args = (
        torch.randn(1, 3, tiny.dit_dim),
        lengths,
        torch.randn(1, 2, 3, tiny.stream_dim),
        lengths,
        torch.randn(1, 256),
    )
    turns = DFPA(replace(tiny, positions="restart")).context(*args).turn
    for x in turns:
        torch.testing.assert_close(x[:, :, :3], x[:, :, 3:])
    old = DFPA(tiny).context(*args).turn[1]
    assert not torch.allclose(old[:, :, :3], old[:, :, 3:])


def test_a_dropped_condition_is_not_seen_and_only_in_training(tiny, awake):
    dfpa = awake(DFPA(replace(tiny, condition_dropout=0.999)))
    lengths = torch.tensor([4])
    rest = (lengths, torch.randn(1, 2, 4, tiny.stream_dim), lengths, torch.randn(1, 256))
    xt, t = torch.randint(0, 1025, (1, 4, 4)), torch.tensor([0.5])
    one, other = torch.randn(1, 4, tiny.dit_dim), torch.randn(1, 4, tiny.dit_dim)
    assert not torch.allclose(dfpa(xt, t, dfpa.context(one, *rest)), dfpa(xt, t, dfpa.context(other, *rest)))
    dfpa.train()
    torch.manual_seed(1)
    a, b = (dfpa(xt, t, dfpa.context(x, *rest)) for x in (one, other))
    torch.testing.assert_close(a, b)


def test_settings_that_are_off_change_nothing(tiny, books):
    torch.manual_seed(0)
    plain = Objective("dub", replace(tiny, distill=False))
    weights = {k: v.clone() for k, v in plain.state_dict().items()}
    plain.learn_geometry(books)
    assert plain.model.geometry is None
    assert all(torch.equal(v, weights[k]) for k, v in plain.state_dict().items())
    assert set(weights) == {f"model.{k}" for k in Stage2(replace(tiny, distill=False)).state_dict()}


@pytest.mark.parametrize("wrong", [{"positions": "loop"}, {"condition_dropout": 1.0}, {"soft_targets": -1.0}])
def test_bad_settings_are_refused(tiny, wrong):
    with pytest.raises(DubbenchError):
        replace(tiny, **wrong)
