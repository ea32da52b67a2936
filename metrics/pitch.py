"""Pitch errors against the ground truth: GPE, VDE and FFE (Nakatani et al. 2008; Chu and Alwan 2009).

With f the ground truth's F0 and g the dub's, frame by frame, 0 where unvoiced, over N frames::

    both  = f > 0 and g > 0            gross  = both and |g / f - 1| > 0.2
    voicing error = (f > 0) != (g > 0)

    GPE = gross / both                 VDE = voicing errors / N
    FFE = (gross + voicing errors) / N = VDE + GPE * both / N

No time warping: a dub at the wrong time is to be punished. The longer side is truncated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Ratio, Stats, Unscored
from dubbench.metrics.duration import MIN_OVERLAP, too_short
from dubbench.runtime.provenance import versions
from dubbench.signal.sound import Sound
from dubbench.signal.world import f0_track, pyworld

RATE = 16000
HOP_MS = 5.0
F0_FLOOR = 71.0
F0_CEIL = 800.0
GROSS = 0.2
_FEATURE = "pitch (GPE, VDE, FFE)"


class FrameErrors(NamedTuple):
    """Frame counts of one clip."""

    gross: int
    both_voiced: int
    voicing_errors: int
    frames: int


def pitch(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """F0 in Hz every 5 ms, 0 where unvoiced: WORLD's DIO (71-800 Hz) refined by StoneMask.

    Args:
        samples: (T,) at 16 kHz.

    Returns:
        (T // 80 + 1,).
    """
    f0, _ = f0_track(samples, RATE, floor=F0_FLOOR, ceil=F0_CEIL, hop_ms=HOP_MS, feature=_FEATURE)
    return f0


def frame_errors(f0_ref: NDArray[np.float64], f0_dub: NDArray[np.float64]) -> FrameErrors:
    """Compare two F0 tracks frame by frame over the length of the shorter.

    Args:
        f0_ref: (N,) of the ground truth in Hz, 0 where unvoiced.
        f0_dub: (M,) of the dub.
    """
    n = min(len(f0_ref), len(f0_dub))
    ref, dub = f0_ref[:n], f0_dub[:n]
    both = (ref > 0) & (dub > 0)
    # Strictly more than 20 % off; written without a division, so that 1.2 times exactly is not gross.
    gross = both & (np.abs(dub - ref) > GROSS * ref)
    return FrameErrors(int(gross.sum()), int(both.sum()), int(((ref > 0) != (dub > 0)).sum()), n)


def statistics(errors: FrameErrors) -> dict[str, float]:
    """Rates and counts of one clip; the gross pitch error and its counts are left out where no frame is voiced in
    both, because 0 / 0 is neither good nor bad."""
    gross, both, voicing, frames = errors
    stats = {
        "vde": voicing / frames,
        "ffe": (gross + voicing) / frames,
        "voicing_errors": float(voicing),
        "gross_or_voicing": float(gross + voicing),
        "frames": float(frames),
    }
    if both:
        stats |= {"gpe": gross / both, "gross": float(gross), "both_voiced": float(both)}
    return stats


def _track(sound: Sound) -> NDArray[np.float64]:
    return sound.derive("f0/dio-71-800-5ms", lambda: pitch(sound.at(RATE)))


def _column(name: str, aggregate: Mean | Ratio, silence: Effect) -> Column:
    expects: dict[str, Effect] = {
        "ground_truth": "perfect",
        "delay": "worse",
        "another_clip": "worse",
        "shuffled": "worse",
        "silence": silence,
        "gain(db=-12)": "invariant",
        "warp(ms=100)": "worse",
        "warp(ms=300)": "worse",
    }
    if not name.startswith("VDE"):
        expects["other_voice"] = "worse"  # voicing says nothing about whose voice it is
    if not name.startswith("GPE"):
        expects["noise"] = "worse"  # the few frames of noise that pass as voiced say nothing about its pitch
    return Column(
        name=name,
        direction="down",
        aggregate=aggregate,
        digits=3,
        best=0.0,
        tolerance=0.002,  # one frame in 500: dio has no threshold of level, only rounding moves a frame
        headline=aggregate.kind == "mean",
        expects=expects,
    )


class Pitch(MetricBase):
    """GPE, VDE and FFE: fractions, mean over utterances, and pooled over all frames beside it."""

    profiles = frozenset({"offline", "paper"})
    columns = (
        _column("GPE", Mean(value="gpe"), "undefined"),
        _column("VDE", Mean(value="vde"), "worse"),
        _column("FFE", Mean(value="ffe"), "worse"),
        _column("GPE-pooled", Ratio(numerator="gross", denominator="both_voiced"), "undefined"),
        _column("VDE-pooled", Ratio(numerator="voicing_errors", denominator="frames"), "worse"),
        _column("FFE-pooled", Ratio(numerator="gross_or_voicing", denominator="frames"), "worse"),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="pitch",
            recipe="pitch/world-dio-5ms",
            settings={
                **versions("pyworld"),
                "rate": RATE,
                "extractor": "dio+stonemask",
                "f0_floor": F0_FLOOR,
                "f0_ceil": F0_CEIL,
                "hop_ms": HOP_MS,
                "gross_above": GROSS,
                "alignment": "frame-synchronous, truncated to the shorter",
                "min_overlap": MIN_OVERLAP,
                "loudness": "as is",
            },
            needs=frozenset({"truth"}),
            summary="Gross pitch, voicing decision and F0 frame error against the ground truth, without time warping",
            source="Nakatani et al. 2008 (GPE, VDE); Chu and Alwan, ICASSP 2009 (FFE)",
        )

    def load(self, device: str) -> None:
        """Make sure that pyworld is there."""
        pyworld(_FEATURE)

    def score(self, item: Item) -> Stats | Unscored:
        """Rates in [0, 1] and frame counts; see `statistics`."""
        assert item.truth is not None
        if reason := too_short(item.dub.duration, item.truth.duration):
            return Unscored(reason)
        return statistics(frame_errors(_track(item.truth), _track(item.dub)))
