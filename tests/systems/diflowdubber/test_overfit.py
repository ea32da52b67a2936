"""Four clips of random tokens are learnt by heart in both stages, and then generated exactly."""

from collections.abc import Callable

import pytest
import torch
from synthetic_items import dub_item, tts_item
from torch import Tensor, nn

from dubbench.systems.diflowdubber.batch import collate_dub, collate_tts
from dubbench.systems.diflowdubber.stage1 import Generated, Stage1
from dubbench.systems.diflowdubber.stage2 import Stage2


def fit(model: nn.Module, losses: Callable[[], dict[str, Tensor]], steps: int) -> dict[str, float]:
    """A short training; the losses of its last step."""
    model.train()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps, pct_start=0.1)
    last: dict[str, Tensor] = {}
    for _ in range(steps):
        optimiser.zero_grad()
        last = losses()
        last["total"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval()
    return {name: loss.item() for name, loss in last.items()}


def same_tokens(made: Generated, tokens: Tensor, lengths: Tensor) -> list[float]:
    """Share of right tokens of each clip."""
    pairs = zip(made.tokens, tokens, lengths.tolist(), strict=True)
    return [(a[:, :n] == b[:, :n]).float().mean().item() for a, b, n in pairs]


@pytest.fixture(scope="module")
def teacher(tiny):
    torch.manual_seed(0)
    model = Stage1(tiny)
    batch = collate_tts([tts_item(tiny, i, 4 + i, 16 + 3 * i, 5) for i in range(4)], tiny)
    return model, batch, fit(model, lambda: model.losses(batch), 170)


def test_stage_1_learns_four_clips(teacher):
    model, batch, last = teacher
    assert last["duration"] < 1e-3 and last["content"] < 0.03 and last["flow"] < 0.1
    made = model.generate(batch, 16, [0, 1, 2, 3])
    assert torch.equal(made.durations, batch.token_spans)
    assert min(same_tokens(made, batch.tokens, batch.token_lengths)) > 0.98


def test_stage_2_learns_four_clips_from_it(teacher, tiny):
    model = Stage2(tiny)
    model.initialise(teacher[0])
    batch = collate_dub([dub_item(tiny, i, 4 + i, 6 + i) for i in range(4)], tiny)
    last = fit(model, lambda: model.losses(batch, teacher[0]), 260)
    assert last["content"] < 0.15 and last["flow"] < 0.1 and last["ctc"] < 0.05 and last["distill"] < 0.05
    made = model.generate(batch, 16, [0, 1, 2, 3])
    assert min(same_tokens(made, batch.tokens, batch.token_lengths)) > 0.98
    assert torch.equal(made.frame_durations, batch.frame_spans)
    assert (made.durations - batch.token_spans).abs().max() <= 1
