"""The sync expert's parts: what it reads, what is read off it, and that it learns."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from dubbench.datasets.toon.dataset import ToonDataset
from dubbench.errors import DubbenchError
from dubbench.metrics.sync_expert import signals as s
from dubbench.metrics.sync_expert.curve import REACH, curve, read
from dubbench.metrics.sync_expert.data import Seen, window
from dubbench.metrics.sync_expert.model import Expert, load_expert, save_expert
from dubbench.metrics.sync_expert.train import Settings, _Training, batch_of, judge, loss_of
from dubbench.signal.landmarks import LIP_FEATURES
from dubbench.training.features import CacheInfo, Features, pack


def mouth(frames: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.05, (frames, LIP_FEATURES)).astype(np.float32)


def made_up(seed: int, frames: int = 60) -> Seen:
    """Lips and sound that follow the same hidden movement."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99)
    hidden = np.apply_along_axis(lambda x: np.convolve(x, np.ones(5) / 5, "same"), 0, rng.normal(size=(frames, 4)))
    lips = hidden @ mixing.normal(size=(4, s.LIP_WIDTH))
    power = np.exp(np.repeat(hidden, s.PER_FRAME, 0) @ mixing.normal(size=(4, s.BANDS)))
    return Seen(f"c{seed}", "made-up", "s", lips.astype(np.float32), power.astype(np.float32), 10.0)


