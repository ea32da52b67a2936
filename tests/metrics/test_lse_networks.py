"""SyncNet and S3FD: the published names, and the numbers that the published code gives with the same random weights.

The figures here come from joonson/syncnet_python at 6efbb1c with `random_weights.random_state` and the inputs below;
where the wheel syncnet-python is installed, its networks are run beside ours.
"""

import importlib
import importlib.util
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lse_parts import s3fd_state, syncnet, syncnet_state
from random_weights import random_state
from safetensors.torch import save_file

from dubbench.errors import DubbenchError
from dubbench.metrics.syncnet.network import Embedder, load_syncnet
from dubbench.metrics.syncnet.s3fd import Detector, S3FDNet, load_s3fd, suppress


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(syncnet())


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 224, 224, 3)).astype(np.uint8)


def cepstra(count: int) -> np.ndarray:
    np_random = np.random.default_rng(0)
    np_random.integers(0, 256, (5, 224, 224, 3))
    return np_random.normal(size=(count, 13)) * 10


def published(monkeypatch: pytest.MonkeyPatch, module: str) -> Any:
    """A module of the wheel, without the wheel's own imports of what it needs elsewhere."""
    sys.modules.pop("syncnet_python", None)
    spec = importlib.util.find_spec("syncnet_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the wheel syncnet-python is not installed")
    package = types.ModuleType("syncnet_python")
    package.__path__ = list(spec.submodule_search_locations)
    monkeypatch.setitem(sys.modules, "syncnet_python", package)
    return importlib.import_module(f"syncnet_python.{module}")


def relative(found: Any, expected: Any) -> float:
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_syncnet_gives_the_published_numbers(embedder: Embedder) -> None:
    lips, sound = embedder.lips(pictures(5))[0], embedder.sound(cepstra(20), 1)[0]
    head = [-26.72863006591797, -18.82549285888672, -41.56291580200195, 50.53711700439453]
    assert relative(lips[:4], head) < 1e-5
    assert np.linalg.norm(lips) == pytest.approx(976.8048095703125, rel=1e-5)
    head = [2.8872482776641846, 1.3142023086547852, -1.0866962671279907, 0.17867769300937653]
    assert relative(sound[:4], head) < 1e-5
    assert np.linalg.norm(sound) == pytest.approx(68.46709442138672, rel=1e-5)


def test_sequences_are_the_published_windows(embedder: Embedder) -> None:
    """One pass over the clip, folded and stacked, against five pictures and twenty columns at a time."""
    frames, columns, network = pictures(10), np.random.default_rng(3).normal(size=(60, 13)), syncnet()
    moving = torch.from_numpy(frames.transpose(3, 0, 1, 2).astype(np.float32))
    sounds = torch.from_numpy(columns.T.astype(np.float32))
    with torch.no_grad():
        lips = network.lips(torch.stack([moving[:, i : i + 5] for i in range(6)]))
        sound = network.sound(torch.stack([sounds[None, :, 4 * i : 4 * i + 20] for i in range(11)]))
    assert relative(embedder.lips(frames), lips) < 1e-5
    assert relative(embedder.sound(columns, 11), sound) < 1e-5
    with pytest.raises(ValueError, match="too few"):
        embedder.sound(columns, 12)


def test_syncnet_beside_the_wheel(monkeypatch: pytest.MonkeyPatch, embedder: Embedder) -> None:
    original = published(monkeypatch, "SyncNetModel").S()
    original.load_state_dict(random_state(original), strict=True)
    original.eval()
    frames, columns = pictures(6), np.random.default_rng(3).normal(size=(24, 13))
    moving = torch.from_numpy(frames.transpose(3, 0, 1, 2).astype(np.float32))
    sounds = torch.from_numpy(columns.T.astype(np.float32))
    with torch.no_grad():
        lips = original.forward_lip(torch.stack([moving[:, i : i + 5] for i in range(2)]))
        sound = original.forward_aud(torch.stack([sounds[None, :, 4 * i : 4 * i + 20] for i in range(2)]))
    assert relative(embedder.lips(frames), lips) < 1e-5
    assert relative(embedder.sound(columns, 2), sound) < 1e-5


