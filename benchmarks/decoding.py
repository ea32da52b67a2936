"""Decodings of one checkpoint compared on validation clips, each change alone.

    python benchmarks/decoding.py --grid GRID --out runs/decoding [--clips grid=18 --clips toon=9] [--page docs/FILE.md]

Validation clips are those that stand in the checkpoint's record as held out; a test clip is refused. Setting 2.0, each
clip's reference another training or validation clip of its speaker. The front end runs once a clip, every decoding is
the plugin's own from there on, and the boards are those of ``precomputed`` dubs.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from dubbench.api.run_to_board import run_cell, show
from dubbench.core.clip import Clip
from dubbench.core.identity import clip_seed
from dubbench.core.request import Dub, DubRequest
from dubbench.core.spec import parse_spec
from dubbench.datasets.roots import open_dataset
from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.pairing import another_clip
from dubbench.runtime.progress import progress
from dubbench.signal.media import probe, read_audio, write_wav
from dubbench.systems.diflowdubber.system import DiFlowDubber
from dubbench.training.features import hold_out

METRICS = ("pitch", "dnsmos", "secs", "wer-grammar", "align")
COLUMNS = ("FFE", "VDE", "GPE", "DNSMOS", "SECS", "WER-grammar", "align-ms")
LOWER = {"FFE", "VDE", "GPE", "WER-grammar", "align-ms"}
DECODINGS: dict[str, dict[str, Any]] = {
    "paper": {"decode": "paper"},
    "paper, prosody by mean": {"decode": "paper", "prosody": "mean"},
    "paper, prosody by search": {"decode": "paper", "prosody": "search"},
    "paper, content book 2 by mean": {"decode": "paper", "content": "mean"},
    "paper, acoustics by mean": {"decode": "paper", "acoustic": "mean"},
    "means, content by tokens": {"decode": "streams", "content": "likeliest"},
    "means": {"decode": "streams", "content": "mean"},
    "means, prosody by search": {"decode": "streams", "content": "mean", "prosody": "search"},
    "means, temperature 0.5": {"decode": "streams", "content": "mean", "temperature": 0.5},
}


@dataclass(frozen=True)
class Data:
    """The validation clips of one data set, each with the clip of its reference."""

    name: str
    clips: list[Clip]
    references: dict[str, Clip]


def validation(name: str, roots: dict[str, Path], held_out: set[str], count: int) -> Data:
    """``count`` clips of a data set that a training held out, always the same.

    Raises:
        DubbenchError: there is none, or one of them is a test clip.
    """
    data = open_dataset(name, roots)
    known = {clip.id: clip for clip in data.clips()}
    train = set(data.split("train") or ()) & set(known)
    ids = hold_out([clip for clip in held_out if clip in train and (name != "grid" or clip.startswith("s1-"))], count)
    tested = set(ids) & set(data.split("test") or ())
    if not ids or tested:
        raise DubbenchError(f"{name}: {len(ids)} validation clips, {len(tested)} of them on the test list")
    clips = [known[clip] for clip in ids]
    found = another_clip(clips, [known[clip] for clip in sorted(train)])
    return Data(name, clips, {clip.id: known[found[clip.id].clip] for clip in clips})


def prepared(data: Data, folder: Path) -> Iterator[DubRequest]:
    """Requests, with the references as files beside their pairing table."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "pairing.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("clip", "reference"))
        for clip in data.clips:
            voice = folder / f"voice-{clip.id}.wav"
            other = data.references[clip.id]
            write_wav(voice, read_audio(other.audio or other.video), 16000)
            rows.writerow((clip.id, voice.name))
            about = probe(clip.video)
            yield DubRequest(clip.id, clip.video, clip.text, voice, about.duration, about.fps, clip_seed(0, clip.id))


def dub(data: Data, checkpoint: str | None, folder: Path) -> dict[str, float]:
    """Wavs of every decoding under ``folder``; median seconds of the model a clip."""
    base = DiFlowDubber(checkpoint)
    base.load("cpu")
    assert base._loaded is not None
    systems = {name: DiFlowDubber(checkpoint, **how) for name, how in DECODINGS.items()}
    spent: dict[str, list[float]] = {name: [] for name in systems}
    with progress(f"dubbing {data.name}", len(data.clips)) as advance:
        for request in prepared(data, folder):
            item = base._prepare(request, base._loaded)
            for name, system in systems.items():
                (made,) = system._speak([(request, item, 0.0)], base._loaded)
                if not isinstance(made, Dub):
                    raise DubbenchError(f"{request.clip}: {made.reason}")
                write_wav(folder / slug(name) / f"{request.clip}.wav", made.samples, made.sample_rate)
                spent[name].append(made.timings["model"])
            advance()
    return {name: median(times) for name, times in spent.items()}


def slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "_").replace(".", "")


def rows_of(board: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (board / "table.csv").open(encoding="utf-8") as file:
        return {(row["system"], row["metric"]): row for row in csv.DictReader(file)}


def differences(board: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Paired differences to ``paper`` by (system, metric), sign turned to system - paper."""
    with (board / "paired.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = {}
    for row in rows:
        pair = (row["system_a"], row["system_b"])
        if "paper" in pair and row["difference"]:
            sign = 1.0 if pair[1] == "paper" else -1.0
            low, high = sorted(sign * float(row[k] or "nan") for k in ("ci_low", "ci_high"))
            other = pair[0] if sign > 0 else pair[1]
            found[other, row["metric"]] = {"d": sign * float(row["difference"]), "low": low, "high": high}
    return found  # type: ignore[return-value]


def cell(row: dict[str, str] | None, change: dict[str, Any] | None, metric: str) -> str:
    """A value, bold where it is better than that of ``paper`` by the paired interval."""
    if not row or not row["value"]:
        return ""
    digits = {"FFE": 3, "VDE": 3, "GPE": 3, "DNSMOS": 2}.get(metric, 1)
    text = f"{float(row['value']):.{digits}f}"
    if row["n_scored"] != row["n_total"]:
        text += f" ({row['n_scored']}/{row['n_total']})"
    if change is None or change["low"] <= 0 <= change["high"] or change["low"] != change["low"]:
        return text
    better = (change["d"] < 0) == (metric in LOWER)
    return f"**{text}**" if better else f"{text} (worse)"


def page(told: list[tuple[Data, Path, dict[str, float]]]) -> list[str]:
    """The tables as Markdown."""
    lines = []
    for data, run, spent in told:
        values, changes = rows_of(run / "board"), differences(run / "board")
        lines += [
            f"## {data.name}: {len(data.clips)} validation clips, Setting 2.0",
            "",
            f"| decoding | {' | '.join(COLUMNS)} | model, × `paper` |",
            f"| --- |{' ---: |' * (len(COLUMNS) + 1)}",
        ]
        for name in ("ground_truth", *DECODINGS):
            label = slug(name)
            cells = [cell(values.get((label, c)), changes.get((label, c)), c) for c in COLUMNS]
            speed = f"{spent['paper'] / spent[name]:.1f}" if name in spent else ""
            lines.append(f"| {name} | {' | '.join(cells)} | {speed} |")
        lines.append("")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="of stage 2; the shipped one")
    parser.add_argument("--grid", type=Path, help="root of GRID")
    parser.add_argument("--clips", action="append", default=[], metavar="DATASET=N")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", type=Path, help="write the tables here as well")
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    held = set(DiFlowDubber(given.checkpoint).meta["held_out"])
    told = []
    for wanted in given.clips or ["grid=18", "toon=9"]:
        name, _, count = wanted.partition("=")
        roots = {"grid": given.grid} if name == "grid" and given.grid else {}
        data = validation(name, roots, held, int(count))
        folder = given.out / name
        spent = dub(data, given.checkpoint, folder / "dubs")
        split = folder / "validation.txt"
        split.write_text("".join(f"{clip.id}\n" for clip in data.clips), "utf-8")
        specs = [f'{slug(label)}=precomputed("{(folder / "dubs" / slug(label)).resolve()}")' for label in DECODINGS]
        pairing = folder / "dubs" / "pairing.csv"
        work = Cell(name, str(split), "2.0", metrics=METRICS, pairing=pairing)
        show(
            run_cell(
                work, roots, [parse_spec(s) for s in ("ground_truth", *specs)], folder / "run", Resources(given.workers)
            )
        )
        told.append((data, folder / "run", spent))
    lines = page(told)
    print("\n".join(lines))
    if given.page:
        given.page.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    started = time.monotonic()
    try:
        main()
    except (DubbenchError, OSError) as error:
        sys.exit(f"dubbench: {error}")
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
