import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_cache import cache, write_cache

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.config import configuration
from dubbench.systems.diflowdubber.features import Cache
from dubbench.systems.diflowdubber.training import checkpoint
from dubbench.systems.diflowdubber.training.data import Corpus, Order, dub_item, step_generator, tts_item
from dubbench.systems.diflowdubber.training.launch import launcher
from dubbench.systems.diflowdubber.training.log import read_log
from dubbench.systems.diflowdubber.training.loop import Settings
from dubbench.systems.diflowdubber.training.objective import Objective, with_widths
from dubbench.systems.diflowdubber.training.optimise import Average, learning_rate
from dubbench.systems.diflowdubber.training.run import Job, Machine, estimate, train
from dubbench.systems.diflowdubber.training.samples import attention_picture, write_png

CPU = Machine("cpu", "plain")
MODULE = ["-m", "dubbench.systems.diflowdubber.training"]


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def teacher(features, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("teacher") / "run"
    train(Job("tts", configuration("tiny"), [features], run, 1), Settings(steps=4), CPU)
    return run


def losses(run: Path, what: str = "train") -> list[dict[str, float]]:
    return [line for line in read_log(run / "log.jsonl") if line["what"] == what]


def command(stage: str, features: Path, run: Path, *more: object) -> list[str]:
    fixed = ["--config", "tiny", "--hold-out", "2", "--device", "cpu", "--engine", "plain"]
    return [sys.executable, *MODULE, stage, "--cache", str(features), "--out", str(run), *fixed, *map(str, more)]


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


@pytest.mark.slow
def test_two_processes_share_a_batch(features, tmp_path):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    run = tmp_path / "run"
    done = subprocess.run(
        [*torchrun, *command("tts", features, run, "--steps", 4, "--validate-every", 2)[1:]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line["step"] for line in losses(run)] == [1, 2, 3, 4]
    assert checkpoint.read_meta(checkpoint.find(run))["training"]["world"] == 2


def test_nothing_but_torch_numpy_and_safetensors_is_needed(features, teacher, tmp_path):
    """The caches travel to a GPU machine that has no more than that."""
    allowed = {"torch", "numpy", "safetensors", "dubbench"}
    blocker = f"""
import sys
allowed = {allowed!r} | set(sys.stdlib_module_names)
torch_needs = {{"sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock", "typing_extensions"}}
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in allowed | torch_needs or top.startswith(("_", "nvidia", "triton")):
            return None
        if top in {{"lightning_fabric", "lightning", "tensorboard", "typer", "click", "rich", "pydantic", "av", "scipy",
                   "soundfile", "soxr", "pyworld", "pocketsphinx", "mediapipe", "cv2", "librosa", "pyarrow",
                   "platformdirs", "resemblyzer", "matplotlib"}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
import importlib.util
found = importlib.util.find_spec
def find_spec(name, package=None):
    try:
        return found(name, package)
    except ModuleNotFoundError:
        return None
importlib.util.find_spec = find_spec
import runpy
sys.argv = ["train"] + sys.argv[1:]
runpy.run_module("dubbench.systems.diflowdubber.training", run_name="__main__")
"""
    options = ["--steps", "3", "--teacher", str(teacher), "--validate-every", "3"]
    arguments = [x for x in command("dub", features, tmp_path / "run", *options)[3:] if x not in ("--engine", "plain")]
    done = subprocess.run([sys.executable, "-c", blocker, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(losses(tmp_path / "run")) == 3 and not (tmp_path / "run" / "tensorboard").exists()


# Bad input.


def test_a_missing_teacher_is_said(features, tmp_path):
    with pytest.raises(DubbenchError, match="give it with --teacher, or use --ablation no-distill"):
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


def test_bad_options_are_one_line(features, tmp_path):
    missing = subprocess.run(
        command("tts", tmp_path / "nothing", tmp_path / "run"), capture_output=True, text=True, check=False
    )
    assert missing.returncode == 2
    assert re.fullmatch(r"dubbench: .*no such features; make them with: dubbench train features\n", missing.stderr)


# Batches.


def test_an_epoch_takes_every_clip_once():
    order = Order(np.arange(10, 47), 5, seed=1)
    assert order.per_epoch == 7
    epochs = [[order.step(step) for step in range(start, start + 7)] for start in (0, 7)]
    for batches in epochs:
        assert all(len(batch) == 5 for batch in batches)
        assert max(Counter(np.concatenate(batches).tolist()).values()) == 1
    assert not all(np.array_equal(a, b) for a, b in zip(*epochs, strict=True))
    fresh = Order(np.arange(10, 47), 5, seed=1)
    assert all(np.array_equal(fresh.step(step), epochs[1][step - 7]) for step in (9, 8, 13))
    assert len(Order(np.arange(3), 5, seed=1).step(11)) == 3


def test_clips_of_like_length_come_together():
    lengths = np.random.default_rng(0).permutation(640)
    order = Order(lengths, 8, seed=0)
    spread = [np.ptp(lengths[batch]) for batch in order.epoch(0)]
    assert np.median(spread) < 60


def test_the_reference_is_another_clip_of_the_speaker():
    corpus = Corpus.of([cache(12)])
    voices = {tuple(clip.voice.tolist()): clip for clip in map(corpus.__getitem__, range(12))}
    config = configuration("tiny", lip_dim=12, face_dim=5)
    rng = step_generator(0, 1, 0)
    seen = set()
    for _ in range(20):
        for make in (tts_item, dub_item):
            item = make(corpus, 4, rng, config)
            source = voices[tuple(item.speaker.tolist())]
            assert source.speaker == corpus[4].speaker and source.clip != corpus[4].clip
            seen.add(source.clip)
            if make is tts_item:
                windows = np.lib.stride_tricks.sliding_window_view(source.tokens, item.reference.shape[1], axis=1)
                assert (windows == item.reference[:, None]).all((0, 2)).any()
    assert len(seen) == 3


def test_a_lone_speaker_gets_no_tokens_of_its_own():
    from synthetic_cache import features as make_features

    from dubbench.systems.diflowdubber.features import CacheInfo, pack

    info = CacheInfo("made-up", "train", "none", "0" * 64, "landmarks")
    corpus = Corpus.of([pack([make_features(0, "a"), make_features(1, "b")], info)])
    assert tts_item(corpus, 0, np.random.default_rng(0), configuration("tiny")).reference.shape == (6, 0)


def test_statistics_are_those_of_all_frames():
    corpus = Corpus.of([cache(5), cache(3)])
    found = corpus.visual_statistics()
    for name in ("lips", "face"):
        every = np.concatenate([getattr(corpus[i], name) for i in range(8)])
        np.testing.assert_allclose(found[name][0], every.mean(0), atol=1e-5)
        np.testing.assert_allclose(found[name][1], every.std(0), rtol=1e-4)


# Small parts.


def test_the_learning_rate_warms_up_and_falls():
    training = configuration("tiny").tts
    rates = [learning_rate(step, 200, training, "cosine") for step in range(1, 201)]
    warm = round(200 * training.warmup)
    assert np.argmax(rates) == warm - 1 and rates[warm - 1] == training.learning_rate
    assert np.allclose(np.diff(rates[:warm]), training.learning_rate / warm)
    assert np.isclose(rates[-1], 0.02 * training.learning_rate) and (np.diff(rates[warm:]) < 0).all()
    assert learning_rate(200, 200, training, "constant") == training.learning_rate


def test_the_average_follows_its_recurrence():
    layer = torch.nn.Linear(2, 1, bias=False)
    average = Average(layer, 0.5)
    expected = layer.weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            layer.weight.add_(step)
        average.update(layer, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    torch.testing.assert_close(average.weights["weight"], expected)


def test_samples_are_spoken_and_drawn(monkeypatch, tmp_path):
    import soundfile

    from dubbench.systems.diflowdubber.training.samples import Sampler

    class FakeCodec:
        name, digest = "fake", "0" * 64

        def decode(self, tokens):
            return np.repeat(tokens.prosody[0] / 1024, 200).astype(np.float32)

    monkeypatch.setattr("dubbench.systems.diflowdubber.codecs.open_codec", lambda spec: FakeCodec())
    corpus = Corpus.of([cache(5)])
    config = with_widths(configuration("tiny", distill=False), corpus, "dub")
    Sampler(corpus, tmp_path, "fake", torch.device("cpu"))(Objective("dub", config), 7)
    names = sorted(p.name for p in (tmp_path / "00000007").iterdir())
    wanted = [f"clip-0{i}{end}" for i in range(3) for end in ("-st.png", "-vt.png", ".wav")]
    assert names == sorted(wanted)
    assert soundfile.info(tmp_path / "00000007" / "clip-00.wav").frames == corpus.lengths[0] * 200
    monkeypatch.setattr(FakeCodec, "digest", "1" * 64)
    with pytest.raises(DubbenchError, match="not the one that made the features"):
        Sampler(corpus, tmp_path, "fake", torch.device("cpu"))


def test_pictures_are_png(tmp_path):
    import cv2

    weights = np.random.default_rng(0).uniform(size=(7, 3))
    grey = attention_picture(weights, zoom=2)
    write_png(tmp_path / "x.png", grey)
    assert np.array_equal(cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_GRAYSCALE), grey)
    assert grey.shape == (6, 14)
    top = weights[2].argmax()  # the likeliest phoneme of frame 2 is white, counted from below
    assert grey[5 - 2 * top, 4] == 255


def test_a_log_cut_off_by_a_kill_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": 2, "to', "utf-8")
    assert read_log(path) == [{"step": 1}]
