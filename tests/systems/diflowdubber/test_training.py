"""Runs of training: killed and resumed, what comes out, what is refused."""

import math
import os
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_cache import cache, write_cache
from training_runs import CPU, command, losses

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.training.data import Corpus
from dubbench.systems.diflowdubber.training.launch import launcher
from dubbench.systems.diflowdubber.training.load import release
from dubbench.systems.diflowdubber.training.objective import Objective, with_widths
from dubbench.systems.diflowdubber.training.options import Settings
from dubbench.systems.diflowdubber.training.run import Job, Machine, estimate, train
from dubbench.training import checkpoint
from dubbench.training.features import Cache

# Kill and resume.


def test_killed_and_resumed_is_the_same_as_straight(features, teacher, tmp_path):
    killed = tmp_path / "killed"
    options = ("--steps", 30, "--validate-every", 10, "--save-every", 7, "--teacher", teacher)
    process = subprocess.Popen(command("dub", features, killed, *options))
    job = Job("dub", configuration("tiny"), [features], tmp_path / "straight", 2, teacher)
    settings = Settings(steps=30, validate_every=10, save_every=7)
    train(job, settings, CPU)
    log = killed / "log.jsonl"
    while process.poll() is None and not (log.is_file() and len(log.read_text("utf-8").splitlines()) >= 19):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    stopped = losses(killed)[-1]["step"]
    assert stopped < 30, "it ended before it was killed"
    train(replace(job, run=killed), settings, CPU)
    one, two = ((tmp_path / name / "log.jsonl").read_text("utf-8") for name in ("straight", "killed"))
    assert one == two and len(one.splitlines()) == 33  # 30 steps and 3 validations
    ends = [tmp_path / name / "checkpoints" / "step-00000030" for name in ("straight", "killed")]
    for group in ("model", "ema", "optimiser"):
        a, b = (checkpoint.read(end, group) for end in ends)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_it_stops_in_order_when_its_time_is_over(features, tmp_path):
    run = tmp_path / "run"
    job = Job("tts", configuration("tiny"), [features], run, 2)
    first = train(job, Settings(steps=6, seconds=1e-9), CPU)
    assert not first.ended and checkpoint.read_meta(first.checkpoint)["step"] == 1
    assert train(job, Settings(steps=6), CPU).ended
    whole = tmp_path / "whole"
    train(Job("tts", configuration("tiny"), [features], whole, 2), Settings(steps=6), CPU)
    assert losses(run) == losses(whole)


def test_a_finished_run_is_left_alone(features, tmp_path):
    job = Job("tts", configuration("tiny"), [features], tmp_path / "run", 2)
    train(job, Settings(steps=2), CPU)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    assert train(job, Settings(steps=2), CPU).ended
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_run_goes_on_under_its_own_settings_alone(features, tmp_path):
    job = Job("tts", configuration("tiny"), [features], tmp_path / "run", 2)
    train(job, Settings(steps=2), CPU)
    with pytest.raises(DubbenchError, match=r"begun with another training \(seed: 0, now 1\)"):
        train(job, Settings(steps=2, seed=1), CPU)
    other = Job("tts", configuration("tiny", hidden=52), [features], tmp_path / "run", 2)
    with pytest.raises(DubbenchError, match=r"begun with another config \(hidden: 48, now 52\)"):
        train(other, Settings(steps=2), CPU)


# What comes out.


def test_old_checkpoints_go_and_the_best_stays(features, tmp_path):
    settings = Settings(steps=12, save_every=2, validate_every=3, keep=2)
    done = train(Job("tts", configuration("tiny"), [features], tmp_path, 2), settings, CPU)
    judged = {line["step"]: line["total"] for line in losses(tmp_path, "validation")}
    best = min(judged, key=judged.__getitem__)
    assert done.checkpoint.name == f"step-{best:08}" and sorted(judged) == [3, 6, 9, 12]
    left = {p.name for p in checkpoint.steps_of(tmp_path)}
    assert left == {f"step-{step:08}" for step in {10, 12, best}}
    meta = checkpoint.read_meta(done.checkpoint)
    assert meta["held_out"] and meta["features"][0]["sha256"] == Cache.load(features).digest


