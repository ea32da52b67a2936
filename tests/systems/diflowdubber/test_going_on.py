"""Runs that are interrupted, lengthened, or short of memory."""

import os
import signal
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import CPU, command, losses

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.training.data import Corpus
from dubbench.systems.diflowdubber.training.launch import Plain
from dubbench.systems.diflowdubber.training.loop import Trainer
from dubbench.systems.diflowdubber.training.objective import Objective
from dubbench.systems.diflowdubber.training.options import Settings
from dubbench.systems.diflowdubber.training.run import Job, train
from dubbench.training import checkpoint
from dubbench.training.features import Cache


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(features, tmp_path, number, status):
    run = tmp_path / "run"
    options = ("--steps", 100_000, "--save-every", 100_000, "--validate-every", 100_000)
    process = subprocess.Popen(
        command("tts", features, run, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    log = run / "log.jsonl"
    while process.poll() is None and not (log.is_file() and len(log.read_text("utf-8").splitlines()) >= 3):
        time.sleep(0.02)
    os.kill(process.pid, number)
    told, warned = process.communicate(timeout=60)
    assert process.returncode == status, warned
    step = checkpoint.read_meta(checkpoint.steps_of(run)[-1])["step"]
    assert step == losses(run)[-1]["step"] >= 3
    assert f"{number.name}: a checkpoint follows" in warned
    assert told.strip() == f"ended by {number.name}; step {step} is done and saved, the same command goes on from there"


def test_a_run_can_be_lengthened(features, tmp_path, capfd):
    job = Job("tts", configuration("tiny"), [features], tmp_path / "run", 2)
    train(job, Settings(steps=4, decay="constant"), CPU)
    done = train(job, Settings(steps=7, decay="constant"), CPU)
    assert done.ended and done.step == 7
    assert "7 steps instead of 4; the learning rate follows the new number from step 4 on" in capfd.readouterr().err
    meta = checkpoint.read_meta(checkpoint.steps_of(job.run)[-1])
    assert meta["training"]["total"] == 7 and meta["training"]["changes"] == [{"step": 4, "from": 4, "to": 7}]
    longer = replace(job, config=configuration("tiny", **{"tts.steps": 9}))
    assert train(longer, Settings(decay="constant"), CPU).step == 9
    with pytest.raises(DubbenchError, match="has 9 steps already, more than 5"):
        train(job, Settings(steps=5, decay="constant"), CPU)
    whole = replace(job, run=tmp_path / "whole")  # the same batches as if it had been so long from the start
    train(whole, Settings(steps=9, decay="constant"), CPU)
    assert [line["step"] for line in losses(job.run)] == [line["step"] for line in losses(whole.run)]
    assert losses(job.run)[0]["total"] == losses(whole.run)[0]["total"]


def test_a_batch_in_parts_makes_the_same_steps(features, tmp_path):
    config = configuration("tiny", **{"tts.batch": 6})
    seen = []
    for parts in (1, 3):
        run = tmp_path / str(parts)
        train(Job("tts", config, [features], run, 2), Settings(steps=4, accumulate=parts), CPU)
        seen.append([line["total"] for line in losses(run)])
    np.testing.assert_allclose(*seen, rtol=0.03)  # means over tokens are taken in each part
    assert seen[0] != seen[1]


def test_where_memory_ends_the_batch_is_halved_and_said(features, tmp_path, monkeypatch, capfd):
    forward, sizes = Objective.forward, []

    def small(self, given):  # type: ignore[no-untyped-def]
        sizes.append(len(given.batch.phonemes))
        if sizes[-1] > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, given)

    limit = 2
    monkeypatch.setattr(Objective, "forward", small)
    config = configuration("tiny", **{"tts.batch": 6})
    done = train(Job("tts", config, [features], tmp_path / "run", 2), Settings(steps=3), CPU)
    assert done.ended and set(sizes[-3:]) <= {1, 2}
    assert "out of memory at step 1: each batch is now computed in 4 parts" in capfd.readouterr().err
    limit = 0
    with pytest.raises(DubbenchError, match="out of memory at step 1 with 1 clips at once; there was no checkpoint"):
        train(Job("tts", config, [features], tmp_path / "none", 2), Settings(steps=3), CPU)


def test_a_batch_may_be_that_of_each_gpu(features, tmp_path):
    class Two(Plain):
        def setup(self, module):  # type: ignore[no-untyped-def]
            return module

    launched = Two("cpu", False)
    launched.world = 2
    corpus = Corpus.of([Cache.load(features)])
    for each, size in ((False, 4), (True, 8)):
        objective = Objective("tts", configuration("tiny", **{"tts.per_gpu": each}))
        trainer = Trainer(objective, corpus, corpus, launched, Settings(steps=1), tmp_path, {})
        assert trainer.order.batch == size and len(trainer.batch(0)[0].phonemes) == size // 2
