"""A metric."""

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored


def peak_level(samples: NDArray[np.floating]) -> float:
    """The highest level of (T,) samples in dBFS; minus infinity for silence.

    >>> round(peak_level(np.array([0.0, 0.5])), 2)
    -6.02
    """
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(np.abs(samples).max()))


class PeakLevel(MetricBase):
    """The dub's peak level: reported, never ranked."""

    columns = (
        Column(
            name="peak-dBFS",
            direction="none",
            aggregate=Mean(value="peak"),
            unit="dB",
            digits=1,
            expects={"silence": "undefined"},
        ),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(name="peak", recipe="peak/example", summary="the highest level of the dub")

    def score(self, item: Item) -> Stats | Unscored:
        """Statistics of one dub, or why there are none."""
        level = peak_level(item.dub.samples)
        return {"peak": level} if np.isfinite(level) else Unscored("no sound in the dub")
