"""Weights for UTMOS22 strong that anybody can make again: seeded, so that two implementations can be compared."""

import zlib

import numpy as np
import torch

from dubbench.metrics.models.utmos22 import UTMOS22


def random_state() -> dict[str, torch.Tensor]:
    """Every parameter by the published name: normal with unit gain; scales near 1, biases and embeddings small."""
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in UTMOS22().state_dict().items()}
    return {name: _tensor(name, shape) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    if name.endswith("weight_g") or (len(shape) == 1 and name.endswith("weight")):
        drawn = 1 + 0.1 * drawn
    elif len(shape) == 1 or name.endswith("_emb"):
        drawn *= 0.1
    else:
        drawn /= np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32))
