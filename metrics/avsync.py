"""AVSync: similarity of dub and ground truth in AV-HuBERT's audio-visual features, each beside the same video.

AV-HuBERT's features of (video, ground-truth audio) and of (video, dub), 25 a second: the mean over frames of their
cosines, then over clips; a fraction, 1 for the ground truth itself (AlignDiT, 4.2, after Yaman et al., CVPR workshops
2024). It needs the ground truth, and is bound to its words and voice as much as to its timing: no measure of lips and
sound alone. Frames in which both are silent have a cosine near 1 and lift the mean.

The published definition leaves the checkpoint and the layer open. Taken here: ``large_vox_iter5`` (LRS3 and VoxCeleb2,
pretrained), the last layer after its norm, as the original's ``extract_finetune`` gives it. The network is written anew
without fairseq (`dubbench.metrics.models.avhubert`); with equal weights its features are the original's to 1e-6. Mouth
crops: `dubbench.metrics.parts.mouth`; sound: `dubbench.metrics.parts.filterbank`. Video that is not at 25 fps has
frames repeated or left out. As in the original, sound beyond the video is cut and missing sound is filled up.

The video's part is computed once a clip, for all its dubs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import MediaError, require
from dubbench.metrics.parts.filterbank import RATE, log_filterbank, stacked
from dubbench.metrics.parts.loudness import QUIET_DB, silent
from dubbench.metrics.parts.mouth import WINDOW, lip_crops
from dubbench.runtime.provenance import versions
from dubbench.signal.film import Chosen
from dubbench.signal.landmarks import VisualError, find_landmarks
from dubbench.signal.picture import Picture
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import asset_digest, asset_path

WEIGHTS = "av-hubert-large"
FPS = 25
SHORTEST = 5
"""Frames of the shortest clips that AV-HuBERT was trained on."""
FOUND = 0.5
"""Least share of frames in which a face must be found."""
MEAN, DEVIATION = 0.421, 0.165
"""Of grey values in [0, 1], in AV-HuBERT's training."""

Floats = NDArray[np.float32]


