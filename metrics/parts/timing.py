"""The columns of the timing errors: a quantile over clips, in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

from dubbench.core.metric import Column, Effect, Quantile

EXPECTED: dict[str, Effect] = {
    "ground_truth": "perfect",
    "delay": "worse",
    "another_clip": "worse",
    "shuffled": "worse",
    "silence": "undefined",
    "noise": "undefined",
    "gain(db=-12)": "invariant",
    "warp(ms=100)": "worse",
    "warp(ms=300)": "worse",
    "other_voice": "invariant",
}
"""The effects of the controls on an error in time."""


def timing_column(name: str, q: float, tolerance: float, expects: Mapping[str, Effect], exact: bool = True) -> Column:
    """Quantile ``q`` over clips of the statistic ``error_ms``; the median is a headline.

    Args:
        name: of the column.
        q: 0.5 is the median.
        tolerance: ms.
        expects: as `Column.expects`.
        exact: whether the ground truth itself has error 0.
    """
    return Column(
        name=name,
        direction="down",
        aggregate=Quantile(value="error_ms", q=q),
        unit="ms",
        digits=0,
        best=0.0 if exact else None,
        tolerance=tolerance,
        headline=q == 0.5,
        expects=dict(expects),
    )