def test_loads_strictly(tmp_path: Path) -> None:
    state = syncnet_state()
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    loaded = load_syncnet(tmp_path / "old.safetensors")
    torch.testing.assert_close(loaded.netfclip[0].weight, state["netfclip.0.weight"])
    save_file({**old, "netfclip.4.weight": torch.zeros(2)}, tmp_path / "more.safetensors")
    with pytest.raises(DubbenchError, match=r"netfclip\.4\.weight has no place"):
        load_syncnet(tmp_path / "more.safetensors")
    save_file({"netcnnaud.0.bias": old["netcnnaud.0.bias"]}, tmp_path / "less.safetensors")
    with pytest.raises(DubbenchError, match=r"netcnnaud\.0\.weight is missing"):
        load_syncnet(tmp_path / "less.safetensors")
    with pytest.raises(DubbenchError, match="not weights of S3FDNet"):
        load_s3fd(tmp_path / "less.safetensors")


@cache
def lively() -> S3FDNet:
    """Random weights that give a spread of scores."""
    network = S3FDNet()
    state = random_state(network)
    for name, tensor in state.items():
        if name.startswith(("conf", "vgg")) and name.endswith("weight"):
            tensor *= 12 if name.startswith("conf") else 1.42
    network.load_state_dict(state)
    return network.eval()


def test_s3fd_gives_the_published_numbers() -> None:
    x = torch.from_numpy((np.random.default_rng(1).integers(0, 256, (1, 3, 72, 90)) - 110).astype(np.float32))
    with torch.no_grad():
        scores, boxes = (part[0].numpy() for part in lively()(x))
    at = [0, 100, 400, 500, 520]
    expected = [0.2823755145072937, 0.4528309404850006, 0.47914496064186096, 0.5920758247375488, 0.9998688697814941]
    assert relative(scores[at], expected) < 1e-5
    expected = [0.10512489825487137, 1.6173245906829834, 0.9044668674468994, 0.8528597354888916, 1.2914586067199707]
    assert relative(boxes[at].sum(1), expected) < 1e-5
    assert (len(scores), scores.sum()) == (521, pytest.approx(256.2633361816406, rel=1e-5))
    assert np.abs(boxes).sum() == pytest.approx(1631.5048828125, rel=1e-5)


def test_s3fd_beside_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    nets = published(monkeypatch, "detectors.s3fd.nets")
    original = nets.S3FDNet(device="cpu")
    original.load_state_dict(lively().state_dict(), strict=True)
    seen: dict[str, torch.Tensor] = {}

    def keep(loc: torch.Tensor, conf: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        seen.update(loc=loc, conf=conf, prior=prior)
        return torch.zeros(1)

    monkeypatch.setattr(original.detect, "forward", keep)
    x = torch.from_numpy(np.random.default_rng(2).normal(0, 60, (1, 3, 66, 101)).astype(np.float32))
    with torch.no_grad():
        original.eval()(x)
        scores, boxes = lively()(x)
    decode = importlib.import_module("syncnet_python.detectors.s3fd.box_utils").decode
    assert relative(scores, seen["conf"][..., 1]) < 1e-5
    assert relative(boxes[0], decode(seen["loc"][0], seen["prior"], [0.1, 0.2])) < 1e-5


def test_the_detector_puts_a_box_where_the_heads_say() -> None:
    network = S3FDNet()
    network.load_state_dict(s3fd_state((110, 100, 215, 240), 360, 288))
    frames = list(np.random.default_rng(0).integers(0, 256, (2, 288, 360, 3)).astype(np.uint8))
    for boxes in Detector(network)(frames):
        np.testing.assert_allclose(boxes, [[110, 100, 215, 240]], atol=0.02)
    network.conf[4].bias.data[:] = torch.tensor([-1.0, 1.0])  # 0.88 is not above 0.9
    assert [boxes.shape for boxes in Detector(network)(frames)] == [(0, 4), (0, 4)]


def test_suppression_keeps_the_best_of_each_heap() -> None:
    rng = np.random.default_rng(0)
    heaps = np.concatenate([rng.normal(at, 1, (20, 2)) for at in (50, 200, 350)])
    boxes = np.concatenate([heaps, heaps + 60], axis=1)[rng.permutation(60)]
    kept = suppress(boxes, 0.3)
    assert len(kept) == 3
    assert kept[0] == 0
    assert {int(box[0] // 120) for box in boxes[kept]} == {0, 1, 2}
    assert suppress(np.empty((0, 4)), 0.3).size == 0
