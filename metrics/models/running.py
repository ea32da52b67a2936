"""Inference settings of the metrics' networks: without gradients, in full float32, on one thread of the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def exact() -> Iterator[None]:
    """One thread, so that a machine gives the same digits whatever its number of cores and workers do not fight; on a
    GPU no TF32."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield
    finally:
        torch.set_num_threads(threads)
