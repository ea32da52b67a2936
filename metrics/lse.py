"""LSE-C and LSE-D: lip sync by SyncNet v2 (Chung and Zisserman 2016; named so by Wav2Lip, Prajwal et al. 2020).

For every face track, SyncNet's distance between lips and sound, averaged over the track, for the sound moved by -15 to
15 frames of 40 ms: LSE-D is its minimum, LSE-C its median less its minimum. The value of a set is the mean over all
its tracks, as the dubbing papers' scripts print it. Three recipes, each its own metric, never two in one table:

- ``lse``: the original pipeline with S3FD; tracks from 6 detections on (the original's 100 drop every GRID clip).
- ``lse-mediapipe``: the same with mediapipe's landmarks for boxes, without S3FD weights.
- ``lse-direct``: videos that are cropped to the face already (example.avi, LRS).

Limits of these numbers, and the columns that show them: a constant delay of up to 0.6 s is free (``LSE-offset`` shows
it, and ``LSE-D0``, the distance without moving the sound, gets worse); a dub's length is not judged, since sound beyond
the picture is cut and picture beyond the sound left out; LSE-C grows with the length compared, so that only rows of
about the same ``LSE-seconds`` can be compared. See ``docs/lse.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dubbench.core.metric import Column, Effect, Item, MetricBase, MetricInfo, Ratio, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.loudness import QUIET_DB, silent
from dubbench.runtime.provenance import versions
from dubbench.weights.catalogue import asset_digest, asset_path

if TYPE_CHECKING:
    from dubbench.metrics.syncnet.pipeline import FindFaces, Look

RATE = 16000
SHORTEST = 5
"""Detections above which a track counts; the original's 100 is 4 s."""
SYNCNET, S3FD = "syncnet-v2", "s3fd"


def _columns() -> tuple[Column, ...]:
    judged: dict[str, Effect] = {"another_clip": "worse", "noise": "worse", "silence": "undefined"}
    late: dict[str, Effect] = {**judged, "delay": "worse"}

    def column(name: str, direction: str, value: str, expects: dict[str, Effect], **more: object) -> Column:
        aggregate = Ratio(numerator=value, denominator="tracks")
        fields = {"name": name, "direction": direction, "aggregate": aggregate, "expects": expects, **more}
        return Column.model_validate(fields)

    return (
        column("LSE-C", "up", "confidence", judged),
        column("LSE-D", "down", "distance", judged),
        column("LSE-D0", "down", "distance_at_zero", late, headline=False),
        column("LSE-offset", "none", "offset", {}, unit="frames", digits=1, headline=False),
        column("LSE-seconds", "none", "seconds", {}, unit="s", digits=2, headline=False),
    )


