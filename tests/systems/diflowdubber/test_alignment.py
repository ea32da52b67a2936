"""Spans, alignment matrices, equations 2 and 4, and MAS against brute force."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.alignment import alignment_matrix, contrastive_loss, regulate, spans
from dubbench.systems.diflowdubber.layers.masking import length_mask
from dubbench.systems.diflowdubber.mas import monotonic_path


def test_spans_are_rounded_boundaries():
    # ends 0.31, 0.52, 1.0 s at 25 Hz: 7.75, 13, 25
    assert spans([0.31, 0.21, 0.48], 25, 25).tolist() == [8, 5, 12]


def test_a_ten_millisecond_phoneme_owns_a_frame_and_a_token():
    durations = [0.3, 0.01, 0.2, 0.49]
    frames, tokens = spans(durations, 25, 25), spans(durations, 80, 80)
    assert frames.tolist() == [7, 1, 5, 12] or frames.tolist() == [8, 1, 4, 12]
    assert tokens.tolist() == [24, 1, 16, 39]


def test_a_run_of_short_phonemes_is_moved_apart_evenly():
    # Five phonemes end within one frame around frame 10.
    durations = [0.4, 0.002, 0.002, 0.002, 0.002, 0.592]
    ends = np.cumsum(spans(durations, 25, 25))
    assert ends.tolist() == [8, 9, 10, 11, 12, 25]


def test_the_last_phoneme_takes_the_rest():
    assert spans([0.2, 0.2], 25, 25).tolist() == [5, 20]
    assert spans([2.0, 0.2], 25, 25).tolist() == [24, 1]


@given(
    st.lists(st.floats(0, 3), min_size=1, max_size=30),
    st.integers(1, 60),
    st.sampled_from([25.0, 80.0]),
)
def test_spans_always_fill_the_clip(durations, length, rate):
    result = spans(durations, rate, length)
    assert len(result) == len(durations) and result.sum() == length
    assert result.min() >= (1 if len(durations) <= length else 0)
    matrix = alignment_matrix(torch.from_numpy(result)[None], torch.tensor([len(result)]), length)[0]
    assert matrix.any(0).all() and matrix.any(1).all()


def test_spans_move_boundaries_as_little_as_possible():
    """Against all sequences of boundaries that leave every phoneme a frame."""
    draw = np.random.default_rng(0)
    for _ in range(40):
        count, length = 4, 9
        durations = draw.exponential(0.06, count)
        wanted = np.floor(np.cumsum(durations)[:-1] * 25 + 0.5)
        if wanted.max() > length:
            continue
        least = min(
            np.abs(np.array(ends) - wanted).max() for ends in itertools.combinations(range(1, length), count - 1)
        )
        got = np.cumsum(spans(durations, 25, length))[:-1]
        assert np.abs(got - wanted).max() == least


@pytest.mark.parametrize(("durations", "length"), [([], 5), ([0.1], 0), ([0.1, -0.1], 5), ([np.nan], 5), ([np.inf], 5)])
def test_spans_refuse_nonsense(durations, length):
    with pytest.raises(DubbenchError):
        spans(durations, 25, length)


def test_alignment_matrix():
    matrix = alignment_matrix(torch.tensor([[2, 1, 0], [0, 3, 1]]), torch.tensor([2, 3]), 4)
    assert matrix[0].int().tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    # The phoneme without a frame of its own shares the one at which it would begin.
    assert matrix[1].int().tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def direct_contrastive(a, m, tau):
    """Equation 2 as printed."""
    e = np.exp(a / tau)
    columns = sum(np.log((m[:, j] * e[:, j]).sum() / e[:, j].sum()) for j in range(a.shape[1]))
    rows = sum(np.log((m[i] * e[i]).sum() / e[i].sum()) for i in range(a.shape[0]))
    return -columns - rows


@pytest.mark.parametrize("tau", [1.0, 0.1])
def test_contrastive_loss_is_equation_2(tau):
    draw = np.random.default_rng(1)
    scores = draw.normal(size=(2, 6, 4)).astype(np.float32)
    sizes = [(6, 4), (5, 3)]
    durations = torch.tensor([[1, 2, 2, 1], [3, 1, 1, 0]])
    phones, frames = torch.tensor([4, 3]), torch.tensor([6, 5])
    aligned = alignment_matrix(durations, phones, 6)
    loss = contrastive_loss(torch.from_numpy(scores), aligned, length_mask(frames, 6), length_mask(phones, 4), tau)
    for clip, (f, n) in enumerate(sizes):
        expected = direct_contrastive(scores[clip, :f, :n].astype(float), aligned[clip, :f, :n].numpy(), tau)
        assert loss[clip].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("count", [3, 12])
def test_contrastive_loss_is_finite_with_finite_gradients(count):
    """A 10 ms phoneme (3 phonemes), and more phonemes than frames (12 on 5)."""
    durations = spans([0.1, 0.01, 0.09] if count == 3 else [0.0167] * count, 25, 5)
    scores = torch.randn(2, 8, count + 2, requires_grad=True)
    phones, frames = torch.tensor([count, 1]), torch.tensor([5, 8])
    padded = torch.zeros(2, count + 2, dtype=torch.long)
    padded[0, :count], padded[1, 0] = torch.from_numpy(durations), 8
    loss = contrastive_loss(
        50 * scores,
        alignment_matrix(padded, phones, 8),
        length_mask(frames, 8),
        length_mask(phones, count + 2),
        0.1,
    )
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(scores.grad).all()
    assert (scores.grad[0, 5:] == 0).all() and (scores.grad[0, :, count:] == 0).all()


def test_contrastive_loss_teaches_the_alignment():
    durations, phones, frames = torch.tensor([[3, 1, 4]]), torch.tensor([3]), torch.tensor([8])
    aligned = alignment_matrix(durations, phones, 8)
    scores = torch.zeros(1, 8, 3, requires_grad=True)
    optimiser = torch.optim.Adam([scores], 0.3)
    for _ in range(100):
        optimiser.zero_grad()
        contrastive_loss(scores, aligned, length_mask(frames, 8), length_mask(phones, 3), 1.0).sum().backward()
        optimiser.step()
    found = monotonic_path(scores.detach().numpy(), frames.numpy(), phones.numpy())
    assert found.tolist() == durations.tolist()


def brute_force(scores):
    """The best durations among all ways to cut the frames into as many parts as there are phonemes."""
    frames, count = scores.shape
    best, result = -np.inf, None
    for ends in itertools.combinations(range(1, frames), count - 1):
        parts = np.diff([0, *ends, frames])
        total = scores[np.arange(frames), np.repeat(np.arange(count), parts)].sum()
        if total > best:
            best, result = total, parts
    return result.tolist()


def test_mas_is_the_best_path():
    draw = np.random.default_rng(2)
    sizes = [(f, n) for f in range(1, 9) for n in range(1, f + 1)]
    scores = draw.normal(size=(len(sizes), 8, 8))
    found = monotonic_path(scores, np.array([f for f, _ in sizes]), np.array([n for _, n in sizes]))
    for clip, (f, n) in enumerate(sizes):
        assert found[clip, :n].tolist() == brute_force(scores[clip, :f, :n])
        assert (found[clip, n:] == 0).all()


def test_mas_with_more_phonemes_than_frames_shares_them():
    found = monotonic_path(np.zeros((2, 4, 9)), np.array([4, 4]), np.array([9, 2]))
    assert found[0].sum() == 4 and set(found[0].tolist()) == {0, 1}
    assert found[1].sum() == 4 and found[1, :2].min() >= 1


def test_regulate_repeats():
    x = torch.arange(6.0).view(2, 3, 1)
    durations = torch.tensor([[2, 1, 3], [1, 2, 0]])
    out = regulate(x, durations, 6)[..., 0]
    assert out[0].tolist() == [0, 0, 1, 2, 2, 2]
    assert out[1, :3].tolist() == [3, 4, 4]


def test_regulate_skips_phonemes_without_frames():
    out = regulate(torch.arange(4.0).view(1, 4, 1), torch.tensor([[1, 0, 0, 2]]), 3)
    assert out[0, :, 0].tolist() == [0, 3, 3]
