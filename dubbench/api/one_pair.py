"""One dub against its ground truth, from plain arrays and without a run."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored, lacking
from dubbench.errors import DubbenchError
from dubbench.leaderboards.statistics import values
from dubbench.pipeline.components import make_metric
from dubbench.signal.media import RATE, as_mono, probe, resample
from dubbench.signal.sound import Sound


def evaluate(
    metric: str,
    dub: ArrayLike,
    *,
    rate: int,
    truth: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    text: str = "",
    video: str | PathLike[str] | None = None,
    device: str = "cpu",
) -> dict[str, float]:
    """Score one dub by one metric.

    Args:
        metric: a name or spec: ``pitch``, ``wer-faster(model=base)``.
        dub: (T,) or (T, channels) samples, float in [-1, 1] or integers; it starts at the first picture of the video.
        rate: in Hz, of all sounds that are given.
        truth: the ground-truth speech on the same clock.
        reference: the reference voice.
        text: the sentence.
        video: the clip's file.
        device: for metrics with models.

    Returns:
        Column -> value on the printed scale, as in ``table.csv``. NaN where one clip alone has no value.

    Raises:
        DubbenchError: unknown metric, something it needs was not given, or it cannot score this dub (silence, no
            face …); the message says why.

    >>> import numpy as np
    >>> t = np.arange(16000) / 16000
    >>> voice = sum(np.sin(2 * np.pi * 120 * k * t) / k for k in range(1, 20)) * 0.1
    >>> {name: round(value, 3) for name, value in evaluate("pitch", voice, truth=voice, rate=16000).items()}
    {'GPE': 0.0, 'VDE': 0.0, 'FFE': 0.0, 'GPE-pooled': 0.0, 'VDE-pooled': 0.0, 'FFE-pooled': 0.0}
    """
    made = make_metric(metric)
    made.load(device)
    sounds = {name: _sound(x, rate, name) for name, x in (("dub", dub), ("truth", truth), ("reference", reference))}
    heard = sounds["dub"]
    if heard is None:
        raise DubbenchError("dub: give its samples")
    path = Path(video).expanduser() if video is not None else Path("no video")
    about = probe(path) if video is not None else None
    item = Item(
        Clip(id="clip", dataset="", speaker="", text=text, video=path),
        heard,
        _at_16k(sounds["truth"]),
        _at_16k(sounds["reference"]),
        about.duration if about else heard.duration,
        about.fps if about else 0.0,
    )
    if reason := lacking(made.info, item):
        raise DubbenchError(f"metric {metric!r}: {reason}; it needs {', '.join(sorted(made.info.needs))}")
    stats = made.score(item)
    if isinstance(stats, Unscored):
        raise DubbenchError(f"metric {metric!r} cannot score this: {stats.reason}")
    arrays = {name: np.array([value], float) for name, value in stats.items()}
    return {column.name: float(values(column, arrays, 1)[0]) for column in made.columns}


def _sound(samples: ArrayLike | None, rate: int, what: str) -> Sound | None:
    return None if samples is None else Sound(as_mono(np.asarray(samples), what), rate)


def _at_16k(sound: Sound | None) -> Sound | None:
    if sound is None or sound.rate == RATE:
        return sound
    return Sound(resample(sound.samples, sound.rate, RATE), RATE)