def mean_cosine(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """Mean over frames of the cosine between the rows of two (N, C) sequences; exactly 1 for equal ones."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    return float(np.mean((a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))))


def at_25_fps(count: int, fps: float) -> NDArray[np.intp]:
    """Which of ``count`` frames at ``fps`` to take for 25 a second: of each 1/25 s the one shown in its middle."""
    if fps == FPS:
        return np.arange(count)
    middles = np.floor((np.arange(round(count / fps * FPS)) + 0.5) * fps / FPS).astype(int)
    return np.asarray(np.minimum(middles, count - 1), np.intp)


def pictures(picture: Picture) -> Floats:
    """(N, 88, 88) grey mouth crops at 25 fps as the network wants them.

    Raises:
        MediaError: the video cannot be read.
        VisualError: fewer than five frames at 25 fps, or no face in half of them.
    """
    frames = picture.shown
    steady = frames if picture.fps == FPS else Chosen(frames, at_25_fps(len(frames), picture.fps))
    if len(steady) < SHORTEST:
        raise VisualError(f"{len(steady)} frames at 25 fps; AVSync needs {SHORTEST}")
    own = steady is frames and picture.whole
    track = picture.face if own else find_landmarks(steady, picture.name, FOUND)
    crops = lip_crops(steady, track)
    return ((crops / 255 - MEAN) / DEVIATION).astype(np.float32)


def see(network: Any, crops: Floats) -> Floats:
    """(N, 1024) what an `AVHuBERT` makes of (N, 88, 88) crops before it hears anything."""
    import torch

    from dubbench.metrics.models.running import exact

    with exact():
        x = torch.from_numpy(crops)[None].to(network.layer_norm.weight.device)
        return np.asarray(network.see(x)[0].cpu().numpy())


def hear(network: Any, seen: Floats, samples: NDArray[np.floating]) -> Floats:
    """(N, 1024) features of what was seen together with (T,) samples at 16 kHz that start with it."""
    import torch

    from dubbench.metrics.models.running import exact

    with exact():
        device = network.layer_norm.weight.device
        banks = torch.from_numpy(stacked(log_filterbank(samples), len(seen)))[None].to(device)
        return np.asarray(network.hear(torch.from_numpy(seen)[None].to(device), banks)[0].cpu().numpy())


class AVSync(MetricBase):
    """Similarity of AV-HuBERT's features of the video with the dub and with the ground truth."""

    profiles = frozenset({"paper"})
    assets = (WEIGHTS,)
    columns = (
        Column(
            name="AVSync",
            direction="up",
            aggregate=Mean(value="avsync"),
            digits=3,
            best=1.0,
            tolerance=0.02,
            expects={
                "ground_truth": "perfect",
                "delay": "worse",
                "another_clip": "worse",
                "shuffled": "worse",
                "silence": "undefined",
                "noise": "worse",
                "noisy(snr=10)": "worse",
                "warp(ms=100)": "worse",
            },
        ),
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="avsync",
            recipe="avsync/av-hubert-large",
            settings={
                **versions("torch", "numpy", "scipy"),
                **versions("mediapipe", extra="face"),
                "layer": "last, after its norm",
                "fps": f"{FPS}, the frame shown in the middle of each interval",
                "mouth": f"mediapipe mesh, eyes and nose over {WINDOW} frames onto a mean face, 88 px, grey",
                "least_share_of_frames_with_a_face": FOUND,
                "pixels": f"mean {MEAN}, deviation {DEVIATION}",
                "rate": RATE,
                "sound": "16-bit, 26 log filterbanks at 100 Hz, 4 stacked, each frame normalised",
                "length": "sound cut to the video, or filled up with zeros in the filterbank",
                "shortest_frames": SHORTEST,
                "silent_below_dbfs": QUIET_DB,
                "silence_of": "what lies under the video",
                "precision": "float32",
                "batch": 1,
                "aggregation": "mean of frame cosines, mean over clips",
            },
            weights={WEIGHTS: asset_digest(WEIGHTS)},
            needs=frozenset({"truth", "video"}),
            summary="Cosine of AV-HuBERT's features of the video with the dub and with the ground truth",
            source="Shi et al., ICLR 2022 (AV-HuBERT); Yaman et al., CVPRW 2024; AlignDiT, section 4.2",
            licence="AV-HuBERT License Agreement (Meta): non-commercial research (the weights)",
        )

    def load(self, device: str) -> None:
        """Load the network onto ``device``."""
        require("torch", "metrics", "AVSync")
        require("safetensors", "metrics", "AVSync")
        from dubbench.metrics.models.avhubert import load_avhubert

        self._model = load_avhubert(asset_path(WEIGHTS), device)

    def score(self, item: Item) -> Stats | Unscored:
        """``avsync``: mean cosine over frames, in [-1, 1]."""
        assert item.truth is not None
        self.ready()
        sounds = ((item.dub, "dub"), (item.truth, "ground truth"))
        for sound, where in sounds:
            if silent(sound.samples):
                return Unscored(f"no sound in the {where}")
        try:
            seen: Floats = item.picture.derive("avsync/seen", lambda: see(self._model, pictures(item.picture)))
        except (VisualError, MediaError) as error:
            return Unscored(str(error))
        for sound, where in sounds:  # once more without what lies beyond the video
            if silent(sound.at(RATE)[: len(seen) * RATE // FPS]):
                return Unscored(f"no sound in the {where} while the video lasts")
        truth: Floats = item.truth.derive("avsync/truth", lambda: self._hear(seen, item.truth))
        return {"avsync": mean_cosine(truth, self._hear(seen, item.dub))}

    def _hear(self, seen: Floats, sound: Sound | None) -> Floats:
        assert sound is not None
        return hear(self._model, seen, sound.at(RATE))
