"""Time and memory of a board over a made-up run, beside another version of dubbench.

    python benchmarks/board.py [--against COMMIT] [--sizes 10x200x5,50x4000x5] [--page 20x3300x5] [--json] [RUN…]

A size is SYSTEMSxCLIPSxMETRICS; the scores are their product. Each board (``read_run``, then ``write_board``, no
media) is made in a process of its own; printed are the wall and CPU seconds without the imports, and the largest
resident memory of that process. ``--against`` makes the same boards with another commit of this repository (or another
checkout), prints the ratios, and compares what was written byte by byte; RUN are run folders that are compared so too.
``--page`` opens a board in headless Chromium (by ``chromedriver``) and prints the seconds until it is there.
"""

from __future__ import annotations

import argparse
import contextlib
import filecmp
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]
TABLES = ("index.html", "table.csv", "table.md", "paired.csv", "matrix.csv", "timings.csv")
CONTROLS = ("ground_truth", "noise")

METRICS: tuple[tuple[str, str, dict[str, str], tuple[str, ...], float], ...] = (
    ("wer-grammar", "down", {"kind": "ratio", "numerator": "errors", "denominator": "words"}, ("errors", "words"), 100),
    ("secs", "up", {"kind": "mean", "value": "cosine"}, ("cosine",), 100),
    ("pitch", "down", {"kind": "ratio", "numerator": "wrong", "denominator": "frames"}, ("wrong", "frames"), 1),
    ("align", "down", {"kind": "quantile", "value": "ms", "q": 0.5}, ("ms",), 1),  # type: ignore[dict-item]
    ("dnsmos", "up", {"kind": "mean", "value": "mos"}, ("mos",), 1),
)

DRIVER = """
import json, resource, sys, time
from pathlib import Path
try:
    from dubbench.pipeline.store import read_run
except ImportError:  # the layout before the rooms
    from dubbench.store import read_run
from dubbench.leaderboards.board import write_board
import numpy, pyarrow.parquet, jinja2, dubbench
def used():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime
imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
wall, cpu = time.perf_counter(), used()
run = read_run(Path(sys.argv[1]))
read = time.perf_counter() - wall
write_board([run], Path(sys.argv[2]), players=0)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": used() - cpu, "read": read, "peak": peak / 2**20,
                  "imported": imported / 2**20, "code": dubbench.__file__}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="10x200x5,16x1250x5,50x4000x5")
    parser.add_argument("--against", default="", help="a commit of this repository, or a folder with a checkout")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--speakers", type=int, default=33)
    parser.add_argument("--gaps", type=float, default=0.0, help="share of the dubs that failed, other clips a system")
    parser.add_argument("--page", default="", help="a size whose page is opened in Chromium")
    parser.add_argument("--chromedriver", default="chromedriver")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders whose boards are compared")
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkouts = {"here": HERE}
        if options.against:
            checkouts["against"] = checkout(options.against, folder / "against")
        for size in filter(None, options.sizes.split(",")):
            row = compare(size, checkouts, folder / size, options)
            found.append(row)
            if not options.json:
                print(line(row), flush=True)
        for i, run in enumerate(options.runs):
            row = compare(run, checkouts, folder / f"run-{i}", options)
            found.append(row)
            if not options.json:
                print(line(row), flush=True)
        if options.page:
            row = page(options.page, folder / "page", options)
            found.append(row)
            if not options.json:
                times = f"load {row['load']:.2f} s, first paint {row['paint']:.2f} s, list of clips {row['list']:.2f} s"
                print(f"page {options.page}: {row['bytes'] / 1e6:.1f} MB, {times} (medians of 5)")
    if options.json:
        print(json.dumps(found, indent=1))
    return int(any(row.get("differ") for row in found))


def compare(size: str | Path, checkouts: dict[str, Path], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One size (or one run) with every checkout: medians, ratios, and the tables that differ."""
    row: dict[str, Any] = {"size": str(size)}
    if isinstance(size, Path):
        run = size.resolve()
    else:
        run = folder / "run"
        row["scores"] = make(run, *parts(size), speakers=options.speakers, gaps=options.gaps)
    for name, where in checkouts.items():
        each = [board(where, run, folder / name) for _ in range(options.repeat)]
        row[name] = {
            key: statistics.median(e[key] for e in each) for key in ("wall", "cpu", "read", "peak", "imported")
        }
    if "against" in row:
        row["times"] = {key: row["against"][key] / row["here"][key] for key in ("wall", "cpu", "peak")}
        a, b = folder / "here", folder / "against"
        row["differ"] = [t for t in TABLES if not filecmp.cmp(a / t, b / t, shallow=False)]
    return row


