"""A dub's time against the lips' time: the path of the column ``align``, with the lips' opening beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError
from dubbench.leaderboards.paper.figures.canvas import BLUE, GREY, RED, drawing, short
from dubbench.leaderboards.paper.figures.voices import Heard, Voice
from dubbench.metrics.align import HOP, RATE, Speech, mel_power, speech
from dubbench.metrics.parts.dtw import too_long, warp_path

NEAR = 0.04
"""Seconds, one picture at 25 fps: the band around the diagonal within which nobody sees a difference."""

Floats = NDArray[np.float64]


def draw(heard: Heard, out: Path) -> tuple[str, ...]:
    """Write the figure for the first dub of ``heard``; returns a line for each part that could not be drawn.

    The path runs between the ground truth's speech, which fits the lips, and the dub's; where it lies above the
    diagonal the dub is late.

    Raises:
        DubbenchError: no ground truth, no dub, nobody speaks in one of them, or they are too long.
    """
    if heard.truth is None or not heard.dubs:
        raise DubbenchError(f"{heard.clip.id}: a warping path needs ground truth and dub: {'; '.join(heard.problems)}")
    truth, dub = heard.truth, heard.dubs[0]
    seconds = [len(voice.samples) / RATE for voice in (truth, dub)]
    if why := too_long(seconds[0], seconds[1], HOP / RATE):
        raise DubbenchError(f"{heard.clip.id}: {why}")
    mine, its = _spoken(heard, truth), _spoken(heard, dub)
    i, j = warp_path(mine.features, its.features)
    late = (np.bincount(i, weights=j) / np.bincount(i) - np.arange(len(mine.features))) * HOP / RATE
    error = float(np.median(np.abs(late[mine.active]))) * 1000
    opening, problems = _lips(Path(heard.clip.video))
    with drawing(out, 4.6, 5.0) as figure:
        rows = figure.add_gridspec(2, 2, width_ratios=(1, 4), height_ratios=(4, 1))
        main = figure.add_subplot(rows[0, 1])
        side = figure.add_subplot(rows[1, 1], sharex=main)
        lead = figure.add_subplot(rows[0, 0], sharey=main)
        span = np.array([0, max(seconds)])
        main.fill_between(span, span - NEAR, span + NEAR, color=GREY, alpha=0.25, linewidth=0, label="± 1 picture")
        main.plot(span, span, color=GREY, linewidth=0.8, linestyle="--")
        heard_in = mine.active[i]
        main.plot(i * HOP / RATE, j * HOP / RATE, color=BLUE, linewidth=0.7, alpha=0.5)
        main.plot(
            *(np.where(heard_in, x * HOP / RATE, np.nan) for x in (i, j)), color=BLUE, linewidth=2, label="speech"
        )
        main.set_title(f"{short(dub.name, 30)}: median {error:.0f} ms off", loc="left")
        main.legend(loc="upper left")
        main.set_xlim(0, seconds[0])
        main.set_ylim(0, seconds[1])
        main.tick_params(labelbottom=False, labelleft=False)
        _energy(lead, dub, upright=True)
        lead.set_ylabel(f"seconds of {short(dub.name, 30)}")
        if opening is None:
            _energy(side, truth)
            side.set_ylabel("level")
        else:
            times, gap = opening
            side.plot(times, gap, color=RED, linewidth=1)
            side.set_ylabel("lips open")
        side.set_yticks([])
        side.set_xlabel("seconds of video")
    return problems


def _spoken(heard: Heard, voice: Voice) -> Speech:
    found = speech(voice.samples)
    if found is None:
        raise DubbenchError(f"{heard.clip.id}: no speech in {voice.name}, so that it has no warping path")
    return found


def _energy(axis: object, voice: Voice, upright: bool = False) -> None:
    power = mel_power(voice.samples).sum(1)
    level = 10 * np.log10(np.maximum(power, power.max() * 1e-6 + 1e-12))
    times = np.arange(len(level)) * HOP / RATE
    axis.plot(*((level, times) if upright else (times, level)), color=GREY, linewidth=0.8)  # type: ignore[attr-defined]
    if upright:
        axis.set_xticks([])  # type: ignore[attr-defined]
        axis.set_xlabel("level")  # type: ignore[attr-defined]


def _lips(video: Path) -> tuple[tuple[Floats, Floats] | None, tuple[str, ...]]:
    """Times and opening of the lips, or why there are none."""
    from dubbench.signal.landmarks import lip_aperture
    from dubbench.signal.picture import Picture

    try:
        picture = Picture(video)
        gap = lip_aperture(picture.face)
        return (np.arange(len(gap)) / picture.fps, np.asarray(gap, np.float64)), ()
    except (DubbenchError, OSError) as error:
        return None, (f"no lips are drawn: {error}",)
