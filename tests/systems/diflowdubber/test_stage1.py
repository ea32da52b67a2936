"""Stage 1: equation 9, padding, lengths."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from synthetic_items import tts_batch, tts_item

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.batch import collate_tts
from dubbench.systems.diflowdubber.content import duration_loss
from dubbench.systems.diflowdubber.flow.loss import FlowNoise
from dubbench.systems.diflowdubber.stage1 import Stage1

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def test_stage_1_losses_are_equation_9(tiny, awake):
    model = awake(Stage1(tiny))
    batch = tts_batch(tiny, (5, 20))
    noise = FlowNoise.draw([20], 4, [1])
    losses = model.losses(batch, noise)

    p = model.content.encode(batch.phonemes, batch.phoneme_mask)
    log_durations = model.duration(p, batch.phoneme_mask)
    ld = (log_durations - batch.token_spans.float().log()).square().mean()
    full = torch.ones(1, 20, dtype=torch.bool)
    z = model.content.decode(p[0].repeat_interleave(batch.token_spans[0], 0)[None], full)
    latent, logits = model.content.predict(z, full)
    lc = F.cross_entropy(logits[0].flatten(0, 1), batch.tokens[0, 1:3].flatten())
    x1 = batch.tokens[:, [0, 3, 4, 5]]
    xt = torch.where(noise.u < noise.t**2, x1, 1024)
    context = model.dfpa.context(
        model.dfpa.reference(batch.reference), batch.reference_lengths, latent, batch.token_lengths, batch.speaker
    )
    ldfm = F.cross_entropy(model.dfpa(xt, noise.t, context)[0].flatten(0, 1), x1.flatten())
    for name, expected in {"duration": ld, "content": lc, "flow": ldfm, "total": 0.5 * ld + lc + ldfm}.items():
        torch.testing.assert_close(losses[name], expected, **CLOSE)


def test_duration_loss_is_the_mse_of_logarithms():
    spans, mask = torch.tensor([[3, 1, 8, 0]]), torch.tensor([[True, True, True, False]])
    predicted = torch.tensor([[1.0, 0.5, 2.0, 9.0]])
    expected = ((predicted[0, :3] - torch.tensor([3.0, 1, 8]).log()) ** 2).mean()
    torch.testing.assert_close(duration_loss(predicted, spans, mask), expected)


@pytest.mark.parametrize("training", [False, True])
def test_stage_1_losses_ignore_padding(tiny, awake, training):
    """The loss of a batch is the token-weighted mean of its clips' losses, each computed alone."""
    model = awake(Stage1(tiny)).train(training)
    sizes = [(5, 20, 7), (8, 31, 3)]
    items = [tts_item(tiny, i, *size) for i, size in enumerate(sizes)]
    seeds = [5, 6]
    together = model.losses(collate_tts(items, tiny), FlowNoise.draw([20, 31], 4, seeds))
    alone = [
        model.losses(collate_tts([item], tiny), FlowNoise.draw([size[1]], 4, [seed]))
        for item, size, seed in zip(items, sizes, seeds, strict=True)
    ]
    for name, weights in {"content": (20, 31), "flow": (20, 31), "duration": (5, 8)}.items():
        mean = sum(w * a[name] for w, a in zip(weights, alone, strict=True)) / sum(weights)
        torch.testing.assert_close(together[name], mean, **CLOSE)


def test_stage_1_speaks_any_length(tiny, awake):
    model = awake(Stage1(tiny))
    batch = collate_tts([replace(tts_item(tiny, i, 5 + i, 9), tokens=None, durations=None) for i in (0, 1)], tiny)
    made = model.generate(batch, nfe=3, seeds=[1, 2])
    assert made.tokens.shape[:2] == (2, 6) and made.tokens.min() >= 0 and made.tokens.max() < 1024
    assert made.lengths.equal(made.durations.sum(1)) and (made.durations[0, :5] >= 1).all()
    spans = torch.tensor([[4, 4, 4, 4, 4, 0], [1, 2, 3, 4, 5, 6]])
    assert model.generate(batch, 2, [1, 2], spans=spans).lengths.tolist() == [20, 21]
    with pytest.raises(DubbenchError, match="limit"):
        model.generate(batch, 2, [1, 2], spans=spans * 1000)
