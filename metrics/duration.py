"""Duration error: the difference between the lengths of dub and video. Also the rule that short dubs are not
truncated.
"""

from __future__ import annotations

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats

MIN_OVERLAP = 0.5
"""Frame-synchronous metrics truncate to the shorter of dub and ground truth; a dub that covers less than this part
of the ground truth would then be judged on next to nothing (its leading pause), so it is left unscored."""


def too_short(dub: float, truth: float) -> str | None:
    """Why a dub of ``dub`` seconds cannot be compared frame by frame with ``truth`` seconds; None if it can."""
    if dub < MIN_OVERLAP * truth:
        return f"the dub ({dub:.2f} s) covers less than half of the ground truth ({truth:.2f} s)"
    return None


class DurationError(MetricBase):
    """Absolute difference between the length of the dub and the length of the picture (frames / fps), in seconds.

    Other metrics truncate or warp a dub of the wrong length; this is where it shows.
    """

    # No best value: the ground truth's own sound rarely ends with its last picture.
    columns = (
        Column(
            name="duration-s",
            direction="down",
            aggregate=Mean(value="error_s"),
            unit="s",
            digits=3,
            expects={"gain(db=-12)": "invariant", "noisy(snr=10)": "invariant"},
        ),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="duration",
            recipe="duration/absolute",
            settings={"against": "picture"},
            needs=frozenset({"video"}),
            summary="Absolute difference between the dub's and the video's length, mean over clips",
        )

    def score(self, item: Item) -> Stats:
        """``error_s``: seconds, >= 0."""
        return {"error_s": abs(item.length - item.duration)}
