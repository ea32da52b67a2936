"""Each layer against a direct computation, and against padding."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dubbench.systems.diflowdubber.layers.attention import SelfAttention, rotary, rotate
from dubbench.systems.diflowdubber.layers.convnext import ConvNeXtBlock, GlobalResponseNorm
from dubbench.systems.diflowdubber.layers.dit import DiT, FinalLayer, modulate
from dubbench.systems.diflowdubber.layers.fft import CodebookPredictor, FFTStack
from dubbench.systems.diflowdubber.layers.masking import MaskedConv, MaskedGroupNorm, length_mask, masked_mean
from dubbench.systems.diflowdubber.layers.monotonic import CrossAttention, CrossStack, centres, expected_alignment
from dubbench.systems.diflowdubber.layers.upsample import Upsample, interpolate

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def lengths_and_mask(size=9):
    lengths = torch.tensor([size, 4])
    return lengths, length_mask(lengths, size)


def padding_changes_nothing(module, x, *more):
    """The second clip of 4 frames, alone and beside one of 9, with garbage behind it."""
    _, mask = lengths_and_mask()
    x = x.clone()
    x[1, 4:] = 1e3
    together = module(x, mask, *[m for m in more])
    alone = module(x[1:, :4], mask[1:, :4], *[m[1:] for m in more])
    time = 2 if together.dim() == 4 else 1
    torch.testing.assert_close(together[1:].narrow(time, 0, 4), alone, **CLOSE)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["conv", "norm", "grn", "convnext", "fft", "predictor", "attention"])
def test_padding_changes_nothing(name, training, tiny, awake):
    c = tiny.hidden
    module = {
        "conv": lambda: MaskedConv(c, 8, 5),
        "norm": lambda: MaskedGroupNorm(c),
        "grn": lambda: GlobalResponseNorm(c),
        "convnext": lambda: ConvNeXtBlock(c, 96, 7),
        "fft": lambda: FFTStack(tiny, 2),
        "predictor": lambda: CodebookPredictor(tiny, 2),
        "attention": lambda: SelfAttention(c, 2),
    }[name]()
    padding_changes_nothing(awake(module).train(training), torch.randn(2, 9, c))


def test_padding_changes_no_upsampling(tiny):
    module = Upsample(tiny)
    frames, x = torch.tensor([9, 4]), torch.randn(2, 9, tiny.hidden)
    x[1, 4:] = 1e3
    tokens = torch.tensor([29, 13])
    together = module(x, frames, length_mask(tokens, 29))
    alone = module(x[1:, :4], frames[1:], length_mask(tokens[1:], 13))
    torch.testing.assert_close(together[1:, :13], alone, **CLOSE)


@pytest.mark.parametrize("kind", ["monotonic", "softmax", "expected"])
def test_padding_changes_no_cross_attention(kind, tiny):
    module = CrossStack(replace(tiny, attention=kind, sync_layers=2))
    x, keys = torch.randn(2, 9, tiny.hidden), torch.randn(2, 6, tiny.hidden)
    x[1, 4:], keys[1, 3:] = 1e3, 1e3
    queries, phones = length_mask(torch.tensor([9, 4]), 9), length_mask(torch.tensor([6, 3]), 6)
    together, scores = module(x, keys, queries, phones)
    alone, alone_scores = module(x[1:, :4], keys[1:, :3], queries[1:, :4], phones[1:, :3])
    torch.testing.assert_close(together[1:, :4], alone, **CLOSE)
    torch.testing.assert_close(scores[1:, :4, :3], alone_scores, **CLOSE)
    assert (scores[1, :, 3:] < -1e8).all()


def test_group_norm_is_torchs():
    x, module = torch.randn(2, 9, 6), MaskedGroupNorm(6)
    mask = torch.ones(2, 9, dtype=torch.bool)
    torch.testing.assert_close(module(x, mask), F.group_norm(x.transpose(1, 2), 1).transpose(1, 2), **CLOSE)


def test_masked_mean():
    x = torch.randn(2, 9, 3)
    lengths, mask = lengths_and_mask()
    for clip, length in enumerate(lengths):
        torch.testing.assert_close(masked_mean(x, mask)[clip], x[clip, :length].mean(0))


def test_global_response_norm_is_its_formula(awake):
    module = awake(GlobalResponseNorm(6))
    x = torch.randn(1, 5, 6)
    g = (x**2).sum(1, keepdim=True).sqrt()
    n = g / g.mean(-1, keepdim=True)
    expected = module.gamma * x * n + module.beta + x
    torch.testing.assert_close(module(x, torch.ones(1, 5, dtype=torch.bool)), expected, **CLOSE)


def test_global_response_norm_has_gradients_for_silence():
    x = torch.zeros(1, 5, 6, requires_grad=True)
    module = GlobalResponseNorm(6)
    module.gamma.data.fill_(1)
    module(x, torch.ones(1, 5, dtype=torch.bool)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_interpolation_is_torchs_where_the_ratio_is_whole():
    x = torch.randn(1, 10, 3)
    mine = interpolate(x, torch.tensor([10]), 32, 5 / 16)
    theirs = F.interpolate(x.transpose(1, 2), scale_factor=3.2, mode="linear", recompute_scale_factor=False)
    torch.testing.assert_close(mine, theirs.transpose(1, 2), **CLOSE)


def test_rotary_attention_sees_distances_only():
    q, k = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def score(i, j):
        return (rotate(q, rotary(torch.tensor([[i]]), 8)) * rotate(k, rotary(torch.tensor([[j]]), 8))).sum()

    torch.testing.assert_close(score(3, 1), score(103, 101), atol=1e-4, rtol=0)
    assert not torch.isclose(score(3, 1), score(3, 2))


def test_rotary_is_the_complex_rotation():
    x, position = torch.randn(1, 1, 1, 6), 5
    turned = rotate(x, rotary(torch.tensor([[position]]), 6))[0, 0, 0]
    theta = 10000.0 ** (-np.arange(3) / 3)
    z = (x[0, 0, 0, :3] + 1j * x[0, 0, 0, 3:]).numpy() * np.exp(1j * position * theta)
    np.testing.assert_allclose(turned.numpy(), np.concatenate([z.real, z.imag]), atol=1e-5)


def test_self_attention_is_its_formula():
    module, x = SelfAttention(8, 2), torch.randn(1, 5, 8)
    q, k, v = module.qkv(x)[0].chunk(3, -1)
    heads = []
    for h in range(2):
        part = slice(4 * h, 4 * h + 4)
        heads.append((q[:, part] @ k[:, part].T / 2).softmax(-1) @ v[:, part])
    torch.testing.assert_close(module(x, None)[0], module.out(torch.cat(heads, -1)), **CLOSE)


def test_cross_attention_scores_are_the_mean_over_heads(tiny):
    module = CrossAttention(replace(tiny, attention="softmax"))
    x, keys = torch.randn(1, 5, tiny.hidden), torch.randn(1, 3, tiny.hidden)
    full = [torch.ones(1, n, dtype=torch.bool) for n in (5, 3)]
    out, scores = module(x, keys, *full)
    q, (k, v) = module.query(x)[0], module.key_value(keys)[0].chunk(2, -1)
    size = tiny.hidden // tiny.heads
    each = [(q[:, a : a + size] @ k[:, a : a + size].T) / math.sqrt(size) for a in range(0, tiny.hidden, size)]
    torch.testing.assert_close(scores[0], torch.stack(each).mean(0), **CLOSE)
    mixed = torch.cat([s.softmax(-1) @ v[:, i * size : (i + 1) * size] for i, s in enumerate(each)], -1)
    torch.testing.assert_close(out[0], module.out(mixed), **CLOSE)


def test_centres_only_move_forward_and_span_the_phonemes():
    mask = length_mask(torch.tensor([7, 4]), 7)
    steps = torch.rand(2, 3, 7) + 0.01
    centre = centres(steps, mask, torch.tensor([5, 2]))
    assert (centre[0].diff(dim=-1) > 0).all()
    equal = centres(torch.ones(2, 3, 7), mask, torch.tensor([5, 2]))
    torch.testing.assert_close(equal[0, 0], (torch.arange(7) + 0.5) / 7 * 5 - 0.5)
    torch.testing.assert_close(equal[1, 0, :4], (torch.arange(4) + 0.5) / 4 * 2 - 0.5)


def test_monotonic_attention_starts_on_the_diagonal(tiny):
    module = CrossAttention(tiny)
    assert module.kind == "monotonic"
    x, keys = 0.01 * torch.randn(1, 40, tiny.hidden), 0.01 * torch.randn(1, 20, tiny.hidden)
    _, scores = module(x, keys, torch.ones(1, 40, dtype=torch.bool), torch.ones(1, 20, dtype=torch.bool))
    best = scores[0].argmax(-1)
    assert (best.diff() >= 0).all() and best[0] == 0 and best[-1] == 19


def test_expected_alignment_is_a_simulated_walk():
    """Against the definition: every query scans on from where the last one stopped, and stops with p_ij."""
    draw = np.random.default_rng(0)
    scores = torch.from_numpy(draw.normal(size=(1, 1, 5, 4))).float()
    p = torch.sigmoid(scores[0, 0]).numpy().astype(float)
    place = np.array([1.0, 0, 0, 0])
    for i in range(5):
        stops = np.zeros(4)
        for start in range(4):
            left = place[start]
            for j in range(start, 4):
                stops[j] += left * p[i, j]
                left *= 1 - p[i, j]
            stops[3] += left
        place = stops
        got = expected_alignment(scores, torch.ones(1, 4, dtype=torch.bool))[0, 0, i].numpy()
        np.testing.assert_allclose(got, place, atol=1e-6)


def test_expected_alignment_is_stable():
    scores = (200 * torch.randn(1, 2, 60, 30)).requires_grad_()
    alpha = expected_alignment(scores, length_mask(torch.tensor([25]), 30))
    torch.testing.assert_close(alpha.sum(-1), torch.ones(1, 2, 60), **CLOSE)
    assert (alpha[..., 25:] == 0).all()
    means = (alpha * torch.arange(30)).sum(-1)
    assert (means.diff(dim=-1) > -1e-4).all()
    alpha.square().sum().backward()
    assert torch.isfinite(scores.grad).all()


def test_dit_is_adaln_zero_with_a_long_skip(tiny):
    """At the start the gates are closed: the blocks are the identity, and the skip layer sees its input twice."""
    dit, x, c = DiT(tiny), torch.randn(2, 5, tiny.dit_dim), torch.randn(2, tiny.dit_dim)
    turn = rotary(torch.arange(5)[None], tiny.dit_dim // tiny.dit_heads)
    torch.testing.assert_close(dit(x, c, None, turn), dit.skip(torch.cat([x, x], -1)))


def test_dit_block_is_its_formula(tiny, awake):
    dit = awake(DiT(replace(tiny, dit_layers=1)))
    block = dit.blocks[0]
    x, c = torch.randn(1, 5, tiny.dit_dim), torch.randn(1, tiny.dit_dim)
    turn = rotary(torch.arange(5)[None], tiny.dit_dim // tiny.dit_heads)
    a = block.modulation.out(F.silu(block.modulation.reduce(c))).view(6, 1, 1, -1)
    y = x + a[2] * block.attention(F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + a[1]) + a[0], None, turn)
    y = y + a[5] * block.feed(F.layer_norm(y, x.shape[-1:], eps=1e-6) * (1 + a[4]) + a[3])
    torch.testing.assert_close(dit(x, c, None, turn), dit.skip(torch.cat([y, x], -1)), **CLOSE)


def test_final_layer_is_its_formula(tiny, awake):
    final = awake(FinalLayer(tiny, 10))
    x, c = torch.randn(1, 5, tiny.dit_dim), torch.randn(1, tiny.dit_dim)
    shift, scale = final.modulation(c)
    assert final.norm.weight is None and shift.abs().sum() > 0
    expected = final.out(modulate(F.layer_norm(x, x.shape[-1:], eps=1e-6), shift, scale))
    torch.testing.assert_close(final(x, c), expected)


def test_predictor_chains_one_block_a_codebook(tiny):
    module = CodebookPredictor(tiny, 2)
    x, mask = torch.randn(1, 5, tiny.hidden), torch.ones(1, 5, dtype=torch.bool)
    first = module.blocks[0](x, mask)
    expected = torch.stack([module.outputs[0](first), module.outputs[1](module.blocks[1](first, mask))], 1)
    torch.testing.assert_close(module(x, mask), expected)
