"""The real inference code of other dubbing systems, with untrained networks, on three clips of GRID each.

    DUBBENCH_SOURCES=/clones python benchmarks/foreign_proof.py /data/grid [NAME ...] [--settings 1.0 2.0]

Makes the environments where they are not there, then dubs three clips under each setting through the host, and prints
a row for each: how many of three, seconds of sound, rate, seconds a clip in model and vocoder, memory. Again with the
clips in reverse order, whose bytes must be the same. Exit 1 if anything failed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from dubbench.core.identity import clip_seed
from dubbench.core.request import Dub, DubRequest
from dubbench.errors import DubbenchError
from dubbench.signal.media import RATE, probe, read_audio, silent_copy, write_wav
from dubbench.systems.foreign import system
from dubbench.systems.foreign.recipe import recipe
from dubbench.systems.foreign.setup import set_up

SYSTEMS = {
    "emodubber": system.EmoDubber,
    "produbber": system.ProDubber,
    "hpmdubbing": system.HPMDubbing,
    "styledubber": system.StyleDubber,
    "speaker2dubber": system.Speaker2Dubber,
}
TEXT = "bin blue at f two now"


def requests(grid: Path, setting: str, folder: Path, count: int = 3) -> list[DubRequest]:
    """Three clips of one speaker; in 2.0 the reference is the next one."""
    videos = sorted(p for p in (grid / "s1").iterdir() if p.suffix in (".mp4", ".mpg", ".mkv"))[: count + 1]
    for video in videos:
        silent_copy(video, folder / f"{video.stem}.mkv")
        write_wav(folder / f"{video.stem}.wav", read_audio(video), RATE)
    asked = []
    for video, other in pairwise(videos):
        about = probe(folder / f"{video.stem}.mkv")
        reference = folder / f"{(video if setting == '1.0' else other).stem}.wav"
        asked.append(
            DubRequest(f"s1-{video.stem}", folder / f"{video.stem}.mkv", TEXT, reference, about.duration, about.fps,
                       clip_seed(0, video.stem))
        )  # fmt: skip
    return asked


def prove(name: str, grid: Path, setting: str, **options: object) -> tuple[str, bool]:
    """A row, and whether all went well."""
    with tempfile.TemporaryDirectory() as text:
        asked = requests(grid, setting, Path(text))
        made = SYSTEMS[name](weights="random", timeout=300, **options)
        start = time.perf_counter()
        try:
            made.load("cpu")
            loaded = time.perf_counter() - start
            found = list(made.dub(asked))
            again = {dub.clip: dub for dub in made.dub(asked[::-1])}
        finally:
            made.close()
    good = [dub for dub in found if isinstance(dub, Dub)]
    for dub in found:
        if not isinstance(dub, Dub):
            print(f"  {name} {setting} {dub.clip}: {dub.reason}")
    same = all(isinstance(again[d.clip], Dub) and _bytes(d) == _bytes(again[d.clip]) for d in good)
    warm = good[1:] or good
    model, vocoder = (sum(d.timings.get(p, 0) for d in warm) / max(1, len(warm)) for p in ("model", "vocoder"))
    lengths = sorted({len(d.samples) for d in good})
    peak = max((d.extras["peak_host_bytes"] for d in good), default=0) / 2**30
    row = (
        f"| {name} | {setting} | {options.get('data', '')} | {len(good)} of {len(asked)} | "
        f"{'same' if same else 'NOT'} | "
        f"{good[0].sample_rate if good else ''} | {', '.join(map(str, lengths))} | {model:.2f} | {vocoder:.2f} | "
        f"{loaded:.0f} | {peak:.1f} |"
    )
    return row, same and len(good) == len(asked)


def _bytes(dub: Dub) -> str:
    return hashlib.sha256(dub.samples.tobytes()).hexdigest()


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grid", type=Path)
    parser.add_argument("names", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--settings", nargs="+", default=["1.0", "2.0"])
    parser.add_argument("--environment", default="py311")
    given = parser.parse_args()
    rows, well = [], True
    for name in given.names:
        try:
            set_up(recipe(name), given.environment, False, print)
            for data in recipe(name).data:
                for setting in given.settings:
                    row, good = prove(name, given.grid, setting, data=data, environment=given.environment)
                    rows.append(row)
                    well &= good
                    print(row, flush=True)
        except DubbenchError as error:
            print(f"{name}: {error}")
            well = False
    print("\n| system | setting | data | dubs | reversed | Hz | samples | model s | vocoder s | load s | GiB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    print("\n".join(rows))
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
