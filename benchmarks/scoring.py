"""How fast a profile scores: clips a second, peak memory, the share of each metric, and what is decoded how often.

    python benchmarks/scoring.py --root GRID [--dataset grid] [--clips 200] [--workers 2]

Dubs of one system (the `delay` control: real speech) are made first and not timed. The shares come from one process
that scores the same clips with a stopwatch around each metric; clips a second and memory from the real, parallel
scoring. Absolute times depend on the machine, which is printed.
"""

from __future__ import annotations

import argparse
import collections
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from dubbench import bench, scoring
from dubbench.main_job import open_dataset
from dubbench.media import RATE
from dubbench.metric import Item
from dubbench.planning import Cell, Machine, plan
from dubbench.provenance import hardware
from dubbench.registry import make_metric, parse_spec
from dubbench.sound import Sound
from dubbench.store import journal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="grid")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--split", default="all")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--profile", default="offline")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(options, Path(folder))
    print(json.dumps(report, indent=1) if options.json else text(report))


def measure(options: argparse.Namespace, out: Path) -> dict[str, object]:
    cell = Cell(options.dataset, options.split, "2.0", options.clips, options.profile)
    machine = Machine(options.workers, "cpu")
    data = open_dataset(options.dataset, {options.dataset: options.root} if options.root else {})
    manifest = plan(data, cell, [parse_spec("delay")], out, machine)
    rows = bench.synth(out, manifest, machine)
    dubs = [row for row in rows if row.path]
    start = time.perf_counter()
    bench.score_run(out, manifest, rows, machine)
    wall = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    journal(out).path.unlink()
    return {
        "machine": hardware("cpu"),
        "dataset": options.dataset,
        "clips": len(dubs),
        "workers": options.workers,
        "clips_per_second": len(dubs) / wall,
        "peak_memory_of_the_largest_process_MiB": peak,
        **shares(out, manifest, dubs),
    }


def shares(out: Path, manifest: object, dubs: list) -> dict[str, object]:  # type: ignore[type-arg]
    """Seconds a clip and share of each metric in one process, and how often each file is decoded."""
    decoded: collections.Counter[str] = collections.Counter()

    def counted(read):  # type: ignore[no-untyped-def]
        def wrapper(path, *rest):  # type: ignore[no-untyped-def]
            decoded[str(path)] += 1
            return read(path, *rest)

        return wrapper

    read_audio, read_native = counted(scoring.read_audio), counted(scoring.read_audio_native)
    metrics = {name: make_metric(name) for name in manifest.metrics}  # type: ignore[attr-defined]
    load: dict[str, float] = {}
    for name, metric in metrics.items():
        start = time.perf_counter()
        metric.load("cpu")
        load[name] = time.perf_counter() - start
    spent: collections.Counter[str] = collections.Counter()
    by_clip = {row.clip: row for row in dubs}
    most = 0
    for number, clip in enumerate(c for c in manifest.clips if c.id in by_clip):  # type: ignore[attr-defined]
        decoded.clear()
        work = bench._work(clip, manifest, out / "work", (), "cpu")  # type: ignore[arg-type]
        start = time.perf_counter()
        truth = Sound(read_audio(work.truth), RATE) if work.truth else None
        reference = Sound(read_audio(work.reference), RATE) if work.reference else None
        dub = Sound(*read_native(out / by_clip[clip.id].path))
        item = Item(work.clip, dub, truth, reference, work.duration, work.fps)
        reading = time.perf_counter() - start
        for name, metric in metrics.items():
            start = time.perf_counter()
            metric.score(item)
            if number:  # the first clip pays for lazy imports
                spent[name] += time.perf_counter() - start
        spent["reading wavs"] += reading if number else 0.0
        most = max(most, *decoded.values())
        if number % 20 == 0:
            print(f"{number} clips", file=sys.stderr)
    total = sum(spent.values())
    count = max(1, len(by_clip) - 1)
    return {
        "loading_seconds": load,
        "milliseconds_per_clip": {name: 1000 * value / count for name, value in spent.most_common()},
        "share": {name: value / total for name, value in spent.most_common()},
        "most_often_one_file_was_decoded": most,
    }


def text(report: dict) -> str:  # type: ignore[type-arg]
    lines = [
        f"{report['clips']} clips of {report['dataset']}, {report['workers']} workers, {report['machine']}",
        f"{report['clips_per_second']:.2f} clips a second; the largest process took "
        f"{report['peak_memory_of_the_largest_process_MiB']:.0f} MiB; "
        f"a file was decoded at most {report['most_often_one_file_was_decoded']} time(s)",
        "",
        "| metric | ms a clip | share | loading, s |",
        "|---|---|---|---|",
    ]
    for name, value in report["milliseconds_per_clip"].items():
        loading = report["loading_seconds"].get(name)
        load = "" if loading is None else f"{loading:.1f}"
        lines.append(f"| {name} | {value:.0f} | {100 * report['share'][name]:.1f} % | {load} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
