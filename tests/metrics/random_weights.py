"""Weights that anybody can make again: seeded by each parameter's name, so that two implementations can be compared."""

import zlib

import numpy as np
import torch
from torch import Tensor, nn


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer of ``network`` (which may lie on the meta device), float32: normal with unit gain;
    scales and variances near 1, all other vectors small."""
    return {name: _tensor(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()}


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(0)
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    vector = len(shape) == 1
    if name.endswith(("weight_g", "running_var", "grep_a", "alibi_scale")) or (vector and name.endswith("weight")):
        drawn = np.abs(1 + 0.1 * drawn)
    elif vector:
        drawn *= 0.1
    else:
        drawn /= np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))
