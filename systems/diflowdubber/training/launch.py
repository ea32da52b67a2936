"""One process or many, with Lightning Fabric where it is installed and with torch alone where it is not."""

from __future__ import annotations

import importlib.util
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from dubbench.errors import DubbenchError
from dubbench.runtime.device import resolve_device

Engine = Literal["auto", "fabric", "plain"]


class Launcher(Protocol):
    """What the loop needs: where it runs, and how a module is prepared for that."""

    device: torch.device
    rank: int
    world: int

    def setup(self, module: nn.Module) -> nn.Module: ...

    def backward(self, loss: Tensor) -> None: ...

    def apart(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Gradients of a backward within stay in their process, to be summed with the next one's."""
        ...

    def barrier(self) -> None: ...


class Plain:
    """torch alone: bfloat16 by autocast, DistributedDataParallel under torchrun."""

    def __init__(self, device: str, bf16: bool) -> None:
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if device == "cuda" and self.world > 1:
            device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        self.device, self.bf16 = torch.device(device), bf16
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        if self.world > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")

    def setup(self, module: nn.Module) -> nn.Module:
        module = _Autocast(module.to(self.device), self.bf16)
        return nn.parallel.DistributedDataParallel(module) if self.world > 1 else module

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def apart(self, module: nn.Module) -> AbstractContextManager[Any]:
        return module.no_sync() if self.world > 1 else nullcontext()

    def barrier(self) -> None:
        if self.world > 1:
            torch.distributed.barrier()


class _Autocast(nn.Module):
    def __init__(self, module: nn.Module, bf16: bool) -> None:
        super().__init__()
        self.module, self.bf16 = module, bf16

    def forward(self, *args: Any) -> Any:
        device = next(self.module.parameters()).device.type
        cast: AbstractContextManager[Any] = torch.autocast(device, torch.bfloat16) if self.bf16 else nullcontext()
        with cast:
            return self.module(*args)


class WithFabric:
    """Lightning Fabric; under torchrun it takes its processes."""

    def __init__(self, device: str, bf16: bool) -> None:
        from lightning_fabric import Fabric

        local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        nodes = int(os.environ.get("WORLD_SIZE", 1)) // local
        kind, _, place = device.partition(":")
        devices: Any = [int(place)] if place else local
        strategy = "ddp" if local * nodes > 1 else "auto"
        precision: Any = "bf16-mixed" if bf16 else "32-true"
        accelerator = "cuda" if kind == "cuda" else "cpu"
        self.fabric = Fabric(
            accelerator=accelerator, strategy=strategy, devices=devices, num_nodes=nodes, precision=precision
        )
        self.fabric.launch()
        self.device, self.rank, self.world = self.fabric.device, self.fabric.global_rank, self.fabric.world_size

    def setup(self, module: nn.Module) -> nn.Module:
        prepared: nn.Module = self.fabric.setup_module(module)
        return prepared

    def backward(self, loss: Tensor) -> None:
        self.fabric.backward(loss)

    def apart(self, module: nn.Module) -> AbstractContextManager[Any]:
        return self.fabric.no_backward_sync(module) if self.world > 1 else nullcontext()  # type: ignore[arg-type]

    def barrier(self) -> None:
        self.fabric.barrier()


def launcher(engine: Engine, device: str, bf16: bool) -> Launcher:
    """The engine asked for; ``auto`` is Fabric where it is installed.

    Raises:
        DubbenchError: an unknown engine, a device that is not here, or Fabric asked for and not installed.
    """
    device = resolve_device(device)
    if engine not in ("auto", "fabric", "plain"):
        raise DubbenchError(f"no engine {engine!r}; there are auto, fabric, plain")
    has = importlib.util.find_spec("lightning_fabric") is not None
    if engine == "fabric" and not has:
        raise DubbenchError("Lightning Fabric is not installed; pip install lightning-fabric, or use --engine plain")
    return WithFabric(device, bf16) if has and engine != "plain" else Plain(device, bf16)
