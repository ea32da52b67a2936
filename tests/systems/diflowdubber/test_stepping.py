"""The exact short cuts of sampling: the same tokens as the denoiser called step by step, with less computed."""

import pytest
import torch

from dubbench.systems.diflowdubber.codecs import WEIGHTS
from dubbench.systems.diflowdubber.dfpa import DFPA
from dubbench.systems.diflowdubber.flow.path import MixturePath
from dubbench.systems.diflowdubber.flow.plan import appearance, plan
from dubbench.systems.diflowdubber.flow.sampler import Sampler, draw_noise
from dubbench.systems.diflowdubber.flow.scheduler import PolynomialScheduler
from dubbench.systems.diflowdubber.stepping import sample
from dubbench.systems.diflowdubber.training.load import load_model

KAPPA = PolynomialScheduler()


def given(dfpa, lengths, before):
    """A condition of any sound."""
    config, size = dfpa.config, max(lengths)
    reference = torch.randint(0, config.vocab, (len(lengths), config.books, max(before)))
    latent = torch.randn(len(lengths), config.content, size, config.stream_dim)
    sizes = torch.tensor(before), torch.tensor(lengths)
    return dfpa.context(dfpa.reference(reference), sizes[0], latent, sizes[1], torch.randn(len(lengths), 256))


def tokens(dfpa, context, lengths, nfe, temperature):
    """Of the step-by-step sampler, and of the short cuts."""
    noise = draw_noise(lengths, dfpa.config.flow_books, nfe, range(len(lengths)))
    sampler = Sampler(MixturePath(dfpa.config.vocab), temperature=temperature)
    plain = sampler(lambda x, t: dfpa(x, t, context), noise)
    for clip, length in zip(plain, lengths, strict=True):
        clip[:, length:] = 0
    return plain, sample(dfpa, context, noise, lengths, KAPPA, temperature)


@pytest.mark.parametrize("nfe", [1, 2, 7, 16, 64])
@pytest.mark.parametrize(("lengths", "before"), [([40], [40]), ([12], [0]), ([23, 40, 31], [5, 17, 9])])
@torch.no_grad()
def test_the_tokens_are_identical(tiny, awake, nfe, lengths, before):
    dfpa = awake(DFPA(tiny))
    plain, quick = tokens(dfpa, given(dfpa, lengths, before), lengths, nfe, 0.7)
    assert torch.equal(plain, quick)
    assert len(quick[0].unique()) > 10


@torch.inference_mode()
def test_the_shipped_checkpoint_says_the_same():
    model, _ = load_model(WEIGHTS, "dub")
    lengths = [96]
    for nfe in (16, 128):
        plain, quick = tokens(model.dfpa, given(model.dfpa, lengths, lengths), lengths, nfe, 0.5)
        assert torch.equal(plain, quick)


def test_every_token_appears_once_when_the_sampler_would_show_it():
    noise = draw_noise([30, 11], 3, 9, [4, 5])
    seen: list[torch.Tensor] = []

    def denoise(x, t):
        seen.append(x)
        return torch.zeros(*x.shape, 8)

    last = Sampler(MixturePath(8))(denoise, noise)
    when = appearance(noise, [30, 11], KAPPA)
    assert (when[1, :, 11:] == 9).all()
    for step, (now, then) in enumerate(zip(seen, [*seen[1:], last], strict=True)):
        appeared = (now == 8) & (then != 8)
        appeared[1, :, 11:] = False
        assert torch.equal(when == step, appeared)
    found = torch.zeros_like(when)
    for jumps in plan(noise, [30, 11], KAPPA):
        for stream, part in enumerate(jumps.streams):
            if part is not None:
                clip, row, place, u = part
                assert torch.equal(jumps.rows[clip, row], place)
                assert torch.equal(u, noise[clip, jumps.step, 1, stream, place])
                assert (when[clip, stream, place] == jumps.step).all()
                found[clip, stream, place] += 1
    assert found.sum() == 3 * 41 and found.max() == 1


@torch.no_grad()
def test_what_no_token_needs_is_not_computed(tiny, awake):
    """Heads see a row a token, the last feed-forward network the rows at which something appears."""
    dfpa = awake(DFPA(tiny))
    rows: dict[str, int] = {"head": 0, "feed": 0, "first": 0}

    def count(name):
        def hook(module, inputs, output):
            rows[name] += inputs[0].numel() // inputs[0].shape[-1]

        return hook

    hooks = [head.register_forward_hook(count("head")) for head in dfpa.heads.heads]
    hooks.append(dfpa.dit.blocks[-1].feed.register_forward_hook(count("feed")))
    hooks.append(dfpa.dit.blocks[0].feed.register_forward_hook(count("first")))
    noise = draw_noise([10], 4, 128, [0])
    sample(dfpa, given(dfpa, [10], [10]), noise, [10], KAPPA)
    for hook in hooks:
        hook.remove()
    appear = appearance(noise, [10], KAPPA)
    steps = len(appear.unique())
    assert steps < 41 and rows["first"] == 20 * steps
    assert rows["head"] == 40 and rows["feed"] <= 40
