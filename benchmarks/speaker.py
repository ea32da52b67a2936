"""Seconds a clip of SECS (d-vector), SPKSIM, Emo-SIM and AVSync, for the first dub of a clip and for each further one.

    python benchmarks/speaker.py --root GRID [--dubs 3] [--only secs-dvector avsync] [--device cpu]

The first dub of a clip pays for the video, the ground truth and the prompt. The networks have their full size and
random weights, which cost what the published ones do, and are loaded before the clock starts; on the CPU they run on
one thread. Wall clock, and in brackets processor time, which a busy machine leaves alone; both depend on the machine,
which is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.metrics import avsync, emo_sim, secs_dvector, secs_wavlm
from dubbench.runtime.provenance import hardware
from dubbench.signal.media import probe, read_audio
from dubbench.signal.sound import Sound


def clocks() -> NDArray[np.float64]:
    """Wall clock and processor time of this process, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def networks() -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Name -> (metric, network)."""
    from dubbench.metrics.models.avhubert import AVHuBERT
    from dubbench.metrics.models.dvector import DVector
    from dubbench.metrics.models.emotion2vec import Emotion2vec
    from dubbench.metrics.models.wavlm import SpeakerEncoder

    return {
        "secs-dvector": (secs_dvector.SECSDvector, DVector),
        "emo-sim": (emo_sim.EmoSIM, Emotion2vec),
        "secs-wavlm": (secs_wavlm.SPKSIM, SpeakerEncoder),
        "avsync": (avsync.AVSync, AVHuBERT),
    }


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a folder with videos in it, at any depth")
    parser.add_argument("--dubs", type=int, default=3, help="dubs of each clip")
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    videos = sorted(p for p in options.root.rglob("*") if p.suffix in (".mpg", ".mp4"))[: options.clips + 1]
    if len(videos) < 2:
        raise SystemExit(f"{options.root}: fewer than two videos")
    print(f"{len(videos) - 1} clips, {options.dubs} dubs each, {hardware(options.device)}, torch {torch.__version__}")
    print("| metric | first dub, s | each further dub, s |\n|---|---|---|")
    for name, (metric_class, network) in networks().items():
        if options.only and name not in options.only:
            continue
        torch.manual_seed(0)
        with patch.object(__import__(metric_class.__module__, fromlist=["_"]), "asset_digest", lambda _: "random"):
            metric = metric_class()
        metric._model = network().eval().requires_grad_(False).to(options.device)  # type: ignore[attr-defined]
        first, further = [], []
        prompt = read_audio(videos[-1])
        for number, video in enumerate([videos[0], *videos[:-1]]):  # the first is to warm up
            truth, info = read_audio(video), probe(video)
            clip = Clip(video.stem, "bench", "", "", video)
            shared = (Sound(truth, 16000), Sound(prompt, 16000), info.duration, info.fps)
            for dub in range(options.dubs):
                late = np.roll(truth, 1000 * (dub + 1))
                start = clocks()
                stats = metric.score(Item(clip, Sound(late, 16000), *shared))  # type: ignore[attr-defined]
                if isinstance(stats, Unscored):
                    raise SystemExit(f"{name}, {video}: {stats.reason}")
                if number:
                    (further if dub else first).append(clocks() - start)
        cells = ["{:.2f} ({:.2f})".format(*np.mean(times, axis=0)) for times in (first, further)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