def test_mel_power_of_a_tone_is_that_of_a_hand_made_transform() -> None:
    t = np.arange(16000) / 16000
    samples = 0.5 * np.sin(2 * np.pi * 1000 * t)
    found = s.mel(samples)
    assert found.power.shape == (100, s.BANDS)
    frame = samples[8000 + 80 - 200 : 8000 + 80 + 200] * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400))
    spectrum = np.array([abs(np.sum(frame * np.exp(-2j * np.pi * k * np.arange(400) / 512))) ** 2 for k in range(257)])
    mels = np.linspace(2595 * np.log10(1 + 100 / 700), 2595 * np.log10(1 + 7500 / 700), s.BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    for band in (0, 9, 31):
        weights = [np.interp(k * 31.25, edges[band : band + 3], [0, 1, 0]) for k in range(257)]
        assert found.power[50, band] == pytest.approx(np.dot(weights, spectrum) / 100**2, rel=1e-4, abs=1e-9)
    assert edges[found.power[50].argmax()] < 1000 < edges[found.power[50].argmax() + 2]


def test_level_and_steady_sound() -> None:
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.normal(size=16000)
    assert not s.mel(noise).speech and not s.mel(np.zeros(16000)).speech and not s.mel(np.full(16000, 0.3)).speech
    bursts = noise * (np.sin(2 * np.pi * 2 * np.arange(16000) / 16000) > 0)
    heard = s.mel(bursts)
    assert heard.speech
    louder = s.mel(10 * bursts)
    assert louder.level - heard.level == pytest.approx(20, abs=0.01)
    np.testing.assert_allclose(
        s.mel_input(louder.power, louder.level), s.mel_input(heard.power, heard.level), atol=1e-3
    )


def test_lips_are_read_without_their_owner() -> None:
    lips = mouth()
    found = s.lip_input(lips)
    assert found.shape == (30, s.LIP_WIDTH)
    points = lips[:, :120].reshape(-1, 40, 3)
    order = np.r_[(10 - np.arange(20)) % 20, 20 + (10 - np.arange(20)) % 20]
    mirrored = (points[:, order] * [-1, 1, 1]).reshape(-1, 120)
    np.testing.assert_allclose(s.lip_input(mirrored), found, atol=1e-5)
    np.testing.assert_allclose(s.lip_input(3 * lips), found, atol=1e-4)
    np.testing.assert_allclose(s.lip_input(lips[:, :120]), found)
    moved = (points + np.array([0, 0.3, 0.1], np.float32)).reshape(-1, 120)
    np.testing.assert_allclose(s.lip_input(moved), found, atol=1e-4)
    assert np.isfinite(s.lip_input(np.zeros((3, 144), np.float32))).all()


def test_the_gap_of_closed_lips_is_zero() -> None:
    points = mouth()[:, :120].reshape(-1, 40, 3)
    upper = 20 + np.arange(19, 10, -1)
    points[:, upper] = points[:, 21:30]  # the upper edge on the lower one
    assert np.abs(s.lip_input(points.reshape(-1, 120))[:, -5:]).max() < 1e-6
    points[:, upper, 1] -= 0.1
    assert s.lip_input(points.reshape(-1, 120))[:, -5:].min() > 0.1


def test_other_rates_of_pictures() -> None:
    rows = np.arange(60, dtype=np.float32)[:, None] / 30
    np.testing.assert_allclose(s.interpolated(rows, 30.0)[:, 0], np.minimum(np.arange(50) / 25, 59 / 30), atol=1e-6)
    assert s.interpolated(rows, 25.0) is rows


def test_encoders_see_what_they_say() -> None:
    model = Expert(16)
    mels = torch.randn(1, 4 + 2 * s.MEL_CONTEXT, s.BANDS, requires_grad=True)
    lips = torch.randn(1, 1 + 2 * s.LIP_CONTEXT, s.LIP_WIDTH, requires_grad=True)
    for x, out in ((mels, model.hear(mels)), (lips, model.see(lips))):
        assert out.shape == (1, 1, 64) and out.norm().item() == pytest.approx(1, abs=1e-5)
        out[0, 0, 0].backward()
        assert x.grad is not None and (x.grad.abs().sum((0, 2)) > 0).all()


def test_the_curve_is_what_a_loop_gives() -> None:
    torch.manual_seed(0)
    model = Expert(16).eval()
    lips, mels = s.lip_input(mouth(20)), np.random.default_rng(1).normal(size=(70, s.BANDS)).astype(np.float32)
    found = curve(model, lips, mels)
    with torch.inference_mode():
        seen = model.see(torch.from_numpy(s.framed(lips, 0, 20))[None])[0]
        wanted = []
        for offset in range(-REACH, REACH + 1):
            heard = model.hear(torch.from_numpy(s.sounded(mels, offset, 20))[None])[0]
            wanted.append((seen - heard).norm(dim=1).mean().item())
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    told = read(found)
    assert told.distance == pytest.approx(wanted[REACH], abs=1e-5)
    assert told.offset == (np.argmin(wanted) - REACH) / 25
    assert told.confidence == pytest.approx(np.median(wanted) - min(wanted), abs=1e-5)


def test_sound_beyond_its_ends_is_quiet() -> None:
    mels = np.concatenate([np.full((36, s.BANDS), 2.0), np.full((4, s.BANDS), -3.0)]).astype(np.float32)
    got = s.sounded(mels, -2, 14)
    lead = 8 + s.MEL_CONTEXT
    np.testing.assert_array_equal(got[lead : lead + 40], mels)
    assert (got[:lead] == -3).all() and (got[lead + 40 :] == -3).all() and len(got) == 4 * 14 + 2 * s.MEL_CONTEXT


def test_windows_without_chance_are_the_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = made_up(0)
    monkeypatch.setattr("dubbench.metrics.sync_expert.data._other_voice", lambda clip, rng: clip.power)
    monkeypatch.setattr("dubbench.metrics.sync_expert.data._other_face", lambda lips, rng: lips)
    x = s.mel_input(clip.power, clip.level)
    for seed in range(5):
        lips, mels = window(clip, 20, np.random.default_rng(seed))
        starts = [t for t in range(41) if np.array_equal(lips, s.framed(clip.lips, t, 20))]
        assert len(starts) == 1
        np.testing.assert_array_equal(mels, s.sounded(x, starts[0] - REACH, 20 + 2 * REACH))


def test_it_learns_resumes_and_stops_at_what_is_no_number(tmp_path: Path) -> None:
    settings = Settings(steps=60, batch=12, width=24, average=0.9)
    clips = [made_up(i) for i in range(24)]
    meta = {"settings": {"width": 24}}
    whole = _Training(clips[:18], clips[18:], settings, tmp_path / "whole", meta)
    before = judge(Expert(24).eval(), clips[18:])["within_a_frame"]
    assert whole.fit(0, 20)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [20, 40, 60] and rows[-1]["loss"] < rows[0]["loss"]
    assert before < 0.5 and rows[-1]["within_a_frame"] == 1.0
    assert not _Training(clips[:18], clips[18:], settings, tmp_path / "cut", meta).fit(1e-9, 20)
    again = _Training(clips[:18], clips[18:], settings, tmp_path / "cut", meta)
    assert again.step == 1 and again.fit(0, 20)
    files = [(tmp_path / run / "expert.safetensors").read_bytes() for run in ("whole", "cut")]
    assert files[0] == files[1]
    with pytest.raises(DubbenchError, match="begun with other settings"):
        _Training(clips[:18], clips[18:], settings, tmp_path / "cut", {"settings": {"width": 32}})
    ill = [Seen(c.clip, c.dataset, c.speaker, c.lips * np.float32(np.nan), c.power, c.level) for c in clips]
    with pytest.raises(DubbenchError, match="step 1: loss nan"):
        _Training(ill, [], settings, tmp_path / "ill", meta).fit(0, 20)


def test_the_loss_asks_for_the_moment_among_offsets_and_clips() -> None:
    settings = Settings(batch=4)
    model = Expert(16)
    lips, mels = batch_of([made_up(i) for i in range(4)], settings, 3)
    length = lips.shape[1] - 2 * s.LIP_CONTEXT
    seen, heard = model.see(lips), model.hear(mels)
    sharp = model.scale.exp() * (length / 25) ** 0.5
    wanted = []
    for b in range(4):
        own = [(seen[b] * heard[b, o : o + length]).sum(1).mean() for o in range(31)]
        others = [(seen[b] * heard[c, 15 : 15 + length]).sum(1).mean() for c in range(4) if c != b]
        logs = torch.log_softmax(sharp * torch.stack(own + others), 0)
        wanted.append(-(0.15 * logs[14] + 0.7 * logs[15] + 0.15 * logs[16]))
    assert loss_of(model, lips, mels).item() == pytest.approx(torch.stack(wanted).mean().item(), rel=1e-4)


def test_weights_tell_where_they_are_from(tmp_path: Path) -> None:
    path = tmp_path / "expert.safetensors"
    model = Expert(16).eval()
    save_expert({k: v.half() for k, v in model.state_dict().items()}, {"settings": {"width": 16}, "a": 1}, path)
    loaded, meta = load_expert(path)
    assert meta["a"] == 1
    for name, x in loaded.state_dict().items():
        torch.testing.assert_close(x, model.state_dict()[name].half().float())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DubbenchError, match="damaged"):
        load_expert(path)
    with pytest.raises(DubbenchError, match="no such weights"):
        load_expert(tmp_path / "none")