def test_it_learns_and_says_how_well(features, teacher, tmp_path):
    job = Job("dub", configuration("tiny"), [features], tmp_path, 2, teacher)
    train(job, Settings(steps=40, validate_every=40, average=0.9), CPU)
    steps = losses(tmp_path)
    names = {"content", "flow", "ctc", "distill", "vt", "st", "total", "norm", "rate", "step", "what"}
    assert set(steps[0]) == names
    assert np.mean([s["total"] for s in steps[-5:]]) < 0.8 * steps[0]["total"]
    (judged,) = losses(tmp_path, "validation")
    assert 0 <= judged["accuracy"] <= 1 and judged["boundary_ms"] >= 0
    pictures = sorted(p.name for p in (tmp_path / "samples" / "00000040").iterdir())
    assert len(pictures) == 2 and pictures[0].endswith("-st.png")


def test_a_loss_that_is_no_number_stops_with_the_last_checkpoint_kept(features, tmp_path, monkeypatch):
    job = Job("tts", configuration("tiny"), [features], tmp_path, 2)
    forward = Objective.forward

    def broken(self, given):  # type: ignore[no-untyped-def]
        found = forward(self, given)
        broken.calls += 1
        return {k: v * math.nan for k, v in found.items()} if broken.calls == 7 else found

    broken.calls = 0
    monkeypatch.setattr(Objective, "forward", broken)
    with pytest.raises(DubbenchError, match=r"stopped at step 7: .*total nan.*last good checkpoint is .*step-00000005"):
        train(job, Settings(steps=20, save_every=5), CPU)
    state = checkpoint.read(tmp_path / "checkpoints" / "step-00000005", "model")
    assert all(torch.isfinite(x).all() for x in state.values())
    monkeypatch.setattr(Objective, "forward", forward)
    assert train(job, Settings(steps=20, save_every=5), CPU).ended


def test_estimate_writes_nothing(features, teacher, tmp_path):
    found = estimate(Job("dub", configuration("tiny"), [features], tmp_path / "run", 2, teacher), Settings(), CPU, 2)
    assert found["steps"] == 200 and found["steps_per_second"] > 0 and found["memory_gib"] > 0.05
    assert math.isclose(found["hours"], 200 / found["steps_per_second"] / 3600)
    assert not (tmp_path / "run").exists()


def test_fabric_and_plain_torch_make_the_same_steps(features, tmp_path):
    pytest.importorskip("lightning_fabric")
    for engine in ("plain", "fabric"):
        job = Job("tts", configuration("tiny"), [features], tmp_path / engine, 2)
        train(job, Settings(steps=3), Machine("cpu", engine))
    assert losses(tmp_path / "plain") == losses(tmp_path / "fabric")


def test_every_trained_weight_gets_a_gradient(features, teacher):
    """Otherwise a run on several GPUs would hang or fail."""
    from dubbench.systems.diflowdubber.training.objective import Given, read_teacher

    corpus = Corpus.of([Cache.load(features)])
    config = with_widths(configuration("tiny"), corpus, "dub")
    for stage in ("tts", "dub"):
        objective = Objective(stage, config, read_teacher(teacher, config)[0] if stage == "dub" else None)
        batch = objective.batch(corpus, range(4), np.random.default_rng(0))
        objective(Given(batch, objective.noise(batch)))["total"].backward()
        bare = [n for n, p in objective.model.named_parameters() if p.requires_grad and p.grad is None]
        assert bare == []


