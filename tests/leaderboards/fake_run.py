"""A run that nobody made: real files through `dubbench.pipeline.store`, numbers from a seeded generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dubbench.core.identity import info_digest, signature
from dubbench.core.metric import Column, Mean, MetricInfo, Quantile, Ratio
from dubbench.core.system import SystemInfo
from dubbench.pipeline.prepare import content_digest
from dubbench.pipeline.store import (
    ClipRow,
    DubRow,
    Manifest,
    MetricEntry,
    Run,
    ScoreRow,
    SystemEntry,
    ledger,
    read_run,
    slug,
    write_manifest,
    write_scores,
)
from dubbench.runtime.digests import digest
from dubbench.signal.media import write_wav

RATE = 16000
WORDS = ("bin", "blue", "at", "f", "two", "now")

METRICS: dict[str, tuple[MetricInfo, tuple[Column, ...]]] = {
    "wer-grammar": (
        MetricInfo(
            name="wer-grammar",
            recipe="wer/pocketsphinx-grid",
            settings={"rate": 16000, "beam": 1e-48},
            needs=frozenset({"text"}),
            summary="Word errors through a recogniser that knows the grammar",
        ),
        (
            Column(
                name="WER-grammar",
                direction="down",
                aggregate=Ratio(numerator="errors", denominator="words"),
                unit="%",
                scale=100,
                digits=1,
                tolerance=9.0,
                expects={"delay(ms=100)": "invariant", "noise": "worse", "silence": "worse"},
            ),
            Column(
                name="words",
                direction="none",
                aggregate=Mean(value="words"),
                digits=0,
                headline=False,
            ),
        ),
    ),
    "secs": (
        MetricInfo(
            name="secs",
            recipe="secs/resemblyzer",
            settings={"partial": 1.6},
            weights={"pretrained.pt": "f0" * 32},
            needs=frozenset({"truth"}),
            speaker_encoder="resemblyzer",
            summary="Cosine of speaker embeddings",
        ),
        (
            Column(
                name="SECS",
                direction="up",
                aggregate=Mean(value="cosine"),
                unit="%",
                scale=100,
                digits=1,
                best=100.0,
                expects={"ground_truth": "perfect", "noise": "worse"},
            ),
        ),
    ),
    "f0": (
        MetricInfo(
            name="f0",
            recipe="f0/world-dio",
            settings={"frame_ms": 5, "threshold": 0.2},
            needs=frozenset({"truth"}),
            summary="F0 frame error",
        ),
        (
            Column(
                name="FFE",
                direction="down",
                aggregate=Ratio(numerator="wrong", denominator="frames"),
                digits=3,
                best=0.0,
                expects={"ground_truth": "perfect", "delay(ms=100)": "worse", "noise": "worse"},
            ),
        ),
    ),
    "align": (
        MetricInfo(name="align", recipe="align/dtw-logmel", needs=frozenset({"truth"}), summary="Alignment error"),
        (
            Column(
                name="align-ms",
                direction="down",
                aggregate=Quantile(value="ms", q=0.5),
                unit="ms",
                digits=0,
                best=0.0,
                expects={"ground_truth": "perfect", "delay(ms=100)": "worse", "silence": "undefined"},
            ),
        ),
    ),
    "dnsmos": (
        MetricInfo(name="dnsmos", recipe="dnsmos/p808", summary="Predicted quality"),
        (Column(name="DNSMOS", direction="up", aggregate=Mean(value="mos"), digits=2, expects={"noise": "worse"}),),
    ),
}


@dataclass
class Fake:
    """One made-up system: how often it errs, how far it is from the truth, and what it says of itself."""

    info: SystemInfo
    spec: str
    errors: float = 0.1
    cosine: float = 0.8
    ffe: float = 0.2
    ms: float | None = 30.0
    mos: float = 3.0
    fails: Sequence[int] = ()
    unscored: dict[str, Sequence[int]] = field(default_factory=dict)


def control(name: str, spec: str = "", **settings: int | float | str) -> tuple[SystemInfo, str]:
    info = SystemInfo(name=name, kind="control", summary=f"control {name}", settings=settings)
    return info, spec or name


def fakes() -> dict[str, Fake]:
    """Four systems and four controls, in the order of a run."""
    model = SystemInfo(
        name="model-a",
        summary="Discrete flow over codec tokens",
        paper="Somebody 2026",
        licence="Apache-2.0",
        trained_on=("GRID",),
        conditioned_on=("resemblyzer",),
        weights={"model.safetensors": "ab" * 32},
    )
    out = {
        "model-a": Fake(model, "model-a", 0.12, 0.86, 0.12, 14.0, 3.05),
        "model-b": Fake(SystemInfo(name="model-b", summary="A rival"), "model-b(nfe=16)", 0.125, 0.81, 0.2, 22.0, 3.0),
        "espeak_lipspan": Fake(
            SystemInfo(name="espeak_lipspan", kind="baseline", summary="espeak on the lips' span"),
            "espeak_lipspan",
            *(0.3, 0.55, 0.42, 90.0, 2.6),
            fails=(3,),
        ),
        "paper wavs": Fake(
            SystemInfo(name="precomputed", kind="precomputed", summary="wavs from a demo page"),
            'precomputed("dubs")',
            *(0.2, 0.7, 0.35, 60.0, 2.9),
            fails=(1, 2),
        ),
        "ground_truth": Fake(*control("ground_truth"), 0.1, 1.0, 0.0, 0.0, 3.1),
        "delay(ms=100)": Fake(*control("delay", "delay(ms = 100)", ms=100), 0.1, 0.98, 0.38, 100.0, 3.1),
        "noise": Fake(*control("noise", snr=0), 0.95, 0.45, 0.6, 200.0, 1.2),
        "silence": Fake(*control("silence"), 1.0, 0.3, 0.45, None, 1.1),
    }
    return out


@cache
def pictures(frames: int = 12) -> NDArray[np.uint8]:
    """A mouth that opens and shuts: (frames, 48, 64, 3)."""
    y, x = np.mgrid[:48, :64]
    out = []
    for i in range(frames):
        image = np.full((48, 64, 3), (214, 170, 140), np.uint8)
        image[((x - 32) / 16) ** 2 + ((y - 30) / (2 + 6 * abs(np.sin(i / 2)))) ** 2 < 1] = (120, 20, 30)
        out.append(image)
    return np.stack(out)


def tone(hertz: float, seconds: float, rate: int = RATE, seed: int = 0) -> NDArray[np.float32]:
    """A hummed note with a little noise."""
    t = np.arange(int(seconds * rate)) / rate
    glide = 2 * np.pi * np.cumsum(hertz * (1 + 0.1 * np.sin(3 * t))) / rate
    sound = sum(np.sin(k * glide) / k for k in range(1, 6)) * 0.2 * np.abs(np.sin(6 * t))
    return (sound + 0.003 * np.random.default_rng(seed).standard_normal(t.size)).astype(np.float32)


def build(
    folder: Path,
    *,
    clips: int = 24,
    speakers: int = 3,
    systems: dict[str, Fake] | None = None,
    metrics: Sequence[str] = tuple(METRICS),
    recipes: dict[str, MetricInfo] | None = None,
    seed: int = 0,
    pairing: str = "pairing-1",
    setting: str = "2.0",
    media: bool = True,
    text: Callable[[int], str] = lambda i: " ".join((*WORDS[:4], str(i % 10), "now")),
    speed: float = 0.2,
) -> Run:
    """Write a run folder and read it back."""
    systems = fakes() if systems is None else systems
    folder.mkdir(parents=True, exist_ok=True)
    video = folder / "video.mp4"
    if media:
        _video(video)
    rows = tuple(
        ClipRow(
            id=f"s{i % speakers + 1}-clip{i:04d}",
            speaker=f"s{i % speakers + 1}",
            text=text(i),
            video=str(video),
            digest=content_digest(text(i), video) if video.is_file() else digest(["clip", i]),
            duration=0.48,
            fps=25.0,
            reference=f"s{i % speakers + 1}-ref",
        )
        for i in range(clips)
    )
    rows = tuple(sorted(rows, key=lambda row: row.id))
    entries = {}
    for name in metrics:
        info, columns = METRICS[name]
        info = (recipes or {}).get(name, info)
        entries[name] = MetricEntry(info=info, columns=columns, signature=signature(info))
    manifest = Manifest(
        dataset="grid",
        root=str(folder),
        split="test",
        setting=setting,
        pairing_digest=digest(pairing)[:12],
        data_digest=digest([row.digest for row in rows])[:12],
        seed=seed,
        profile="offline",
        clips=rows,
        systems={k: SystemEntry(spec=f.spec, info=f.info, digest=info_digest(f.info)) for k, f in systems.items()},
        metrics=entries,
        notes=("the published test list; 3 of its clips are absent",),
        code={"dubbench": "0.1.0", "python": "3.11.9", "commit": "0123456789abcdef", "dirty": "no"},
        hardware={"machine": "x86_64", "cpu": "Some CPU @ 2.20GHz", "cores": "2", "device": "cpu"},
    )
    write_manifest(folder, manifest)
    each = _each(systems, rows)
    ledger(folder).append([_dub(folder, label, fake, i, row, media, speed) for label, fake, i, row in each])
    scores = [score for label, fake, i, row in each for score in _scores(label, fake, i, row, entries)]
    write_scores(folder, manifest, scores)
    return read_run(folder)


def _each(systems: dict[str, Fake], rows: Sequence[ClipRow]) -> list[tuple[str, Fake, int, ClipRow]]:
    return [(label, fake, i, row) for label, fake in systems.items() for i, row in enumerate(rows)]


def _video(path: Path) -> None:
    """A silent video, the same bytes every time."""
    import av

    if path.exists():
        return
    with av.open(str(path), "w", format="mp4") as output:
        stream: Any = output.add_stream("libx264", rate=25, options={"threads": "1", "bf": "0", "x264-params": "asm=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for picture in pictures():
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
        output.mux(stream.encode(None))


def _dub(folder: Path, label: str, fake: Fake, i: int, row: ClipRow, media: bool, speed: float) -> DubRow:
    key = digest([label, i])[:32]
    if i in fake.fails:
        return DubRow(system=label, clip=row.id, key=key, reason=f"MemoryError: could not allocate {100 + i} MB")
    path = Path("dubs") / slug(label) / f"{row.id}.wav"
    seconds = 0.48
    if media:
        write_wav(folder / path, tone(110 + 7 * i, seconds, seed=i), RATE)
    timings = {"model": speed * seconds * 0.7, "total": speed * seconds * (1 + i % 3 / 10)} if fake.info.timed else {}
    return DubRow(
        system=label,
        clip=row.id,
        key=key,
        path=path.as_posix(),
        digest=digest([label, i, "dub"]),
        rate=RATE,
        seconds=seconds,
        timings=timings,
    )


def _scores(label: str, fake: Fake, i: int, row: ClipRow, entries: dict[str, MetricEntry]) -> list[ScoreRow]:
    """Numbers around the system's level with an effect of the clip that all systems share."""
    shared = np.random.default_rng([i, 7]).standard_normal(4)
    own = np.random.default_rng([i, int(digest(label)[:8], 16)])
    words, frames = 6.0, 200.0 + i % 5
    exact = fake.info.name == "ground_truth"
    draw = own.standard_normal(4) * 0.6 + shared
    errors = float(own.binomial(6, min(1.0, fake.errors)))
    stats: dict[str, dict[str, float] | None] = {
        "wer-grammar": {"errors": errors, "words": words},
        "secs": {"cosine": 1.0 if exact else float(np.clip(fake.cosine + 0.03 * draw[0], -1, 0.999))},
        "f0": {
            "wrong": 0.0 if exact else float(round(frames * np.clip(fake.ffe + 0.05 * draw[1], 0, 1))),
            "frames": frames,
        },
        "align": None if fake.ms is None else {"ms": 0.0 if exact else float(max(0.1, fake.ms * (1 + 0.3 * draw[2])))},
        "dnsmos": {"mos": float(fake.mos + 0.15 * draw[3])},
    }
    out = []
    for name in entries:
        found, reason = stats[name], ""
        if i in fake.fails:
            found = {"errors": words, "words": words} if name == "wer-grammar" else None
            reason = "" if found else "no dub: MemoryError"
        elif found is None:
            reason = "nobody speaks in the dub"
        if i in fake.unscored.get(name, ()):
            found, reason = None, f"no voiced frame in {row.id}"
        key = digest([label, i, name])[:32]
        out.append(ScoreRow(system=label, clip=row.id, metric=name, key=key, stats=found or {}, reason=reason))
    return out
