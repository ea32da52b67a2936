"""The denoiser: its input, its padding, its conditions."""

import torch

from dubbench.systems.diflowdubber.dfpa import DFPA

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def test_dfpa_input_is_the_concatenation_of_the_paper(tiny):
    """e = [e_cond; e_t] built as printed, with zero slots, and projected at once."""
    dfpa, length, before = DFPA(tiny), 6, 4
    width = tiny.stream_dim
    xt = torch.randint(0, tiny.vocab + 1, (1, 4, length))
    reference = torch.randint(0, tiny.vocab, (1, 6, before))
    latent = torch.randn(1, 2, length, width)
    tables = dfpa.embedders
    zero = torch.zeros(before, width)
    cond = [tables[0](reference[0, 0]), zero, zero, *(tables[i](reference[0, i + 2]) for i in (1, 2, 3))]
    target = [tables[0](xt[0, 0]), latent[0, 0], latent[0, 1], *(tables[i](xt[0, i]) for i in (1, 2, 3))]
    e = torch.cat([torch.stack(cond), torch.stack(target)], 1)  # (6, L' + L, E)
    expected = dfpa.project(e.permute(1, 0, 2).flatten(1))

    lengths = torch.tensor([length])
    context = dfpa.context(dfpa.reference(reference), torch.tensor([before]), latent, lengths, torch.randn(1, 256))
    mine = torch.cat([context.condition, context.content + dfpa._embed(xt, context.tokens)], 1)[0]
    torch.testing.assert_close(mine, expected, **CLOSE)

    z = torch.randn(1, 1, length, width)
    cond2 = torch.cat([z[0, 0], torch.zeros(length, 5 * width)], -1)
    torch.testing.assert_close(dfpa.prior(z)[0], dfpa.project(cond2), **CLOSE)


def test_dfpa_ignores_padding(tiny, awake):
    dfpa = awake(DFPA(tiny))
    speaker, t = torch.randn(2, 256), torch.tensor([0.3, 0.8])
    reference, latent = torch.randint(0, 1024, (2, 6, 5)), torch.randn(2, 2, 9, tiny.stream_dim)
    xt = torch.randint(0, 1025, (2, 4, 9))
    before, lengths = torch.tensor([5, 3]), torch.tensor([9, 4])
    context = dfpa.context(dfpa.reference(reference), before, latent, lengths, speaker)
    together = dfpa(xt, t, context)
    context = dfpa.context(
        dfpa.reference(reference[1:, :, :3]), before[1:], latent[1:, :, :4], lengths[1:], speaker[1:]
    )
    assert context.mask is None
    torch.testing.assert_close(together[1:, :, :4], dfpa(xt[1:, :, :4], t[1:], context), **CLOSE)


def test_dfpa_listens_to_every_condition(tiny, awake):
    dfpa = awake(DFPA(tiny))
    lengths, before = torch.tensor([5]), torch.tensor([4])
    xt, t = torch.full((1, 4, 5), 1024), torch.tensor([0.5])
    reference, latent = torch.randint(0, 1000, (1, 6, 4)), torch.randn(1, 2, 5, tiny.stream_dim)
    speaker = torch.randn(1, 256)

    def logits(reference=reference, latent=latent, speaker=speaker, xt=xt, t=t):
        return dfpa(xt, t, dfpa.context(dfpa.reference(reference), before, latent, lengths, speaker))

    base = logits()
    prosody, content = reference.clone(), reference.clone()
    prosody[:, 0] += 1
    content[:, 1:3] += 1
    assert not torch.allclose(base, logits(reference=prosody))
    torch.testing.assert_close(base, logits(reference=content))  # the content slot of the reference is zero
    assert not torch.allclose(base, logits(latent=latent + 1))
    assert not torch.allclose(base, logits(speaker=speaker + 1))
    assert not torch.allclose(base, logits(t=t + 0.2))
    assert not torch.allclose(base, logits(xt=torch.full_like(xt, 3)))
