"""Distill-MOS: predicted mean opinion score of speech quality, 1 to 5, without a reference (Stahl and Gamper 2025).

A small network (4.1 M parameters) that was taught by a large one built on XLS-R, on telephony, codecs, enhancement and
some synthesis. It is a second opinion beside DNSMOS; it is not UTMOS, and never stands under that name.

The computation is that of the package ``distillmos``, whose wheel brings the weights: the sound is filled up with zeros
to 7.68 s, or cut into windows of 7.68 s that start at most a second apart; each is divided by its own peak; mean over
windows. Here the windows go through the network one by one, so that memory does not grow with the dub, on one thread.

The network answers to anything: 1.97 to silence, 1.95 to white noise, which is more than it gives to some published
dubs. A dub without speech, by the rule of ``align`` (level and floor less than 6 dB apart), is therefore unscored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.align import CONTRAST_DB, activity, mel_power
from dubbench.metrics.parts.loudness import QUIET_DB, silent
from dubbench.runtime.package_files import bundled, bundled_digest
from dubbench.runtime.provenance import versions

RATE = 16000
WINDOW = 122880
"""Samples that the network takes: 7.68 s."""
HOP = 16000
"""Samples by which windows of a longer dub lie apart at most."""
SHORTEST = 0.5
"""Seconds below which a dub is left unscored, as by DNSMOS."""

_WEIGHTS = ("weights", "distill_mos_v7.pt")


def opinion(samples: NDArray[np.floating]) -> float:
    """Distill-MOS, 1 to 5, of (T,) samples at 16 kHz, not empty; what ``distillmos``'s own model gives."""
    import torch

    from dubbench.metrics.models.running import exact

    audio = np.asarray(samples, dtype=np.float32)
    audio = np.pad(audio, (0, max(0, WINDOW - len(audio))))
    spare = len(audio) - WINDOW
    network = _network()
    with exact():
        windows = (torch.from_numpy(audio[start : start + WINDOW].copy())[None] for start in _starts(spare))
        return float(np.mean([network(window).item() for window in windows]))


def _starts(spare: int) -> list[int]:
    """Where windows start in a sound that is ``spare`` samples longer than one: evenly, the last one ends with it."""
    return [int(part * spare) for part in np.linspace(0, 1, -(-spare // HOP) + 1)]


@cache
def _network() -> Any:
    """The package's network with its weights, for one window at a time, in evaluation mode.

    Raises:
        DubbenchError: a package is not installed.
    """
    torch = require("torch", "mos", "Distill-MOS")
    with _no_torchaudio():
        package = require("distillmos", "mos", "Distill-MOS")
    network = package.ConvTransformerSQAModel(load_weights=False, segmenting_in_forward=False)
    network.load_state_dict(
        torch.load(bundled("distillmos", *_WEIGHTS, extra="mos"), map_location="cpu", weights_only=True)["model"]
    )
    return network.eval().requires_grad_(False)


@contextmanager
def _no_torchaudio() -> Iterator[None]:
    """An empty torchaudio, unless the real one is loaded already.

    ``distillmos`` imports it for its command line alone, and many of its builds do not load beside another torch.
    """
    if "torchaudio" in sys.modules:
        yield
        return
    sys.modules["torchaudio"] = ModuleType("torchaudio")
    try:
        yield
    finally:
        del sys.modules["torchaudio"]


class DistillMOS(MetricBase):
    """Predicted opinion of speech quality, without a reference."""

    profiles: ClassVar[frozenset[str]] = frozenset()
    columns = (
        Column(
            name="Distill-MOS",
            direction="up",
            aggregate=Mean(value="mos"),
            digits=2,
            tolerance=0.1,
            headline=True,
            expects={
                "delay": "invariant",
                "silence": "undefined",
                "noise": "undefined",
                "gain(db=-12)": "invariant",
                "noisy(snr=10)": "worse",
            },
        ),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="distill-mos",
            recipe="distill-mos/v7",
            settings={
                **versions("distillmos", "xls-r-sqa", "torch", "numpy", extra="mos"),
                "rate": RATE,
                "loudness": "peak of the window",
                "window_s": WINDOW / RATE,
                "hop_s": HOP / RATE,
                "short": "filled up with zeros",
                "shortest_s": SHORTEST,
                "silent_db": QUIET_DB,
                "speech": f"level {CONTRAST_DB:g} dB above the floor, as align/dtw-logmel-5ms",
                "aggregation": "mean over windows, then over clips",
            },
            weights={"distill-mos-v7": bundled_digest("distillmos", *_WEIGHTS, extra="mos")},
            summary="Predicted speech quality without a reference by a distilled network; no UTMOS",
            source="Stahl and Gamper, ICASSP 2025 (Distill-MOS)",
            licence="MIT (distillmos and its weights; xls-r-sqa)",
        )

    def load(self, device: str) -> None:
        """Load the network; it runs on one CPU thread whatever the device."""
        _network()

    def score(self, item: Item) -> Stats | Unscored:
        """``mos``: 1 to 5. Unscored where the dub is shorter than 0.5 s or holds no speech."""
        samples = item.dub.at(RATE)
        if len(samples) < SHORTEST * RATE:
            return Unscored(f"the dub ({item.dub.duration:.2f} s) is shorter than {SHORTEST:g} s")
        if silent(samples):
            return Unscored("no sound in the dub")
        if activity(mel_power(samples)) is None:
            return Unscored("no speech in the dub")
        return {"mos": opinion(samples)}
