import sys
from types import ModuleType, SimpleNamespace

import pytest

from dubbench.errors import DubbenchError
from dubbench.runtime.device import resolve_device


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    torch = ModuleType("torch")
    torch.cuda = SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_a_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 2)
    assert [resolve_device(d) for d in ("auto", "cpu", "cuda", "cuda:1")] == ["cuda", "cpu", "cuda", "cuda:1"]
    with pytest.raises(DubbenchError, match="cuda:2: torch sees 2 GPU"):
        resolve_device("cuda:2")
    pretend(monkeypatch, 0)
    assert resolve_device("auto") == "cpu"
    with pytest.raises(DubbenchError, match="cuda: torch sees no GPU here; give --device cpu"):
        resolve_device("cuda")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert resolve_device("auto") == "cpu"


@pytest.mark.parametrize("device", ["", "gpu", "cuda:x", "cuda:-1", "CPU"])
def test_other_names_are_refused(device: str) -> None:
    with pytest.raises(DubbenchError, match="expected auto, cpu, cuda or cuda:N"):
        resolve_device(device)
