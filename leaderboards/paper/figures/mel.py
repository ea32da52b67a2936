"""Mel spectra of a clip's ground truth and dubs, one below the other, with F0 and boxes (figures 3 and 6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.leaderboards.media import FLOOR, HOP, mel
from dubbench.leaderboards.paper.figures.canvas import RED, drawing, short
from dubbench.leaderboards.paper.figures.voices import Heard, Voice
from dubbench.signal.media import RATE
from dubbench.signal.world import f0_track

TOP = 8000.0
"""Highest frequency of the spectra in Hz."""

SPAN = 0.4
"""Seconds of a box that is placed where a dub differs most from the ground truth."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Box:
    """A region to point at, in seconds and Hz; ``system`` is empty for all rows."""

    start: float
    end: float
    low: float = 0.0
    high: float = TOP
    system: str = ""


def parse_box(text: str) -> Box:
    """``[SYSTEM=]START-END[@LOW-HIGH]``, for example ``0.4-0.9`` or ``espeak=0.4-0.9@0-3000``.

    Raises:
        DubbenchError: another form, or a region without extent.
    """
    system, _, region = text.rpartition("=")
    number = r"(\d+\.?\d*)"
    found = re.fullmatch(rf"{number}-{number}(?:@{number}-{number})?", region.strip())
    if found is None:
        raise DubbenchError(f"box {text!r}: write [SYSTEM=]START-END[@LOW-HIGH] in seconds and Hz, as 0.4-0.9@0-3000")
    start, end, low, high = (float(part) if part else None for part in found.groups())
    box = Box(start or 0.0, end or 0.0, low or 0.0, TOP if high is None else min(high, TOP), system)
    if box.end <= box.start or box.high <= box.low:
        raise DubbenchError(f"box {text!r}: the end must lie after the start")
    return box


def farthest(truth: Voice, dub: Voice) -> Box:
    """The `SPAN` seconds in which the dub's spectrum in dB differs most from the ground truth's, on one clock."""
    pair = [_level(mel(voice.samples)) for voice in (truth, dub)]
    frames = min(power.shape[1] for power in pair)
    gap = np.abs(pair[0][:, :frames] - pair[1][:, :frames]).mean(0)
    width = min(frames, round(SPAN / HOP))
    start = int(np.argmax(np.convolve(gap, np.ones(width), "valid")))
    return Box(start * HOP, (start + width) * HOP, system=dub.name)


def draw(heard: Heard, boxes: Sequence[Box], out: Path, automatic: bool = False, pitch: bool = True) -> None:
    """Write the figure.

    Args:
        heard: the clip.
        boxes: regions to point at; ``automatic`` adds one a dub (`farthest`).
        out: .pdf, .svg or .png.
        pitch: draw F0 where pyworld is installed.

    Raises:
        DubbenchError: nothing can be heard of the clip.
    """
    voices = [*([heard.truth] if heard.truth else []), *heard.dubs]
    if not voices:
        raise DubbenchError(f"{heard.clip.id}: nothing can be heard: {'; '.join(heard.problems)}")
    regions = list(boxes)
    if automatic and heard.truth is not None:
        regions += [farthest(heard.truth, dub) for dub in heard.dubs]
    span = max(max(len(voice.samples) / RATE for voice in voices), heard.clip.duration)
    powers = [mel(voice.samples) for voice in voices]
    loudest = max(max(float(power.max()), 1e-12) for power in powers)
    with drawing(out, 7.0, 0.5 + 0.95 * len(voices)) as figure:
        axes = figure.subplots(len(voices), 1, sharex=True, squeeze=False)[:, 0]
        for axis, voice, power in zip(axes, voices, powers, strict=True):
            _spectrum(axis, power, loudest)
            _pitch(axis, voice, pitch)
            _boxes(axis, [box for box in regions if box.system in ("", voice.name)])
            name = short(voice.name, 60)
            axis.text(0.006, 0.93, name, transform=axis.transAxes, color="white", va="top", weight="bold")
            axis.set_xlim(0, span)
        axes[-1].set_xlabel("seconds")
        axes[0].set_title(short(f"{heard.clip.id}: {heard.clip.text}", 110), loc="left")


def _level(power: Floats) -> Floats:
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12) / max(float(power.max()), 1e-12)), -FLOOR))


def _spectrum(axis: Any, power: Floats, loudest: float) -> None:
    level = 10 * np.log10(np.maximum(power, 1e-12) / loudest)
    extent = (0, power.shape[1] * HOP, 0, power.shape[0])
    axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-FLOOR, vmax=0)
    ticks = (500, 2000, 8000)
    axis.set_yticks([_band(f, power.shape[0]) for f in ticks], [f"{f / 1000:g} kHz" for f in ticks])


def _band(hertz: float, bands: int) -> float:
    """Row of a frequency in a spectrum of `dubbench.leaderboards.media.mel` (HTK's scale, 50 to 8000 Hz)."""
    low, high, at = (2595 * np.log10(1 + f / 700) for f in (50.0, TOP, max(hertz, 50.0)))
    return float((at - low) / (high - low) * bands)


def _pitch(axis: Any, voice: Voice, wanted: bool) -> None:
    """F0 on an axis of its own at the right, 50 to 500 Hz."""
    if not wanted or voice.samples.size < RATE // 10:
        return
    try:
        f0, times = f0_track(voice.samples.astype(np.float64), RATE, hop_ms=1000 * HOP)
    except DubbenchError:
        return
    right = axis.twinx()
    right.plot(times, np.where(f0 > 0, f0, np.nan), color="#7fe0ff", linewidth=1.2)
    right.set_ylim(50, 500)
    right.set_yticks([100, 300])
    right.set_ylabel("F0 (Hz)")
    right.spines["right"].set_visible(True)


def _boxes(axis: Any, boxes: Sequence[Box]) -> None:
    from matplotlib.patches import Rectangle

    bands = axis.get_ylim()[1]
    for box in boxes:
        low, high = (_band(f, int(bands)) for f in (box.low, box.high))
        corner, size = (box.start, low), (box.end - box.start, high - low)
        axis.add_patch(Rectangle(corner, *size, fill=False, edgecolor=RED, linewidth=1.6))