def line(row: dict[str, Any]) -> str:
    """A row in words."""

    def told(name: str) -> str:
        r = row[name]
        return f"{name} {r['wall']:.1f} s (CPU {r['cpu']:.1f} s, reading {r['read']:.1f} s), {r['peak']:.2f} GiB"

    text = f"{row['size']}{' = {scores} scores'.format(**row) if 'scores' in row else ''}: {told('here')}"
    if "against" in row:
        t = row["times"]
        text += f"; {told('against')}; {t['wall']:.1f} times the wall time, {t['cpu']:.1f} times the CPU time, "
        text += f"{t['peak']:.1f} times the memory; "
        text += f"tables differ: {', '.join(row['differ'])}" if row["differ"] else "all tables equal byte for byte"
    return text


def board(code: Path, run: Path, out: Path) -> dict[str, Any]:
    """Make a board in a process of its own with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", DRIVER, str(run), str(out)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=code)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not Path(told["code"]).resolve().is_relative_to(code.resolve()):
        raise SystemExit(f"{code}: another dubbench was imported from {told['code']}")
    return told


def checkout(source: str, folder: Path) -> Path:
    """A folder whose code can be imported: a checkout as it is, or a commit unpacked into ``folder``."""
    if not Path(source).is_dir():
        packed = subprocess.run(["git", "-C", HERE, "archive", source], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        for part in ("systems", "metrics", "leaderboards"):  # what an install maps
            if not (folder / "dubbench" / part).exists():
                (folder / "dubbench" / part).symlink_to(folder / part)
        return folder
    return Path(source).resolve()


def parts(size: str) -> tuple[int, int, int]:
    """``50x4000x5`` as numbers."""
    systems, clips, metrics = (int(x) for x in size.split("x"))
    return systems, clips, metrics


def make(run: Path, systems: int, clips: int, metrics: int, *, speakers: int = 33, gaps: float = 0.0) -> int:
    """Write a run folder without dubs' sounds; returns the number of scores."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng([systems, clips, metrics])
    labels = [*CONTROLS, *(f"system-{i:02d}" for i in range(systems - len(CONTROLS)))]
    ids = [f"s{i % speakers:02d}-clip{i:05d}" for i in range(clips)]
    ids.sort()
    chosen = METRICS[:metrics]
    run.mkdir(parents=True)
    manifest = {
        **{"schema_version": 1, "dataset": "grid", "root": "/data", "split": "test", "setting": "2.0"},
        **{"pairing_digest": "0123456789ab", "data_digest": "ba9876543210", "seed": 0, "profile": "offline"},
        "clips": [
            {"id": c, "speaker": c[:3], "text": f"bin blue at f {i % 10} now", "video": f"/data/{c}.mp4",
             "digest": f"{i:064x}", "duration": 3.0, "fps": 25.0, "reference": ids[i - 1]}
            for i, c in enumerate(ids)
        ],
        "systems": {
            label: {"spec": label, "info": {"name": label, "kind": "control" if label in CONTROLS else "model"},
                    "digest": f"{i:064x}"}
            for i, label in enumerate(labels)
        },
        "metrics": {
            name: {"info": {"name": name, "recipe": f"{name}/made-up"}, "signature": f"{name}/made-up|v1|0123456789ab",
                   "columns": [{"name": name.upper(), "direction": direction, "aggregate": aggregate, "scale": scale}]}
            for name, direction, aggregate, _, scale in chosen
        },
        "hardware": {"cpu": "made up", "device": "cpu"},
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    failed = rng.random((systems, clips)) < gaps
    failed[: len(CONTROLS)] = False
    with (run / "dubs.jsonl").open("w", encoding="utf-8") as file:
        for s, label in enumerate(labels):
            for c, clip in enumerate(ids):
                row: dict[str, Any] = {"system": label, "clip": clip, "key": f"{s:016x}{c:016x}"}
                if failed[s, c]:
                    row |= {"reason": f"RuntimeError: out of memory at clip {c}"}
                else:
                    row |= {"path": f"dubs/{label}/{clip}.wav", "digest": f"{s:032x}{c:032x}", "rate": 16000,
                            "seconds": 3.0, "timings": {"model": 0.2 + c % 7 / 100, "total": 0.3}}  # fmt: skip
                file.write(json.dumps(row) + "\n")
    order = sorted(range(systems), key=lambda s: labels[s])
    stats = {name: values(name, systems, clips, rng) for name, *_ in chosen}
    blocks = []
    for s in order:
        names = sorted(name for name, *_ in chosen)
        per_clip = [(name, stat) for name in names for stat in sorted(stats[name])]
        table = np.stack([stats[name][stat][s] for name, stat in per_clip], 1)
        mask = np.broadcast_to(failed[s][:, None], table.shape)
        text = [np.array([x[k] for x in per_clip] * clips) for k in (0, 1)]
        blocks.append(
            pa.table(
                {
                    "system": pa.array([labels[s]] * table.size),
                    "clip": pa.array(np.repeat(ids, len(per_clip))),
                    "speaker": pa.array(np.repeat([c[:3] for c in ids], len(per_clip))),
                    "metric": pa.array(text[0]),
                    "signature": pa.array(np.char.add(text[0], "|v1")),
                    "stat": pa.array(text[1], mask=mask.ravel()),
                    "value": pa.array(table.ravel(), mask=mask.ravel()),
                    "reason": pa.array(np.full(table.size, "no dub: RuntimeError"), mask=~mask.ravel()),
                }
            )
        )
    pq.write_table(pa.concat_tables(blocks), run / "scores.parquet")
    return systems * clips * len(chosen)


def values(metric: str, systems: int, clips: int, rng: np.random.Generator) -> dict[str, np.ndarray[Any, Any]]:
    """Statistics (systems, clips): an effect of the system, one of the clip that all share, and noise."""
    level = (
        np.linspace(0, 1, systems)[:, None] + 0.5 * rng.standard_normal(clips) + rng.standard_normal((systems, clips))
    )
    if metric == "wer-grammar":
        return {
            "errors": rng.binomial(6, np.clip(0.1 + 0.03 * level, 0, 1)).astype(float),
            "words": np.full(level.shape, 6.0),
        }
    if metric == "pitch":
        frames = np.broadcast_to(500.0 + rng.integers(0, 100, clips), level.shape)
        return {"wrong": np.round(frames * np.clip(0.2 + 0.02 * level, 0, 1)), "frames": frames}
    name, at, by = {"secs": ("cosine", 0.8, 0.02), "align": ("ms", 60.0, 10.0), "dnsmos": ("mos", 3.0, 0.1)}[metric]
    return {name: at + by * level}


def page(size: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Open a board in headless Chromium five times, each time in a new browser: medians of what `opened` gives."""
    make(folder / "run", *parts(size), speakers=options.speakers, gaps=options.gaps)
    board(HERE, folder / "run", folder / "board")
    index = folder / "board" / "index.html"
    each = [opened(index, options.chromedriver) for _ in range(5)]
    found = {key: statistics.median(e[key] for e in each) for key in each[0]}
    return {"page": size, "bytes": sum(f.stat().st_size for f in index.parent.rglob("*.*")), **found}


READY = """
const entry = performance.getEntriesByType("navigation")[0];
const paint = performance.getEntriesByType("paint")[0];
return {load: entry.loadEventEnd / 1000, paint: paint ? paint.startTime / 1000 : -1};
"""
LIST = """
const done = arguments[0], root = document.querySelector("[data-clips]"), start = performance.now();
root.scrollIntoView();
(function look() {
  if (root.querySelectorAll("tbody tr").length) done((performance.now() - start) / 1000);
  else setTimeout(look, 5);
})();
"""


def opened(index: Path, chromedriver: str) -> dict[str, float]:
    """Seconds from the start of the navigation to its load event and to the first paint, and, when the list of clips
    is scrolled to, until it stands there."""
    port = 9515 + os.getpid() % 1000
    driver = subprocess.Popen([chromedriver, f"--port={port}", "--silent"])
    base = f"http://127.0.0.1:{port}"

    def ask(path: str, told: dict[str, Any] | None, method: str = "POST") -> Any:
        data = None if told is None else json.dumps(told).encode()
        request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read())["value"]

    try:
        for _ in range(100):
            with contextlib.suppress(OSError):
                ask("/status", None, "GET")
                break
            time.sleep(0.1)
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"]
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"args": arguments}, "pageLoadStrategy": "normal"}
        session = f"/session/{ask('/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
        ask(f"{session}/timeouts", {"script": 60000})
        ask(f"{session}/url", {"url": index.resolve().as_uri()})
        time.sleep(0.5)  # until the first paint is entered
        found = {key: float(x) for key, x in ask(f"{session}/execute/sync", {"script": READY, "args": []}).items()}
        found["list"] = float(ask(f"{session}/execute/async", {"script": LIST, "args": []}))
        ask(session, None, "DELETE")
        return found
    finally:
        driver.terminate()
        driver.wait()


if __name__ == "__main__":
    raise SystemExit(main())
