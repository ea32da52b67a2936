"""The verbs around DiFlowDubber, from recordings to a dubbed clip."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dubbench.datasets.toon.dataset import ToonDataset
from dubbench.signal.media import probe, read_audio, write_wav
from dubbench.training import checkpoint
from dubbench.training.features import Cache


def call(*arguments: object, status: int = 0) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [sys.executable, "-m", "dubbench", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A codec and features of some of toon's clips."""
    folder = tmp_path_factory.mktemp("work")
    call("codec", "fit", "--dataset", "toon", "--limit", 12, "--out", folder / "codec.safetensors")
    making = ("--limit", 5, "--codec", folder / "codec.safetensors", "--out", folder / "toon.safetensors")
    call("train", "features", "--dataset", "toon", *making)
    return folder


def test_from_recordings_to_a_dubbed_clip(work: Path) -> None:
    features = Cache.load(work / "toon.safetensors")
    assert len(features) == 5 and features.info.problems == {} and features.info.visual == "landmarks"
    assert {row[3] for row in features.info.clips} == {"exact"}
    common = ("--config", "tiny", "--features", work / "toon.safetensors", "--codec", work / "codec.safetensors")
    options = (*common, "--hold-out", 1, "--steps", 3, "--device", "cpu")
    told = call("train", "tts", *options, "--out", work / "tts", "--estimate").stdout
    assert "parameters, 5 clips, 3 steps" in told and "hours" in told and not (work / "tts").exists()
    call("train", "tts", *options, "--out", work / "tts")
    call("train", "dub", *options, "--teacher", work / "tts", "--out", work / "dub")
    call("train", "release", work / "dub", "--codec", work / "codec.safetensors", "--out", work / "release")
    clip = ToonDataset().clips()[0]
    out = work / "out.mp4"
    spec = f"diflowdubber(checkpoint={work / 'release'}, nfe=2)"
    reference = ToonDataset().clips()[1].audio
    told = call("dub", clip.video, "--text", "bin blue", "--reference", reference, "-o", out, "-s", spec).stdout
    assert "frontend" in told and probe(out).frames == probe(clip.video).frames
    sound = read_audio(out)
    assert abs(len(sound) / 16000 - probe(clip.video).duration) < 0.1 and np.abs(sound).max() > 0
    failed = call("dub", clip.video, "--text", "", "--reference", reference, "-o", out, "-s", spec, status=2)
    assert failed.stderr.startswith("dubbench: ") and failed.stderr.count("\n") == 1
    silence = work / "silence.wav"
    write_wav(silence, np.zeros(16000, np.float32), 16000)
    failed = call("dub", clip.video, "--text", "bin", "--reference", silence, "-o", out, "-s", spec, status=2)
    assert failed.stderr.startswith(f"dubbench: {silence}: silent")
    text = work / "out.txt"
    failed = call("dub", clip.video, "--text", "bin", "--reference", reference, "-o", text, "-s", spec, status=2)
    assert "write an .mp4" in failed.stderr and not text.exists()
    failed = call("train", "dub", *options, "--no-pretraining", "--teacher", work, "--out", work / "x", status=2)
    assert "leave --teacher out" in failed.stderr


def test_parts_and_the_whole(work: Path) -> None:
    if not (work / "release").exists():
        pytest.skip("needs the release of the test before")
    call("train", "repack", work / "release", "--part", 0.5, "--out", work / "parts")
    call("train", "repack", work / "parts", "--part", 0, "--out", work / "whole")
    assert checkpoint.read(work / "whole", "model").keys() == checkpoint.read(work / "release", "model").keys()
    assert checkpoint.weights_digest(work / "whole") == checkpoint.weights_digest(work / "release")


def test_what_is_missing_is_one_line(work: Path, tmp_path: Path) -> None:
    lost = call("train", "tts", "--config", "tiny", "--out", tmp_path / "run", status=2)
    assert lost.stderr == "dubbench: give --features FILE (from: dubbench train features), or --dataset NAME\n"
    lost = call("train", "features", "--codec", tmp_path / "none", "--out", tmp_path / "x.safetensors", status=2)
    assert "no such codec; make one with: dubbench codec fit" in lost.stderr
