import pytest
import torch
from torch import nn

from dubbench.systems.diflowdubber.config import Config, configuration


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