class LSE(MetricBase):
    """LSE-C and LSE-D through the original's face tracks."""

    profiles: ClassVar[frozenset[str]] = frozenset({"paper"})
    assets: ClassVar[tuple[str, ...]] = (SYNCNET, S3FD)
    columns = _columns()
    _name: ClassVar[str] = "lse"
    _face: ClassVar[dict[str, str | int | float]] = {
        "face": "S3FD at a quarter of the size, score above 0.9",
        "scenes": "PySceneDetect 0.5.1 content, 30, 15 frames",
        "track_more_than": SHORTEST,
        "track_missed": 25,
        "track_overlap": 0.5,
        "track_size_px": 100,
        "crop_scale": 0.4,
        "crop_smoothing": "median of 13",
        "losses": "MPEG-4 q2, JPEG q2, XVID by OpenCV, JPEG 200 kbit/s",
    }

    def __init__(self) -> None:
        self.info = MetricInfo(
            name=self._name,
            recipe=f"lse/syncnet-v2/{'track' if self._name == 'lse' else self._name.partition('-')[2]}",
            settings={
                **versions("numpy", "opencv-contrib-python", "scipy", "torch"),
                **(versions("mediapipe", extra="face") if self._name == "lse-mediapipe" else {}),
                **self._face,
                "fps": "25, by ffmpeg's -r; times within 1 ms of a multiple of 1/fps taken for it",
                "pictures": "224 x 224, BGR, 0 to 255",
                "sound": "16 kHz, 16 bit, 13 MFCC of python_speech_features 0.6",
                "windows": "5 frames, 20 cepstra, all but the last",
                "silent_below_dbfs": QUIET_DB,
                "silence_of": "what is compared with a track",
                "reach_frames": 15,
                "ends": "sound beyond the picture cut, picture beyond the sound left out, zeros around the sound",
                "aggregation": "mean over tracks",
            },
            weights={name: asset_digest(name) for name in self.assets},
            needs=frozenset({"video"}),
            summary="Do lips and voice agree, by SyncNet: confidence and distance, over all face tracks",
            source="Chung and Zisserman, Out of time (ACCV workshops 2016); joonson/syncnet_python; Wav2Lip (2020)",
            licence="the weights: CC BY, for research (Visual Geometry Group, Oxford); the code: ours, Apache-2.0",
        )
        self._faces: FindFaces | None = None

    def load(self, device: str) -> None:
        """Load the networks onto ``device``."""
        for module in ("torch", "safetensors", "cv2"):
            require(module, "metrics", "LSE")
        from dubbench.metrics.syncnet.network import Embedder, load_syncnet

        self._model = Embedder(load_syncnet(asset_path(SYNCNET)), device)
        self._faces = self._load_faces(device)

    def _load_faces(self, device: str) -> FindFaces | None:
        from dubbench.metrics.syncnet.pipeline import s3fd_faces
        from dubbench.metrics.syncnet.s3fd import Detector, load_s3fd

        return s3fd_faces(Detector(load_s3fd(asset_path(S3FD)), device))

    def score(self, item: Item) -> Stats | Unscored:
        """Sums over the clip's ``tracks`` of ``confidence``, ``distance``, ``distance_at_zero``, ``offset`` (frames)
        and ``seconds`` compared, each of these again for every track (``track0_...``), and ``unscored_tracks``,
        ``seen`` (share of frames with a face), ``clipped`` (share of samples at full scale), ``video_s``, ``dub_s``.

        Unscored: a dub below -80 dBFS; no face track; a dub that shares fewer than 6 frames with every track, or is
        below -80 dBFS where it does. A track under which it is silent counts as unscored.
        """
        from dubbench.metrics.parts.filterbank import pcm16
        from dubbench.metrics.syncnet.network import SPAN
        from dubbench.metrics.syncnet.pictures import FPS
        from dubbench.metrics.syncnet.pipeline import compare, heard

        if silent(item.dub.samples):
            return Unscored("no sound in the dub (SyncNet would give it a number all the same)")
        self.ready()
        samples = item.dub.at(RATE)
        pcm = pcm16(samples)
        look: Look = item.picture.derive(self.info.recipe, lambda: self._look(item.picture.path))
        if look.problem:
            return Unscored(look.problem)
        stats: dict[str, float] = {}
        sums = dict.fromkeys(("confidence", "distance", "distance_at_zero", "offset", "seconds"), 0.0)
        scored = silences = 0
        for number, lips in enumerate(look.tracks):
            under = heard(lips, samples)
            if len(under) and silent(under):  # whatever sounds before or after
                silences += 1
                continue
            found = compare(lips, pcm, self._model)
            if found is None:
                continue
            scored += 1
            values = {
                "confidence": found.confidence,
                "distance": found.distance,
                "distance_at_zero": found.distance_at_zero,
                "offset": float(found.offset),
                "seconds": (found.windows + SPAN) / FPS,
            }
            stats[f"track{number}_start"] = lips.start / FPS
            for name, value in values.items():
                stats[f"track{number}_{name}"] = value
                sums[name] += value
        if not scored and silences:
            return Unscored("no sound in the dub while a face is seen (SyncNet would give it a number all the same)")
        if not scored:
            return Unscored(f"the dub ({item.dub.duration:.2f} s) shares fewer than 6 frames with every face track")
        return {
            **sums,
            "tracks": float(scored),
            "unscored_tracks": float(len(look.tracks) - scored + look.uncropped),
            "seen": look.seen / look.frames,
            "clipped": float(np.mean((pcm == 32767) | (pcm == -32768))),
            "video_s": look.frames / FPS,
            "dub_s": item.dub.duration,
            **stats,
        }

    def _look(self, video: Path) -> Look:
        from dubbench.metrics.syncnet.pipeline import look

        assert self._faces is not None
        return look(video, self._model, self._faces, SHORTEST)


class LSEMediapipe(LSE):
    """LSE-C and LSE-D through tracks of mediapipe's landmarks: close to `LSE`'s crops, not the same."""

    profiles: ClassVar[frozenset[str]] = frozenset()
    assets: ClassVar[tuple[str, ...]] = (SYNCNET,)
    _name: ClassVar[str] = "lse-mediapipe"
    _face: ClassVar[dict[str, str | int | float]] = {
        **LSE._face,
        "face": "box of mediapipe's landmarks, top raised by 0.055, bottom by 0.017 of its height",
    }

    def _load_faces(self, device: str) -> FindFaces | None:
        require("mediapipe", "face", "lse-mediapipe")
        from dubbench.metrics.syncnet.pipeline import mediapipe_faces

        return mediapipe_faces


class LSEDirect(LSE):
    """LSE-C and LSE-D of videos that are cropped to one face already."""

    profiles: ClassVar[frozenset[str]] = frozenset()
    assets: ClassVar[tuple[str, ...]] = (SYNCNET,)
    _name: ClassVar[str] = "lse-direct"
    _face: ClassVar[dict[str, str | int | float]] = {
        "face": "the whole picture, brought to 224 x 224",
        "losses": "JPEG 200 kbit/s",
    }

    def _load_faces(self, device: str) -> FindFaces | None:
        return None

    def _look(self, video: Path) -> Look:
        from dubbench.metrics.syncnet.pipeline import look_direct

        return look_direct(video, self._model)