def test_a_run_begins_with_another_ones_weights(features, teacher, tmp_path):
    tiny = configuration("tiny")
    first = Job("dub", tiny, [features], tmp_path / "first", 2, teacher)
    train(first, Settings(steps=40, validate_every=40), CPU)
    before = checkpoint.read(checkpoint.find(first.run), "ema")
    second = replace(first, run=tmp_path / "second", init=first.run)
    train(second, Settings(steps=1, validate_every=1), CPU)
    meta = checkpoint.read_meta(checkpoint.find(second.run))
    assert meta["init"]["step"] == 40 and meta["init"]["features"] == meta["features"]
    after = checkpoint.read(checkpoint.find(second.run), "model")
    step = tiny.dub.learning_rate  # the first step of AdamW moves a weight by about this at most
    assert all((after[name] - x).abs().max() <= 3 * step for name, x in before.items() if x.is_floating_point())
    assert losses(second.run)[0]["total"] < 0.9 * losses(first.run)[0]["total"]
    with pytest.raises(DubbenchError, match="begun with another init"):
        train(replace(second, init=None), Settings(steps=1), CPU)
    release(checkpoint.find(first.run), tmp_path / "released")
    with pytest.raises(DubbenchError, match=r"released: weights of another configuration: .* is missing"):
        train(replace(second, run=tmp_path / "third", init=tmp_path / "released"), Settings(steps=1), CPU)
    with pytest.raises(DubbenchError, match="a checkpoint of stage 'dub'; 'tts' is wanted"):
        train(Job("tts", tiny, [features], tmp_path / "other", 2, init=first.run), Settings(steps=1), CPU)


# Bad input.


def test_a_missing_teacher_is_said(features, tmp_path):
    with pytest.raises(DubbenchError, match="give it with --teacher; to train without one"):
        train(Job("dub", configuration("tiny"), [features], tmp_path, 2), Settings(), CPU)
    other = tmp_path / "other"
    train(Job("tts", configuration("tiny", hidden=52), [features], other, 2), Settings(steps=1), CPU)
    with pytest.raises(DubbenchError, match="does not fit the configuration tiny"):
        train(Job("dub", configuration("tiny"), [features], tmp_path / "dub", 2, other), Settings(), CPU)


def test_a_teacher_of_another_codec_is_refused(features, teacher):
    from dubbench.systems.diflowdubber.training.objective import read_teacher

    known = Cache.load(features).info.codec_digest
    assert read_teacher(teacher, configuration("tiny"), known)[0] is not None
    with pytest.raises(DubbenchError, match="speaks tokens of the codec 000000000000, but the features are of 1111"):
        read_teacher(teacher, configuration("tiny"), "1" * 64)


def test_an_unknown_device_is_refused(features, tmp_path):
    with pytest.raises(DubbenchError, match="--device gpu: expected auto, cpu, cuda or cuda:N"):
        train(Job("tts", configuration("tiny"), [features], tmp_path, 2), Settings(steps=1), Machine("gpu"))


def test_a_validation_that_is_no_number_is_never_the_best(features, tmp_path, monkeypatch):
    from dubbench.systems.diflowdubber.training import loop

    totals = iter([3.0, math.nan, 4.0])
    monkeypatch.setattr(loop, "judge", lambda *_: {"total": next(totals)})
    train(Job("tts", configuration("tiny"), [features], tmp_path, 2), Settings(steps=3, validate_every=1), CPU)
    best = checkpoint.best_of(tmp_path)
    assert best is not None and best.name == "step-00000001"


def test_features_without_video_train_stage_1_alone(teacher, tmp_path):
    path = write_cache(tmp_path, visual="none")
    train(Job("tts", configuration("tiny"), [path], tmp_path / "tts", 1), Settings(steps=1), CPU)
    with pytest.raises(DubbenchError, match="stage 2 needs lips and face"):
        train(Job("dub", configuration("tiny"), [path], tmp_path / "dub", 1, teacher), Settings(), CPU)


def test_features_of_two_codecs_do_not_mix():
    one, two = cache(3), cache(3)
    two.info = replace(two.info, codec_digest="1" * 64)
    with pytest.raises(DubbenchError, match="features of one codec; these are of 2"):
        Corpus.of([one, two])


def test_an_engine_or_device_that_is_not_here_is_said(monkeypatch):
    with pytest.raises(DubbenchError, match="no engine 'horovod'"):
        launcher("horovod", "cpu", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DubbenchError, match="torch sees no GPU here"):
        launcher("plain", "cuda", False)
