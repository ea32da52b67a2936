"""Speed of scoring a profile: clips a second, peak memory, the share of each metric, and how often files are decoded.

    python benchmarks/scoring.py --root GRID --split speaker:s1 --clips 200 --workers 2

Dubs of one system (the `delay` control: real speech) are made first and not timed. Clips a second and memory come from
the real, parallel scoring: memory is the sum over all its processes of what each takes (pages that several share are
counted once: PSS), looked at twice a second. The shares come from one process that scores the same clips through the
same function, with a stopwatch around each metric and a counter on everything that decodes; the preparation of the
first clips is done again there, to count it too. Shares are of processor time, which depends on the machine (printed)
but little on what else it does; clips a second are for a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dubbench.core.metric import Item, Metric, Stats, Unscored
from dubbench.core.spec import parse_spec
from dubbench.datasets.base import Dataset
from dubbench.datasets.roots import open_dataset
from dubbench.datasets.selection import select
from dubbench.pipeline import dub_step, prepare, score_step, score_worker
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.components import make_metric
from dubbench.pipeline.plan import planned
from dubbench.pipeline.store import DubRow, Manifest
from dubbench.runtime.provenance import hardware
from dubbench.signal import media

PREPARED = 20
"""Clips whose preparation is counted again."""


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


def measure(options: argparse.Namespace, out: Path) -> dict[str, Any]:
    cell = Cell(options.dataset, options.split, "2.0", options.clips, options.profile)
    resources = Resources(options.workers, "cpu")
    roots = {options.dataset: options.root} if options.root else {}
    with planned(cell, roots, [parse_spec("delay")], out, resources) as manifest:
        return _measured(options, manifest, out, resources, open_dataset(options.dataset, roots))


def _measured(
    options: argparse.Namespace, manifest: Manifest, out: Path, resources: Resources, data: Dataset
) -> dict[str, Any]:
    dubs = [row for row in dub_step.dub_run(out, manifest, resources) if row.path]
    with Memory() as memory:
        start, busy = time.perf_counter(), _processor()
        score_step.score_run(out, manifest, dub_step.dubs_of(out, manifest), resources)
        wall, busy = time.perf_counter() - start, _processor() - busy
    with decoding() as prepared, tempfile.TemporaryDirectory() as folder:
        for clip in select(data, options.split, min(options.clips, PREPARED)).clips:
            prepare._prepare((clip, Path(folder), data.info.seconds))
    return {
        "machine": hardware("cpu"),
        "dataset": options.dataset,
        "clips": len(dubs),
        "workers": options.workers,
        "seconds": wall,
        "processor_seconds": busy,
        "clips_per_second": len(dubs) / wall,
        "peak_memory_MiB": memory.peak,
        "peak_memory_by_process_MiB": memory.by_process,
        "most_often_decoded_in_preparation": max(prepared.values()),
        **shares(out, manifest, dubs),
    }


def shares(out: Path, manifest: Manifest, dubs: list[DubRow]) -> dict[str, Any]:
    """Processor time a clip and share of each metric in one process, and how often files are decoded for a clip."""
    stopwatches = {name: Stopwatch(make_metric(name)) for name in manifest.metrics}
    loading: dict[str, float] = {}
    for name, watch in stopwatches.items():
        start = time.process_time()
        watch.load("cpu")
        loading[name] = time.process_time() - start
    score_worker._metrics.clear()
    score_worker._metrics.update(stopwatches)
    by_clip = {row.clip: row for row in dubs}
    most, total = 0, 0.0
    for number, clip in enumerate(c for c in manifest.clips if c.id in by_clip):
        wanted = tuple((name, "") for name in manifest.metrics)
        job = score_worker.DubToScore("delay", out / by_clip[clip.id].path, "", wanted)
        work = score_step._work(clip, manifest, out / "work", (job,), "cpu")
        with decoding() as decoded:
            start = time.process_time()
            score_worker._score(work)
            spent = time.process_time() - start
        most = max(most, *decoded.values())
        if number == 0 and len(by_clip) > 1:  # the first clip pays for lazy imports
            for watch in stopwatches.values():
                watch.seconds = 0.0
        else:
            total += spent
        if number % 20 == 0:
            print(f"{number} clips", file=sys.stderr)
    seconds = collections.Counter({name: watch.seconds for name, watch in stopwatches.items()})
    seconds["reading wavs and the rest"] = total - sum(seconds.values())
    count = max(1, len(by_clip) - 1)
    return {
        "loading_seconds": loading,
        "milliseconds_per_clip": {name: 1000 * value / count for name, value in seconds.most_common()},
        "share": {name: value / total for name, value in seconds.most_common()},
        "most_often_decoded_for_a_clip": most,
    }


class Stopwatch:
    """A metric that adds up how long it scores."""

    def __init__(self, metric: Metric) -> None:
        self.metric, self.info, self.columns = metric, metric.info, metric.columns
        self.seconds = 0.0

    def load(self, device: str) -> None:
        self.metric.load(device)

    def score(self, item: Item) -> Stats | Unscored:
        start = time.process_time()
        try:
            return self.metric.score(item)
        finally:
            self.seconds += time.process_time() - start

    def failed(self, clip: Any) -> Stats | None:
        return self.metric.failed(clip)


@contextmanager
def decoding() -> Iterator[collections.Counter[str]]:
    """How often each sound file and each stream of a container is decoded within the block."""
    import soundfile

    count: collections.Counter[str] = collections.Counter()
    frames, read = media._frames, soundfile.read

    def counted_frames(container: Any, stream: Any, path: Path) -> Iterator[Any]:
        count[f"{path} ({stream.type})"] += 1
        return frames(container, stream, path)

    def counted_read(path: Any, *rest: Any, **options: Any) -> Any:
        count[str(path)] += 1
        return read(path, *rest, **options)

    media._frames, soundfile.read = counted_frames, counted_read
    try:
        yield count
    finally:
        media._frames, soundfile.read = frames, read


class Memory(threading.Thread):
    """Watches the memory of this process and all below it (Linux; elsewhere it stays 0). Figures are MiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.by_process: list[float] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.5):
            sizes = sorted((_pss(pid) for pid in _family(os.getpid())), reverse=True)
            if sum(sizes) > self.peak:
                self.peak, self.by_process = sum(sizes), [round(size) for size in sizes if size >= 1]

    def __enter__(self) -> Memory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def _family(root: int) -> list[int]:
    """``root`` and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = entry.read_text().rpartition(")")[2].split()  # the name in brackets may hold anything
        except OSError:
            continue
        children.setdefault(int(after[1]), []).append(int(entry.parent.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _processor() -> float:
    """Seconds of processor time of this process and of those that it has waited for."""
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def text(report: dict[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"{report['clips']} clips of {report['dataset']}, {report['workers']} workers; "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory']}",
        f"{report['clips_per_second']:.2f} clips a second ({report['seconds']:.0f} s, "
        f"{report['processor_seconds']:.0f} s of processor time)",
        f"{report['peak_memory_MiB']:.0f} MiB at the most, all processes together "
        f"({', '.join(f'{size:.0f}' for size in report['peak_memory_by_process_MiB'])})",
        f"a file is decoded at most {report['most_often_decoded_in_preparation']} time(s) in preparation, "
        f"{report['most_often_decoded_for_a_clip']} time(s) to score a clip",
        "",
        "| metric | processor ms a clip | share | loading, s |",
        "|---|---:|---:|---:|",
    ]
    for name, value in report["milliseconds_per_clip"].items():
        loading = report["loading_seconds"].get(name)
        load = "" if loading is None else f"{loading:.1f}"
        lines.append(f"| {name} | {value:.0f} | {100 * report['share'][name]:.1f} % | {load} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
