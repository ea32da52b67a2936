"""No step decodes the same file twice, however many systems and metrics look at it."""

import collections
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

for module in ("pyworld", "av", "soundfile"):
    pytest.importorskip(module)

from dubbench.core.clip import Clip  # noqa: E402
from dubbench.core.metric import Column, Item, Mean, MetricBase, MetricInfo  # noqa: E402
from dubbench.pipeline import score_worker  # noqa: E402
from dubbench.pipeline.prepare import Prepared, _prepare, sound_file, video_file  # noqa: E402
from dubbench.signal import container, media, soundtrack  # noqa: E402
from dubbench.signal import film as film_module  # noqa: E402

METRICS = ("pitch", "mcd", "align", "example-again")
SYSTEMS = ("one", "two", "three")


def noise(seconds: float, rate: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def film(path: Path, sound: np.ndarray) -> Path:
    """A second of flat pictures with ``sound`` at 16 kHz."""
    import av

    silent = path.with_suffix(".mkv")
    with av.open(str(silent), "w") as output:
        stream = output.add_stream("libx264", rate=25, options=media.x264(30))
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for _ in range(25):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        output.mux(stream.encode(None))
    media.mux(silent, sound, 16000, path)
    return path


class Again(MetricBase):
    """Reads every sound of the item at several rates, several times."""

    columns = (Column(name="again", direction="none", aggregate=Mean(value="x")),)
    info = MetricInfo(name="example-again", recipe="again/x")

    def score(self, item: Item) -> dict[str, float]:
        sounds = [s for s in (item.dub, item.truth, item.reference) if s is not None]
        return {"x": float(sum(s.at(rate)[0] for s in sounds for rate in (8000, 16000, 22050, 8000)))}


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[collections.Counter[str]]:
    """How often each file was decoded: streams of containers as ``path#kind``, sound files as ``path``."""
    import soundfile

    count: collections.Counter[str] = collections.Counter()
    frames, read = container.frames_of, soundfile.read

    def counted_frames(opened: object, stream: object, path: Path, *rest: list[str]) -> Iterator[object]:
        count[f"{path}#{stream.type}"] += 1  # type: ignore[attr-defined]
        return frames(opened, stream, path, *rest)

    def counted_read(path: object, *rest: object, **options: object) -> object:
        count[str(path)] += 1
        return read(path, *rest, **options)

    for module in (film_module, soundtrack):
        monkeypatch.setattr(module, "frames_of", counted_frames)
    monkeypatch.setattr(soundfile, "read", counted_read)
    score_worker._metrics.clear()
    monkeypatch.setitem(score_worker._metrics, "example-again", Again())
    yield count
    score_worker._metrics.clear()


def test_each_file_is_decoded_once(tmp_path: Path, decoded: collections.Counter[str]) -> None:
    videos = [film(tmp_path / f"{name}.mp4", noise(1.0, 16000, seed)) for seed, name in enumerate("ab")]
    decoded.clear()
    clips = [Clip(id=v.stem, dataset="d", speaker="s", text="bin", video=v, audio=v) for v in videos]
    ready: dict[str, Prepared] = {c.id: _prepare((c, tmp_path / "work", None)) for c in clips}
    assert not [p for p in ready.values() if p.problem or p.truth_problem]
    assert decoded == {f"{v}#{kind}": 1 for v in videos for kind in ("audio", "video")}
    for clip in clips:
        assert _prepare((clip, tmp_path / "work", None)) == ready[clip.id]
    assert sum(decoded.values()) == 2 * len(videos)  # what is ready is not made again

    for number, (clip, other) in enumerate(zip(clips, clips[::-1], strict=True)):
        decoded.clear()
        wavs = []
        for system in SYSTEMS:
            wav = tmp_path / system / f"{clip.id}.wav"
            media.write_wav(wav, noise(1.0, 22050, 7 + number), 22050)
            wavs.append(wav)
        work = score_worker.ClipTask(
            clip=replace(clip, video=video_file(tmp_path / "work", ready[clip.id].digest)),
            duration=1.0,
            fps=25.0,
            truth=sound_file(tmp_path / "work", ready[clip.id].digest),
            truth_problem="",
            reference=sound_file(tmp_path / "work", ready[(other if number else clip).id].digest),
            jobs=tuple(
                score_worker.DubToScore(system, wav, "", tuple((name, f"{system}-{name}") for name in METRICS))
                for system, wav in zip(SYSTEMS, wavs, strict=True)
            ),
            device="cpu",
        )
        rows = score_worker._score(work)
        assert len(rows) == len(SYSTEMS) * len(METRICS)
        assert not [r.reason for r in rows if r.error]
        expected = {*map(str, wavs), str(work.truth), str(work.reference)}
        assert decoded == dict.fromkeys(expected, 1)  # in Setting 1.0, the first clip, truth and reference are one file


def test_features_of_the_truth_are_made_once_for_all_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    from dubbench.metrics import align, mcd, pitch
    from dubbench.signal.sound import Sound

    made: collections.Counter[str] = collections.Counter()

    def counted(module: object, name: str) -> None:
        real = getattr(module, name)

        def call(samples: np.ndarray) -> object:
            made[name] += 1
            return real(samples)

        monkeypatch.setattr(module, name, call)

    for module, name in ((pitch, "pitch"), (mcd, "mel_cepstra"), (align, "speech")):
        counted(module, name)
    truth = Sound(noise(1.0, 16000, 0), 16000)
    clip = Clip(id="a", dataset="d", speaker="s", text="bin", video=Path("a.mkv"))
    for seed in range(3):
        item = Item(clip, Sound(noise(1.0, 16000, seed + 1), 16000), truth, None, 1.0, 25.0)
        for metric in (pitch.Pitch(), mcd.MCD(), align.Alignment()):
            metric.score(item)
    assert made["mel_cepstra"] == made["pitch"] == 4  # one truth, three dubs
    assert made["speech"] <= 4
