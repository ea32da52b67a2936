"""Tests of the sync expert: offsets of shifted sound, and real dubs against their alignment error.

Offsets: each test clip's sound is moved by -12 … 12 frames in two ways: ``room tone``, the whole clip with what is
freed filled with its own room tone, and ``continuous``, the middle of the video with sound cut from elsewhere in the
same recording, so that nothing is filled. Recordings are themselves not all in time, so beside the offset it is
counted how far the offset moves with the delay from where it was without one. Dubs: Spearman's rho over all dubs of
`align-ms` with distance, confidence and offset.

    python benchmarks/sync_expert.py --root GRID [--dubs published_dubs] [--weights run/expert.safetensors]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.datasets.grid import GridDataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.metrics.align import alignment_error, speech
from dubbench.metrics.sync import WEIGHTS
from dubbench.metrics.sync_expert.curve import Sync, curve, read
from dubbench.metrics.sync_expert.model import Expert, load_expert
from dubbench.metrics.sync_expert.signals import FPS, RATE, interpolated, lip_input, mel, mel_input
from dubbench.runtime.progress import progress
from dubbench.signal.landmarks import lip_features
from dubbench.signal.media import read_audio
from dubbench.signal.picture import Picture
from dubbench.systems.controls.splice import lay_over, room_tone

FARTHEST = 12
DELAYS = range(-FARTHEST, FARTHEST + 1)
FRAME = RATE // FPS
Samples = NDArray[np.float32]


def lips_of(video: Path) -> NDArray[np.float32]:
    """(F, 144) at 25 Hz."""
    picture = Picture(video, str(video))
    return interpolated(lip_features(picture.face), picture.fps)


def judge(model: Expert, lips: NDArray[np.float32], samples: Samples) -> Sync:
    """What the metric says of these lips and this sound."""
    heard = mel(samples)
    return read(curve(model, lip_input(lips), mel_input(heard.power, heard.level)))


def filled(samples: Samples, delay: int) -> Samples:
    """The sound ``delay`` frames late; what is freed is the clip's own room tone."""
    tone = room_tone(samples, RATE, len(samples), np.random.default_rng(delay + FARTHEST))
    return lay_over(tone, samples, delay * FRAME, RATE) if delay else samples


def shifted(model: Expert, lips: NDArray[np.float32], samples: Samples) -> Iterator[tuple[str, int, Sync]]:
    """(way, delay, what the expert says) for every delay both ways."""
    first, last = FARTHEST, len(lips) - FARTHEST
    for delay in DELAYS:
        yield "room tone", delay, judge(model, lips, filled(samples, delay))
        cut = samples[(first - delay) * FRAME : (last - delay) * FRAME]
        yield "continuous", delay, judge(model, lips[first:last], cut)


def offsets(model: Expert, name: str, clips: Sequence[Clip]) -> None:
    """Print how often the offset is found."""
    errors: dict[str, list[list[int]]] = {"room tone": [], "continuous": []}
    told: list[Sync] = []
    wrong: list[str] = []
    with progress(f"offsets of {name}", len(clips)) as advance:
        for clip in clips:
            try:
                found = list(shifted(model, lips_of(clip.video), read_audio(clip.video)))
            except DubbenchError as error:
                wrong.append(f"  {clip.id}: {error}")
                advance(True)
                continue
            for way, rows in errors.items():
                rows.append([round(s.offset * FPS) - delay for w, delay, s in found if w == way])
                if np.abs(rows[-1]).max() > 1:
                    wrong.append(f"  {clip.id}, {way}: off by {min(rows[-1])} … {max(rows[-1])} frames")
            told += [s for way, delay, s in found if way == "room tone" and delay == 0]
            advance()
    for way, rows in errors.items():
        off = np.abs(np.array(rows))
        moved = np.abs(np.array(rows) - np.array(rows)[:, [FARTHEST]])
        print(
            f"{name:16} {way:11} {len(off):4} clips × {len(DELAYS)} delays: within one frame "
            f"{100 * (off <= 1).mean():.2f} %, exact {100 * (off == 0).mean():.2f} %, worst {off.max()} frames; "
            f"moves with the delay within one frame {100 * (moved <= 1).mean():.2f} %, exactly "
            f"{100 * (moved == 0).mean():.2f} %"
        )
    mean = np.mean([(s.confidence, s.distance) for s in told], axis=0)
    print(f"{name:16} not moved: Sync-C {mean[0]:.3f}, Sync-D {mean[1]:.3f}")
    print("\n".join(wrong[:20]))


def dubs(model: Expert, folder: Path) -> None:
    """Print every dub below ``folder`` (SYSTEM/CLIP.flac, ground_truth/, video/) and the rank correlations."""
    from scipy.stats import spearmanr

    rows = []
    print(f"{'clip':8} {'system':16} align-ms  Sync-C  Sync-D  Sync-offset")
    for video in sorted((folder / "video").iterdir()):
        lips = lips_of(video)
        truth = speech(read_audio(folder / "ground_truth" / f"{video.stem}.flac"))
        for path in sorted(folder.glob(f"*/{video.stem}.flac")):
            samples = read_audio(path)
            dub = speech(samples)
            if truth is None or dub is None:
                raise DubbenchError(f"{path}: no speech in it or its ground truth")
            late, found = 1000 * alignment_error(truth, dub), judge(model, lips, samples)
            system = path.parent.name
            print(
                f"{video.stem:8} {system:16} {late:8.0f}  {found.confidence:6.3f}  {found.distance:6.3f}  "
                f"{1000 * found.offset:8.0f}"
            )
            if system != "ground_truth":
                rows.append((video.stem, late, found.distance, found.confidence, abs(found.offset)))
    for clip in ("", *sorted({row[0] for row in rows})):
        table = np.array([row[1:] for row in rows if clip in ("", row[0])])
        rho = [spearmanr(table[:, 0], table[:, i]).statistic for i in (1, 2, 3)]
        print(
            f"rho with align-ms, {clip or 'all'}: n = {len(table)}, Sync-D {rho[0]:+.3f}, Sync-C {rho[1]:+.3f}, "
            f"|Sync-offset| {rho[2]:+.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="GRID")
    parser.add_argument("--dubs", type=Path, help="published_dubs")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--speaker", default="s1", help="the one trained on")
    parser.add_argument("--limit", type=int)
    chosen = parser.parse_args()
    model, meta = load_expert(chosen.weights)
    print(f"expert: {meta['settings']}, clips {meta['clips']}")
    data = GridDataset(chosen.root)
    own = [clip for clip in select(data, "test").clips if clip.speaker == chosen.speaker]
    others = [clip for clip in data.clips() if clip.speaker != chosen.speaker]
    for name, clips in ((f"{chosen.speaker} test", own), ("other speakers", others)):
        if clips:
            offsets(model, name, clips[: chosen.limit])
    if chosen.dubs:
        dubs(model, chosen.dubs)


if __name__ == "__main__":
    main()
