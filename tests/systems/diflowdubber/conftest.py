from pathlib import Path

import pytest
import torch
from synthetic_cache import write_cache
from torch import nn

from dubbench.systems.diflowdubber.config import Config
from dubbench.systems.diflowdubber.presets import configuration


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny() -> Config:
    return configuration("tiny", lip_dim=6, face_dim=5)


@pytest.fixture
def awake():
    """Give a module weights under which nothing is switched off (AdaLN, GRN and gates start at zero)."""

    def wake(module: nn.Module, seed: int = 3) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, p in module.named_parameters():
                if "modulation.out" in name or "gamma" in name or "beta" in name:
                    p.copy_(0.3 * torch.randn(p.shape, generator=generator))
        return module.eval()

    return wake


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of made-up features; to be read only."""
    return write_cache(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="session")
def teacher(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of stage 1 on them; to be read only."""
    from training_runs import CPU

    from dubbench.systems.diflowdubber.training.options import Settings
    from dubbench.systems.diflowdubber.training.run import Job, train

    run = tmp_path_factory.mktemp("teacher") / "run"
    train(Job("tts", configuration("tiny"), [features], run, 1), Settings(steps=4), CPU)
    return run
