"""Lip sync by dubbench's own expert: the distance between lips and voice at every offset. Needs no ground truth.

Two small encoders, trained on GRID's speaker s1 and on ``toon`` (`dubbench.metrics.sync_expert`, weights in the
package), turn lips and sound into unit vectors, one every 40 ms. The distance of the two, 0 to 2, averaged over the
clip, for the sound 15 frames early to 15 frames late, makes a curve:

- ``Sync-D``: its value at no offset. A dub that is late as a whole is worse here.
- ``Sync-C``: its median less its least value: how clearly one offset stands out. A constant delay is free here.
- ``Sync-offset``: where it is least, in ms, positive where the sound is late; ``Sync-offset-abs`` without the sign.

The idea is SyncNet's (Chung and Zisserman 2016), the network, the training and the scale are not: these are never to
be held against LSE-C and LSE-D.
"""

from __future__ import annotations

from pathlib import Path

from dubbench.core.metric import Column, Effect, Item, Mean, MetricBase, MetricInfo, Quantile, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.sync_expert import signals
from dubbench.metrics.sync_expert.curve import REACH, curve, read
from dubbench.runtime.digests import file_digest
from dubbench.runtime.provenance import versions

WEIGHTS = Path(__file__).parent / "sync_expert" / "weights" / "expert.safetensors"
SHORTEST = 10
"""Frames at 25 Hz below which a video or a dub is left unscored: less than one context of the encoders."""

Seen = signals.Floats | Unscored


def _columns() -> tuple[Column, ...]:
    common: dict[str, Effect] = {
        "silence": "undefined",
        "noise": "undefined",
        "gain(db=-12)": "invariant",
        "other_voice": "invariant",
    }
    wrong: dict[str, Effect] = {
        "another_clip": "worse",
        "shuffled": "worse",
        "warp(ms=100)": "worse",
        "warp(ms=300)": "worse",
    }
    # Tolerance: a tenth of what a delay of 100 ms costs in distance.
    return (
        Column(
            name="Sync-C",
            direction="up",
            aggregate=Mean(value="confidence"),
            digits=3,
            tolerance=0.02,
            expects={"delay": "invariant", **wrong, **common},
        ),
        Column(
            name="Sync-D",
            direction="down",
            aggregate=Mean(value="distance"),
            digits=3,
            tolerance=0.02,
            expects={"delay": "worse", **wrong, **common},
        ),
        Column(
            name="Sync-offset",
            direction="none",
            aggregate=Quantile(value="offset_ms", q=0.5),
            unit="ms",
            digits=0,
            tolerance=20.0,
            headline=False,
            expects=common,
        ),
        Column(
            name="Sync-offset-abs",
            direction="down",
            aggregate=Mean(value="offset_abs_ms"),
            unit="ms",
            digits=0,
            tolerance=20.0,
            headline=False,
            expects={"delay": "worse", "another_clip": "worse", **common},
        ),
    )


class Sync(MetricBase):
    """Confidence, distance and offset of lips and voice."""

    columns = _columns()

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="sync",
            recipe="sync/expert-1",
            settings={
                **versions("numpy", "torch"),
                **versions("mediapipe", extra="face"),
                **signals.recipe(),
                "reach_frames": REACH,
                "shortest_frames": SHORTEST,
                "distance": "of unit vectors, mean over frames",
                "confidence": "median less least distance",
                "beyond_the_dub": "as its quietest tenth",
                "face": "in at least half of the frames, gaps interpolated",
            },
            weights={"sync-expert": file_digest(WEIGHTS)},
            needs=frozenset({"video"}),
            summary="Do lips and voice agree, by dubbench's own small expert: distance, confidence, offset (not LSE)",
            source="dubbench; after Chung and Zisserman, Out of time (2016)",
            licence="Apache-2.0; weights trained on GRID s1 (Cooke et al. 2006, CC BY 4.0) and toon",
        )

    def load(self, device: str) -> None:
        """Load the expert; it runs on the CPU whatever the device."""
        require("torch", "metrics", "the sync expert")
        require("mediapipe", "face", "the sync expert")
        from dubbench.metrics.sync_expert.model import load_expert

        self._model, _ = load_expert(WEIGHTS)

    def score(self, item: Item) -> Stats | Unscored:
        """``confidence``, ``distance``: 0 to 2; ``offset_ms``, ``offset_abs_ms``: multiples of 40 up to 600;
        ``faces``: how many faces most pictures show, of which the most prominent one is followed; ``face_found``: in
        what share of the pictures it was found.

        Unscored: a clip without a face, a clip or a dub of less than 0.4 s, a dub without speech.
        """
        lips: Seen = item.picture.derive(self.info.recipe, lambda: _look(item))
        if isinstance(lips, Unscored):
            return lips
        if item.dub.duration * signals.FPS < SHORTEST:
            return Unscored(f"the dub ({item.dub.duration:.2f} s) is shorter than {SHORTEST / signals.FPS:g} s")
        end = (len(lips) + REACH + 1) * signals.PER_FRAME * signals.HOP
        heard = signals.mel(item.dub.at(signals.RATE)[:end])
        if not heard.speech:
            return Unscored("no speech in the dub")
        self.ready()
        found = read(curve(self._model, lips, signals.mel_input(heard.power, heard.level)))
        return {
            "confidence": found.confidence,
            "distance": found.distance,
            "offset_ms": 1000 * found.offset,
            "offset_abs_ms": abs(1000 * found.offset),
            "faces": float(item.picture.faces),
            "face_found": float(item.picture.face.found.mean()),
        }


def _look(item: Item) -> Seen:
    """The lips of the clip's video, for all its dubs, or why there are none."""
    from dubbench.signal.landmarks import VisualError, lip_features

    picture = item.picture
    frames = len(picture.shown)
    if frames / picture.fps * signals.FPS < SHORTEST:
        return Unscored(f"{frames} frames are too short a video; {SHORTEST / signals.FPS:g} s are needed")
    try:
        track = picture.face
    except VisualError as error:
        return Unscored(str(error))
    return signals.lip_input(signals.interpolated(lip_features(track), picture.fps))
