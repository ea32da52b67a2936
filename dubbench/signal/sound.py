"""`Sound`: decoded sound that remembers the features derived from it (by `Deriving`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Deriving:
    """Remembers what was derived from it, for as long as it lives."""

    def __init__(self) -> None:
        self._derived: dict[str, Any] = {}

    def derive(self, key: str, make: Callable[[], T]) -> T:
        """``make()``, remembered under ``key``; the key must name everything the result depends on.

        An exception is remembered too and raised again, so that a hopeless feature is tried once.
        """
        if key not in self._derived:
            try:
                self._derived[key] = (True, make())
            except Exception as error:
                self._derived[key] = (False, error)
        good, value = self._derived[key]
        if not good:
            raise value
        return value  # type: ignore[no-any-return]


class Sound(Deriving):
    """Mono sound, with its resampled versions and derived features computed once.

    All systems of one clip share one ground-truth `Sound`, so that its pitch or mel is computed once a clip.

    Args:
        samples: (T,) float32 in [-1, 1] (values outside are possible in float files), not empty, all finite.
        rate: in Hz.
    """

    def __init__(self, samples: NDArray[np.float32], rate: int) -> None:
        super().__init__()
        self.samples = samples
        self.rate = rate

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def at(self, rate: int) -> NDArray[np.float32]:
        """The samples at ``rate`` Hz (soxr HQ; the samples themselves where the rate is equal)."""
        if rate == self.rate:
            return self.samples
        from dubbench.signal.media import resample

        return self.derive(f"rate:{rate}", lambda: resample(self.samples, self.rate, rate))
