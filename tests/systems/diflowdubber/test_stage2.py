"""Stage 2: equations 3, 5 and 7, padding, gradients, ablations; and what it samples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from synthetic_items import dub_batch, dub_item, tts_batch

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.alignment import alignment_matrix, contrastive_loss, regulate
from dubbench.systems.diflowdubber.batch import collate_dub
from dubbench.systems.diflowdubber.flow.loss import FlowNoise
from dubbench.systems.diflowdubber.layers.masking import length_mask
from dubbench.systems.diflowdubber.presets import TABLE_3
from dubbench.systems.diflowdubber.stage1 import Stage1
from dubbench.systems.diflowdubber.stage2 import Stage2, distillation

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


def teacher_and_student(config, awake):
    teacher, student = awake(Stage1(config)), awake(Stage2(config), seed=4)
    return teacher, student


# Training.


def test_stage_2_losses_are_equation_7(tiny, awake):
    teacher, model = teacher_and_student(tiny, awake)
    batch = dub_batch(tiny, (5, 10))
    noise = FlowNoise.draw([32], 4, [1])
    losses = model.losses(batch, teacher, noise)
    made = model.adapt(batch)
    frames, tokens = torch.ones(1, 10, dtype=torch.bool), torch.ones(1, 32, dtype=torch.bool)
    x1 = batch.tokens[:, [0, 3, 4, 5]]
    xt = torch.where(noise.u < noise.t**2, x1, 1024)
    vt = contrastive_loss(
        made.sync.vt_scores,
        alignment_matrix(batch.frame_spans, batch.phoneme_lengths, 10),
        frames,
        batch.phoneme_mask,
        1.0,
    )
    st = contrastive_loss(
        made.sync.st_scores,
        alignment_matrix(batch.token_spans, batch.phoneme_lengths, 32),
        tokens,
        batch.phoneme_mask,
        1.0,
    )
    log_p = model.ctc(made.sync.hidden).log_softmax(-1)[0]
    zt, _ = teacher.features(batch.phonemes, batch.phoneme_mask)
    expected = {
        "content": F.cross_entropy(made.logits[0].flatten(0, 1), batch.tokens[0, 1:3].flatten()),
        "flow": F.cross_entropy(model.dfpa(xt, noise.t, made.context)[0].flatten(0, 1), x1.flatten()),
        "ctc": F.ctc_loss(log_p, batch.phonemes[0], torch.tensor(32), torch.tensor(5), blank=40),
        "distill": 1 - F.cosine_similarity(zt[0].mean(0), made.z[0].mean(0), dim=0),
        "vt": vt.sum(),
        "st": st.sum(),
    }
    assert set(losses) == {*expected, "total"}
    weights = {"content": 1, "ctc": 0.1, "distill": 0.1, "flow": 1, "vt": 0.001, "st": 0.001}
    expected["total"] = sum(weights[name] * value for name, value in expected.items())
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, **CLOSE)


def test_equation_3_adds_the_projected_expansion(tiny, awake):
    model = awake(Stage2(tiny))
    sync, batch = model.synchronizer, dub_batch(tiny, (4, 10))
    heard = []
    sync.upsample.register_forward_hook(lambda module, args, out: heard.append(args[0]))
    seen = []
    sync.video_text.register_forward_hook(lambda module, args, out: seen.append(out[0]))
    made = model.adapt(batch)
    assert made.sync.durations.sum() == 10 and made.sync.durations.min() >= 1
    p = model.content.encode(batch.phonemes, batch.phoneme_mask)
    torch.testing.assert_close(heard[0], seen[0] + sync.fuse(regulate(p, made.sync.durations, 10)), **CLOSE)


def test_distillation_is_equation_5():
    teacher, student = torch.randn(2, 7, 5), torch.randn(2, 9, 5)
    tl, sl = [7, 3], [4, 9]
    terms = [1 - F.cosine_similarity(teacher[b, : tl[b]].mean(0), student[b, : sl[b]].mean(0), dim=0) for b in range(2)]
    loss = distillation(teacher, length_mask(torch.tensor(tl), 7), student, length_mask(torch.tensor(sl), 9))
    torch.testing.assert_close(loss, torch.stack(terms).mean(), **CLOSE)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("attention", ["monotonic", "softmax", "expected"])
def test_stage_2_losses_ignore_padding(tiny, awake, attention, training):
    config = replace(tiny, attention=attention)
    teacher, model = teacher_and_student(config, awake)
    model.train(training)
    sizes = [(5, 10), (9, 17)]
    items = [dub_item(config, i, *size) for i, size in enumerate(sizes)]
    lengths = [config.tokens(frames) for _, frames in sizes]
    together = model.losses(collate_dub(items, config), teacher, FlowNoise.draw(lengths, 4, [5, 6]))
    alone = [
        model.losses(collate_dub([item], config), teacher, FlowNoise.draw([length], 4, [seed]))
        for item, length, seed in zip(items, lengths, [5, 6], strict=True)
    ]
    for name in ("content", "flow", "ctc", "distill", "vt", "st"):
        weights = lengths if name in ("content", "flow") else (1, 1)
        mean = sum(w * a[name] for w, a in zip(weights, alone, strict=True)) / sum(weights)
        torch.testing.assert_close(together[name], mean, atol=1e-5, rtol=1e-5)


def test_more_phonemes_than_frames_keep_the_losses_finite(tiny, awake):
    teacher, model = teacher_and_student(tiny, awake)
    short = replace(dub_item(tiny, 0, 12, 5), durations=np.repeat([0.0, 0.04], 6))
    crowded = dub_item(tiny, 1, 30, 4)  # more phonemes than tokens, too
    ten_ms = replace(dub_item(tiny, 2, 4, 20), durations=np.array([0.3, 0.01, 0.2, 0.29]))
    batch = collate_dub([short, crowded, ten_ms], tiny)
    losses = model.train().losses(batch, teacher)
    losses["total"].backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert model.eval().generate(batch, 2, [0, 1, 2]).tokens.max() < 1024


def test_every_parameter_is_trained(tiny, awake):
    teacher, student = teacher_and_student(tiny, awake)
    student.train().losses(dub_batch(tiny, (5, 10), (6, 8)), teacher)["total"].backward()
    teacher.train().losses(tts_batch(tiny, (5, 20), (6, 15)))["total"].backward()
    for model in (teacher, student):
        idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
        assert idle == []


def test_a_teacher_gives_its_weights_and_stays_as_it_is(tiny, awake):
    teacher, model = teacher_and_student(tiny, awake)
    model.initialise(teacher)
    assert all(torch.equal(a, b) for a, b in zip(teacher.dfpa.parameters(), model.dfpa.parameters(), strict=True))
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {n for n, _ in model.named_parameters() if n.startswith(("content.project", "content.head"))}
    model.train().losses(dub_batch(tiny, (5, 10)), teacher)["total"].backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is None for p in model.content.head.parameters())
    with pytest.raises(DubbenchError, match="does not fit"):
        Stage2(replace(tiny, stream_dim=32)).initialise(teacher)


def test_distillation_without_a_teacher_is_an_error(tiny, awake):
    teacher, model = teacher_and_student(tiny, awake)
    for bad in (None, teacher.train()):
        with pytest.raises(DubbenchError, match="eval mode"):
            model.losses(dub_batch(tiny, (5, 10)), bad)


@pytest.mark.parametrize("row", TABLE_3)
def test_ablations_of_table_3(tiny, awake, row):
    config = replace(tiny, **TABLE_3[row])
    teacher, model = teacher_and_student(config, awake)
    batch = dub_batch(config, (5, 10), (6, 8))
    losses = model.losses(batch, teacher)
    gone = {"no-align": {"vt", "st"}, "no-vt": {"vt"}, "no-st": {"st"}, "no-distill": {"distill"}, "no-ctc": {"ctc"}}
    gone["no-pretraining"] = {"distill"}
    assert {"content", "flow", "ctc", "distill", "vt", "st", "total"} - set(losses) == gone.get(row, set())
    losses["total"].backward()
    model.initialise(teacher)
    before = model.generate(batch, 2, [1, 2]).tokens
    moved = model.generate(replace(batch, face=batch.face + 1), 2, [1, 2]).tokens
    assert torch.equal(before, moved) == (row == "no-fapro")


def test_without_fusion_the_content_ignores_the_face(tiny, awake):
    for row, same in {"": False, "no-fuse": True}.items():
        _, model = teacher_and_student(replace(tiny, **TABLE_3.get(row, {})), awake)
        batch = dub_batch(tiny, (5, 10))
        other = replace(batch, face=batch.face + 1)
        assert torch.equal(model.adapt(batch).logits, model.adapt(other).logits) == same


def test_true_durations_can_stand_in_for_mas(tiny, awake):
    config = replace(tiny, regulate="truth")
    _, model = teacher_and_student(config, awake)
    batch = dub_batch(config, (5, 10))
    used = []
    model.synchronizer.register_forward_hook(lambda m, a, out: used.append(out.durations))
    model.losses(batch, awake(Stage1(config)))
    assert torch.equal(used[0], batch.frame_spans)
    model.generate(batch, 1, [0])
    assert not torch.equal(used[1], batch.frame_spans)  # never at inference


# Inference.


@pytest.mark.parametrize("revise", [False, True])
def test_a_seed_gives_the_same_dub_in_any_batch(tiny, awake, revise):
    model = awake(Stage2(replace(tiny, revise=revise)))
    items = [dub_item(tiny, i, n, f) for i, (n, f) in enumerate([(5, 10), (9, 23), (7, 15)])]
    alone = [model.generate(collate_dub([item], tiny), 8, [40 + i]) for i, item in enumerate(items)]
    order = [2, 0, 1]
    made = model.generate(collate_dub([items[i] for i in order], tiny), 8, [40 + i for i in order])
    for row, i in enumerate(order):
        length, phones, frames = int(alone[i].lengths[0]), len(items[i].phonemes), len(items[i].lips)
        assert torch.equal(made.tokens[row, :, :length], alone[i].tokens[0])
        assert (made.tokens[row, :, length:] == 0).all()
        assert torch.equal(made.durations[row, :phones], alone[i].durations[0])
        assert torch.equal(made.frame_durations[row, :phones], alone[i].frame_durations[0])
        torch.testing.assert_close(made.vt[row, :frames, :phones], alone[i].vt[0], **CLOSE)
        torch.testing.assert_close(made.st[row, :length, :phones], alone[i].st[0], **CLOSE)
    assert not torch.equal(model.generate(collate_dub(items[:1], tiny), 8, [99]).tokens, alone[0].tokens)


@pytest.mark.parametrize("nfe", [1, 4, 33])
def test_dubs_are_as_long_as_the_video(tiny, awake, nfe):
    model = awake(Stage2(tiny))
    batch = collate_dub([replace(dub_item(tiny, 0, 5, 11), tokens=None, durations=None)], tiny)
    made = model.generate(batch, nfe, [0])
    assert made.tokens.shape == (1, 6, 35) and made.tokens.min() >= 0 and made.tokens.max() < 1024
    assert made.durations.sum() == 35 and made.frame_durations.sum() == 11
    assert torch.equal(made.tokens[:, 1:3], model.adapt(batch).logits.argmax(-1))  # prosody, content, acoustic
    torch.testing.assert_close(made.vt.sum(-1), torch.ones(1, 11))


def test_sampling_computes_nothing_twice(tiny, awake):
    """Per step: the blocks. Once a clip: everything else, AdaLN and the projections of the condition included."""
    model = awake(Stage2(tiny))
    modules = {"content": model.content.predictor, "synchronizer": model.synchronizer, "fapro": model.fapro}
    calls = dict.fromkeys((*modules, "block"), 0)
    for name, module in {**modules, "block": model.dfpa.dit.blocks[0].feed}.items():
        module.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls[name] + 1))
    speaker = []
    model.dfpa.speaker.register_forward_hook(lambda *_: speaker.append(1))
    modulations = []
    model.dfpa.dit.blocks[0].modulation.register_forward_hook(lambda m, a, out: modulations.append(out[0].shape))
    model.generate(dub_batch(tiny, (5, 10), (6, 8)), 7, [0, 1])
    assert calls == {"content": 1, "synchronizer": 1, "fapro": 1, "block": 7} and len(speaker) == 1
    assert modulations == [(7, 2, tiny.dit_dim)]


def test_bad_sampling_options(tiny, awake):
    model, batch = awake(Stage2(tiny)), dub_batch(tiny, (5, 10))
    for options, message in (
        ({"nfe": 0, "seeds": [0]}, "nfe"),
        ({"nfe": 1, "seeds": []}, "seeds"),
        ({"nfe": 1, "seeds": [0], "temperature": 0}, "temperature"),
    ):
        with pytest.raises(DubbenchError, match=message):
            model.generate(batch, **options)


def test_sixteen_bits_run(tiny, awake):
    model = awake(Stage2(tiny)).to(torch.bfloat16)
    made = model.generate(dub_batch(tiny, (5, 10), (6, 8)), 3, [0, 1])
    assert made.tokens.max() < 1024 and torch.isfinite(made.vt).all()


def test_training_runs_under_autocast(tiny, awake):
    teacher, model = teacher_and_student(tiny, awake)
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.train().losses(dub_batch(tiny, (5, 10), (6, 8)), teacher)
    losses["total"].backward()
    assert all(torch.isfinite(loss) and loss.dtype == torch.float32 for loss in losses.values())


def test_visual_statistics_travel_with_the_weights(tiny, awake):
    model = awake(Stage2(tiny))
    batch = dub_batch(tiny, (5, 10))
    base = model.adapt(batch).logits
    model.synchronizer.visual.fit(torch.full((6,), 3.0), torch.tensor([2.0] * 5 + [0.0]))
    weights = model.state_dict()
    assert weights["synchronizer.visual.mean"].tolist() == [3.0] * 6
    model = Stage2(tiny).eval()
    model.load_state_dict(weights)
    scaled = batch.lips.clone()
    scaled[..., :5] = scaled[..., :5] * 2
    scaled = scaled + 3
    torch.testing.assert_close(model.adapt(replace(batch, lips=scaled)).logits, base, **CLOSE)
