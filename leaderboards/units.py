"""Units of clips: the groups that intervals and tests draw, leave out and swap as wholes.

Clips of one speaker are alike, and so are clips of one recording; an interval over single clips would be too narrow.
The units are the speakers if there are at least `UNITS` of them, else the recordings (Chem: the YouTube video that a
clip's id begins with) if there are at least `UNITS`, else the clips.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.leaderboards.statistics import UNITS, Bits

RECORDING = {"chem": re.compile(r"([\w-]{11})-\d+")}
"""Data set -> the pattern of its clip ids; the first group names the recording."""


@dataclass(frozen=True, eq=False)
class Units:
    """A partition of the clips.

    Attributes:
        name: ``speaker``, ``recording`` or ``clip``.
        of: (N,) the unit of each clip, in [0, count).
        count: how many units there are.
    """

    name: str
    of: NDArray[np.intp]
    count: int

    def sums(self, x: NDArray[np.float64], keep: Bits) -> NDArray[np.float64]:
        """(count,) the sum of ``x`` (N,) over the clips in ``keep``, unit by unit."""
        return np.asarray(np.bincount(self.of[keep], x[keep], self.count), np.float64)

    def present(self, keep: Bits) -> Bits:
        """(count,) the units that have a clip in ``keep``."""
        return np.bincount(self.of[keep], minlength=self.count) > 0


def units_of(dataset: str, ids: Sequence[str], speakers: Sequence[str]) -> Units:
    """The units of clips; a clip whose speaker (or recording) is unknown is a unit of its own.

    Args:
        dataset: name of the data set. ids: of the clips. speakers: of the clips, empty where unknown.
    """
    pattern = RECORDING.get(dataset)

    def recording(i: int) -> str:
        found = pattern.fullmatch(ids[i]) if pattern else None
        return found[1] if found else ""

    choices = {"speaker": list(speakers), "recording": [recording(i) for i in range(len(ids))]}
    for name, groups in choices.items():
        if len({g for g in groups if g}) >= UNITS:
            keys = [g or f"\0{i}" for i, g in enumerate(groups)]
            place = {key: i for i, key in enumerate(sorted(set(keys)))}
            return Units(name, np.array([place[key] for key in keys], np.intp), len(place))
    return Units("clip", np.arange(len(ids), dtype=np.intp), len(ids))
