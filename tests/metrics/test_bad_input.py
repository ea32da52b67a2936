"""Bad input on the way that a run takes: files in, rows out, each with the right number or a recorded reason.

Faces are found by mediapipe in real pictures; the networks of LSE, AVSync and UTMOS have random weights, so that their
numbers mean nothing, but are equal where the input is; `sync` and Whisper tiny.en have their own.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_whisper
from lse_parts import film, syncnet
from numpy.typing import NDArray
from spoken import say

for module in ("torch", "safetensors", "mediapipe", "faster_whisper"):
    pytest.importorskip(module)

from random_weights import random_state  # noqa: E402

from dubbench.core.clip import Clip  # noqa: E402
from dubbench.metrics import avsync, lse, sync, utmos, wer_whisper  # noqa: E402
from dubbench.metrics.models import avhubert, utmos22, whisper  # noqa: E402
from dubbench.metrics.syncnet.network import Embedder  # noqa: E402
from dubbench.metrics.syncnet.pipeline import mediapipe_faces  # noqa: E402
from dubbench.pipeline import score_worker  # noqa: E402
from dubbench.pipeline.store import ScoreRow  # noqa: E402
from dubbench.signal.media import probe, read_audio, read_frames, resample, write_wav  # noqa: E402
from dubbench.weights.state import with_state  # noqa: E402

Frames = NDArray[np.uint8]
Samples = NDArray[np.float32]
TEXT = "please open the window and close the door"
EYES, EARS = ("lse-mediapipe", "avsync", "sync"), ("utmos", "wer-faster")
COUNT = 30
"""Frames of the video: 1.2 s."""


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    """The metrics as a worker holds them."""
    with pytest.MonkeyPatch.context() as patch:
        for part in (avsync, lse, utmos, wer_whisper):
            patch.setattr(part, "asset_digest", lambda name: "0" * 64)
        made = lse.LSEMediapipe(), avsync.AVSync(), sync.Sync(), utmos.UTMOS(), wer_whisper.WERFaster()
        made[0]._model, made[0]._faces = Embedder(syncnet()), mediapipe_faces
        small, rater = avhubert.AVHuBERT(64, 4, 3), utmos22.empty()
        made[1]._model = with_state(small, random_state(small), "random")
        made[3]._model = with_state(rater, random_state(rater), "random")
        made[4]._model = whisper.FasterWhisper(tiny_whisper.folder())
        patch.setattr(score_worker, "_metrics", dict(zip((*EYES, *EARS), made, strict=True)))
        yield


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> Frames:
    """A woman speaks."""
    return read_frames(shared_data / "grid" / "s23" / "lrwp9a.mpg")[20 : 20 + COUNT]


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> Samples:
    """What she says, as long as the picture."""
    return read_audio(shared_data / "grid" / "s23" / "lrwp9a.mpg")[20 * 640 : (20 + COUNT) * 640]


def score(
    folder: Path, names: tuple[str, ...], dub: Path, video: Path | None = None, truth: Path | None = None
) -> dict[str, ScoreRow]:
    """A row a metric. None may be an error: that is what an exception becomes."""
    about = probe(video) if video else None
    job = score_worker.DubToScore("system", dub, "", tuple((name, name) for name in names))
    clip = Clip("c", "d", "s", TEXT, video or folder / "none.mp4")
    seconds, fps = (about.duration, about.fps) if about else (1.0, 25.0)
    work = score_worker.ClipTask(clip, seconds, fps, truth, "", None, (job,), "cpu")
    rows = {row.metric: row for row in score_worker._score(work)}
    for row in rows.values():
        assert not row.error and bool(row.stats) != bool(row.reason) and "\n" not in row.reason, row
        assert all(np.isfinite(value) for value in row.stats.values()), row
    return rows


def look(
    folder: Path, pictures: Frames, truth: Samples, dub: Samples | None = None, fps: int = 25
) -> dict[str, ScoreRow]:
    """What the metrics with eyes make of a video; the dub is the ground truth unless it is given."""
    folder.mkdir(exist_ok=True)
    write_wav(folder / "truth.wav", truth, 16000)
    write_wav(folder / "dub.wav", truth if dub is None else dub, 16000)
    return score(folder, EYES, folder / "dub.wav", film(folder / "v.mp4", pictures, fps), folder / "truth.wav")


def hear(folder: Path, dub: Samples, rate: int = 16000) -> dict[str, ScoreRow]:
    """What the metrics with ears make of a sound."""
    folder.mkdir(exist_ok=True)
    write_wav(folder / "dub.wav", dub, rate)
    return score(folder, EARS, folder / "dub.wav")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, frames: Frames, truth: Samples) -> dict[str, ScoreRow]:
    """The rows of good input."""
    rows = look(tmp_path_factory.mktemp("good"), frames, truth)
    assert rows["lse-mediapipe"].stats["tracks"] == 1 and rows["lse-mediapipe"].stats["seen"] == 1
    assert rows["avsync"].stats["avsync"] == 1
    return rows


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ScoreRow]:
    """The rows of good input."""
    rows = hear(tmp_path_factory.mktemp("good"), say(TEXT)[0])
    assert rows["wer-faster"].stats["rate"] <= 0.25
    return rows


def test_no_face(tmp_path: Path, truth: Samples) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (COUNT, 96, 96, 3), np.uint8)
    rows = look(tmp_path, noise, truth)
    assert rows["lse-mediapipe"].reason == f"no face found in any of the video's {COUNT} frames"
    assert rows["avsync"].reason == rows["sync"].reason
    assert rows["sync"].reason.startswith("no face")


def test_several_faces(tmp_path: Path, frames: Frames, truth: Samples, seen: dict[str, ScoreRow]) -> None:
    """A second, smaller face of another moment beside hers: one face is followed, hers."""
    small = frames[::-1, ::2, ::2]
    beside = np.full((COUNT, frames.shape[1], small.shape[2], 3), 90, np.uint8)
    beside[:, 40 : 40 + small.shape[1]] = small
    rows = look(tmp_path, np.concatenate([frames, beside], axis=2), truth)
    assert rows["lse-mediapipe"].stats["tracks"] == 1
    assert rows["avsync"].stats["avsync"] == 1
    for name in ("distance", "confidence"):
        assert rows["sync"].stats[name] == pytest.approx(seen["sync"].stats[name], abs=0.1)


@pytest.mark.parametrize("left", [0.7, 0.3])
def test_a_face_lost_midway(tmp_path: Path, frames: Frames, truth: Samples, left: float) -> None:
    """LSE compares what there is and says how much; the others ask for a face in half of the frames."""
    lost, kept = frames.copy(), round(COUNT * left)
    lost[kept:] = 90
    rows = look(tmp_path, lost, truth)
    stats = rows["lse-mediapipe"].stats
    assert stats["seen"] == pytest.approx(left, abs=0.04)
    assert stats["seconds"] == pytest.approx(kept / 25, abs=0.05)
    if left > 0.5:
        assert rows["avsync"].stats["avsync"] == 1 and rows["sync"].stats["distance"] > 0
    else:
        assert rows["avsync"].reason == rows["sync"].reason
        assert "face" in rows["sync"].reason


def test_thirty_frames_a_second(tmp_path: Path, frames: Frames, truth: Samples, seen: dict[str, ScoreRow]) -> None:
    faster = frames[np.minimum(np.round(np.arange(36) / 30 * 25).astype(int), COUNT - 1)]
    rows = look(tmp_path, faster, truth, fps=30)
    assert rows["lse-mediapipe"].stats["video_s"] == pytest.approx(COUNT / 25, abs=0.09)
    assert rows["avsync"].stats["avsync"] == 1
    assert rows["sync"].stats["distance"] == pytest.approx(seen["sync"].stats["distance"], abs=0.15)


def test_five_frames(tmp_path: Path, frames: Frames, truth: Samples) -> None:
    rows = look(tmp_path, frames[:5], truth[: 5 * 640])
    assert rows["lse-mediapipe"].reason == "the video has 5 frames at 25 a second; SyncNet needs 6"
    assert rows["sync"].reason == "5 frames are too short a video; 0.4 s are needed"
    assert rows["avsync"].stats["avsync"] == 1  # AV-HuBERT was trained on clips of five frames and longer
    ears = hear(tmp_path, truth[: 5 * 640])
    assert ears["utmos"].reason == "the dub (0.20 s) is shorter than 0.5 s"
    assert ears["wer-faster"].stats["words"] == 8


@pytest.mark.parametrize("level", [0.0, 1e-5])
def test_silence(tmp_path: Path, frames: Frames, truth: Samples, level: float) -> None:
    hiss = (level * np.random.default_rng(0).normal(size=len(truth))).astype(np.float32)
    rows = look(tmp_path, frames, truth, hiss)
    assert rows["lse-mediapipe"].reason.startswith("no sound in the dub")
    assert rows["avsync"].reason == "no sound in the dub"
    assert rows["sync"].reason == "no speech in the dub"
    ears = hear(tmp_path, hiss)
    assert ears["utmos"].reason == "no sound in the dub"
    if not level:
        assert ears["wer-faster"].stats["rate"] == ears["wer-faster"].stats["empty"] == 1


def test_clipped(
    tmp_path: Path, frames: Frames, truth: Samples, seen: dict[str, ScoreRow], heard: dict[str, ScoreRow]
) -> None:
    """Beyond full scale, as float files can be, and cut there: one sound to all who read 16 bits."""
    far, cut = 30 * truth, np.clip(30 * truth, -1, 32767 / 32768)
    loud, clipped = (look(tmp_path / name, frames, truth, dub) for name, dub in (("far", far), ("cut", cut)))
    assert clipped["lse-mediapipe"].stats["clipped"] > 0.02 > seen["lse-mediapipe"].stats["clipped"] == 0
    for name in ("lse-mediapipe", "avsync"):
        assert loud[name].stats == clipped[name].stats
    assert clipped["avsync"].stats["avsync"] < 1
    assert clipped["sync"].stats["distance"] == pytest.approx(seen["sync"].stats["distance"], abs=0.2)
    speech = say(TEXT)[0]
    ears = hear(tmp_path, np.clip(4 * speech / np.abs(speech).max(), -1, 1))
    assert ears["wer-faster"].stats["rate"] <= heard["wer-faster"].stats["rate"] + 0.25
    assert ears["utmos"].stats["utmos"] != heard["utmos"].stats["utmos"]


def test_48_khz_stereo(
    tmp_path: Path, frames: Frames, truth: Samples, seen: dict[str, ScoreRow], heard: dict[str, ScoreRow]
) -> None:
    import soundfile

    for name, sound in (("truth", truth), ("speech", say(TEXT)[0])):
        wide = resample(sound, 16000, 48000)
        both = np.stack([1.5 * wide, 0.5 * wide], axis=1)  # their mean is the sound
        soundfile.write(tmp_path / f"{name}.wav", both, 48000, subtype="PCM_16")
    write_wav(tmp_path / "mono.wav", truth, 16000)
    video = film(tmp_path / "v.mp4", frames)
    rows = score(tmp_path, EYES, tmp_path / "truth.wav", video, tmp_path / "mono.wav")
    for name in ("distance", "distance_at_zero"):
        assert rows["lse-mediapipe"].stats[name] == pytest.approx(seen["lse-mediapipe"].stats[name], rel=2e-3)
    assert rows["sync"].stats["distance"] == pytest.approx(seen["sync"].stats["distance"], abs=0.02)
    assert 0.98 < rows["avsync"].stats["avsync"] < 1
    ears = score(tmp_path, EARS, tmp_path / "speech.wav")
    assert ears["wer-faster"].stats == heard["wer-faster"].stats
    assert ears["utmos"].stats["utmos"] == pytest.approx(heard["utmos"].stats["utmos"], abs=0.02)


def test_twice_as_long_as_the_video(
    tmp_path: Path, frames: Frames, truth: Samples, seen: dict[str, ScoreRow], heard: dict[str, ScoreRow]
) -> None:
    """What is beyond the picture is neither seen nor heard with it; who only listens hears it."""
    rows = look(tmp_path, frames, truth, np.concatenate([truth, truth[::-1]]))
    told = rows["lse-mediapipe"].stats
    for name in ("distance", "distance_at_zero", "confidence", "seconds"):
        assert told[name] == seen["lse-mediapipe"].stats[name]
    assert (told["dub_s"], told["video_s"]) == (2 * COUNT / 25, COUNT / 25)
    assert 0.999 < rows["avsync"].stats["avsync"] < 1  # its last 25 ms reach beyond the picture, as in the original
    assert rows["sync"].stats["distance"] == pytest.approx(seen["sync"].stats["distance"], abs=0.1)
    speech = say(TEXT)[0]
    ears = hear(tmp_path, np.concatenate([speech, speech]))
    assert ears["wer-faster"].stats["insertions"] >= 6
    assert ears["utmos"].stats["utmos"] == pytest.approx(heard["utmos"].stats["utmos"], abs=0.3)
