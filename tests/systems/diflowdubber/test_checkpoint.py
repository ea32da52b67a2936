import json
from pathlib import Path

import pytest
import torch

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.config import Config
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.stage1 import Stage1
from dubbench.systems.diflowdubber.stage2 import Stage2
from dubbench.systems.diflowdubber.training.load import load_model, release
from dubbench.training import checkpoint


@pytest.fixture
def saved(tiny: Config, tmp_path: Path) -> Path:
    model = Stage2(tiny)
    average = {name: x + 1 if x.is_floating_point() else x for name, x in model.state_dict().items()}
    folder = tmp_path / "step"
    groups = {"model": model.state_dict(), "ema": average}
    checkpoint.write(folder, groups, {"stage": "dub", "config": tiny.to_dict(), "step": 3, "codec": {"name": "none"}})
    return folder


def test_a_model_comes_back_with_its_average(saved, tiny):
    model, meta = load_model(saved, "dub")
    own, _ = load_model(saved, "dub", average=False)
    assert model.config == tiny and meta["step"] == 3 and not model.training
    assert all(torch.equal(a, b + 1) for a, b in zip(model.parameters(), own.parameters(), strict=True))


def test_parts_hold_the_same_and_are_small(saved, tmp_path):
    checkpoint.repack(saved, tmp_path / "parts", 300_000)
    files = [p for p in (tmp_path / "parts").iterdir() if p.suffix == ".safetensors"]
    assert len(files) > 4 and max(p.stat().st_size for p in files) <= 300_000
    checkpoint.repack(tmp_path / "parts", tmp_path / "whole", None)
    for group in ("model", "ema"):
        a, b = checkpoint.read(saved, group), checkpoint.read(tmp_path / "whole", group)
        assert list(sorted(a)) == list(sorted(b)) and all(torch.equal(a[k], b[k]) for k in a)
    assert checkpoint.read_meta(tmp_path / "whole")["codec"] == {"name": "none"}
    with pytest.raises(DubbenchError, match=r"MiB; parts of .* MiB cannot hold it"):
        checkpoint.repack(saved, tmp_path / "tiny-parts", 100_000)
    assert not (tmp_path / "tiny-parts").exists()


def test_a_release_is_the_average_in_half_precision(saved, tmp_path):
    release(saved, tmp_path / "release")
    model, _ = load_model(tmp_path / "release", "dub")
    full, _ = load_model(saved, "dub")
    own, wanted = dict(model.named_parameters()), dict(full.named_parameters())
    assert model.ctc is None and set(wanted) - set(own) == {"ctc.weight", "ctc.bias"}
    assert all(torch.equal(x, wanted[name].half().float()) for name, x in own.items())
    size = sum(p.stat().st_size for p in (tmp_path / "release").iterdir())
    assert size < 0.3 * sum(p.stat().st_size for p in saved.iterdir())


def test_the_digest_follows_the_weights(saved, tmp_path, tiny):
    again, other = tmp_path / "again", tmp_path / "other"
    meta = {"stage": "dub", "config": tiny.to_dict()}
    state = {group: checkpoint.read(saved, group) for group in ("model", "ema")}
    checkpoint.write(again, state, meta)
    assert checkpoint.weights_digest(again) == checkpoint.weights_digest(saved)
    name = next(iter(state["model"]))
    state["model"][name] = state["model"][name] + 1e-3
    checkpoint.write(other, state, meta)
    assert checkpoint.weights_digest(other) != checkpoint.weights_digest(saved)


def test_damage_is_one_clear_line(saved):
    file = saved / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1000])
    with pytest.raises(DubbenchError, match=r"model\.safetensors: [\d,]+ bytes of [\d,]+; it was cut short"):
        checkpoint.read(saved, "model")
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DubbenchError, match="its sha256 does not fit"):
        checkpoint.read(saved, "model")
    file.unlink()
    with pytest.raises(DubbenchError, match="missing or unreadable"):
        checkpoint.read(saved, "model")


def test_a_changed_account_is_noticed(saved):
    path = saved / checkpoint.META
    meta = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**meta, "step": 4}), "utf-8")
    with pytest.raises(DubbenchError, match="was changed after it was written"):
        checkpoint.read_meta(saved)
    path.write_text(json.dumps(meta)[:100], "utf-8")
    with pytest.raises(DubbenchError, match="damaged or cut short"):
        checkpoint.read_meta(saved)


def test_names_cannot_lead_out_of_the_folder(saved, tmp_path):
    path = saved / checkpoint.META
    meta = json.loads(path.read_text("utf-8"))
    meta["files"]["model"][0]["name"] = "../outside.safetensors"
    meta["digest"] = checkpoint._digest(meta)
    path.write_text(json.dumps(meta), "utf-8")
    (tmp_path / "outside.safetensors").write_bytes((saved / "model.safetensors").read_bytes())
    with pytest.raises(DubbenchError, match="missing or unreadable"):
        checkpoint.read(saved, "model")


def test_another_configuration_or_stage_is_refused(saved, tmp_path, tiny):
    with pytest.raises(DubbenchError, match="a checkpoint of stage 'dub'; 'tts' is wanted"):
        load_model(saved, "tts")
    wide = configuration("tiny", lip_dim=7, face_dim=5)
    meta = {"stage": "dub", "config": wide.to_dict()}
    checkpoint.write(tmp_path / "wide", {"model": checkpoint.read(saved, "model")}, meta)
    with pytest.raises(DubbenchError, match=r"weights of another configuration: .* has shape \(6,\), not \(7,\)"):
        load_model(tmp_path / "wide", "dub")
    with pytest.raises(DubbenchError, match=r"another configuration: .* is missing; .* and \d+ more"):
        checkpoint.load_state(Stage1(tiny), {}, "here")


def test_no_checkpoint_is_said(tmp_path):
    with pytest.raises(DubbenchError, match="no checkpoint and no run with checkpoints"):
        checkpoint.find(tmp_path)
    with pytest.raises(DubbenchError, match="no checkpoint there"):
        checkpoint.read_meta(tmp_path)


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_file_digest", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.write(tmp_path / "run" / "step", {"model": {"x": torch.zeros(3)}}, {})
    assert not list((tmp_path / "run").iterdir())


def test_the_best_is_found_before_the_last(tmp_path):
    for step in (1, 2, 3):
        checkpoint.write(tmp_path / "checkpoints" / f"step-{step:08}", {"model": {"x": torch.zeros(1)}}, {"step": step})
    assert checkpoint.find(tmp_path).name == "step-00000003"
    checkpoint.mark_best(tmp_path / "checkpoints" / "step-00000002")
    assert checkpoint.find(tmp_path).name == "step-00000002"


def test_the_optimiser_comes_back():
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(layer.parameters(), 0.1)
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    packed = checkpoint.pack_optimiser(optimiser)
    fresh = torch.optim.AdamW(layer.parameters(), 0.1)
    checkpoint.unpack_optimiser(fresh, packed)
    a, b = optimiser.state_dict()["state"], fresh.state_dict()["state"]
    assert a.keys() == b.keys() and all(torch.equal(a[i][k], b[i][k]) for i in a for k in a[i])