def test_train_sync_from_the_command_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        Features(
            clip=clip.id,
            speaker=clip.speaker,
            text=clip.text,
            aligned="exact",
            tokens=np.zeros((6, 4), np.int16),
            phonemes=np.zeros(1, np.uint8),
            durations=np.ones(1, np.float32),
            voice=np.zeros(256, np.float32),
            lips=rng.normal(0, 0.05, (70, LIP_FEATURES)).astype(np.float32),
            face=np.zeros((70, 75), np.float32),
        )
        for clip in ToonDataset().clips()[:12]
    ]
    pack(rows, CacheInfo("toon", "train", "world", "0" * 64, "landmarks")).save(tmp_path / "toon.safetensors")

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        options = ["--features", str(tmp_path / "toon.safetensors"), "--out", str(tmp_path / "run"), *arguments]
        return subprocess.run(
            [sys.executable, "-m", "dubbench", "train", "sync", *options], capture_output=True, text=True, check=False
        )

    done = call("--steps", "2")
    assert done.returncode == 0, done.stderr
    with safe_open(tmp_path / "run" / "expert.safetensors", "np") as file:
        meta = json.loads(file.metadata()["dubbench"])
    assert meta["clips"] == {"train": 11, "validation": 1}
    assert list(meta["landmarks"]) == ["toon train"] and meta["licences"]["toon"]
    assert meta["commands"][-1].startswith("dubbench train sync --features toon.safetensors")
    wrong = call("--speakers", "grid=s1")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "NAME=S1,S2" in wrong.stderr
