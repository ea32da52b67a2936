"""The WORLD vocoder's analysis (Morise, Yokomori, Ozawa 2016) through pyworld, as several metrics need it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import require


def f0_track(
    samples: NDArray[np.floating],
    rate: int,
    *,
    floor: float = 71.0,
    ceil: float = 800.0,
    hop_ms: float = 5.0,
    feature: str = "pitch",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F0 by DIO, refined by StoneMask.

    Args:
        samples: (T,) at ``rate`` Hz.
        floor: lowest F0 in Hz.
        ceil: highest F0 in Hz.
        hop_ms: milliseconds between frames.
        feature: what needs it, for the message where pyworld is absent.

    Returns:
        (N,) F0 in Hz, 0 where unvoiced, and (N,) the frames' times in seconds; at 16 kHz and 5 ms N is T // 80 + 1.

    Raises:
        DubbenchError: pyworld is not installed.
    """
    world = pyworld(feature)
    x = np.ascontiguousarray(samples, dtype=np.float64)
    coarse, times = world.dio(x, rate, f0_floor=floor, f0_ceil=ceil, frame_period=hop_ms)
    return np.asarray(world.stonemask(x, coarse, times, rate)), np.asarray(times)


def pyworld(feature: str) -> Any:
    """The module pyworld; `DubbenchError` says that ``feature`` needs it where it is absent."""
    with warnings.catch_warnings():
        # It imports pkg_resources, whose deprecation a user can do nothing about.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
        return require("pyworld", "metrics", feature)
