"""The page of DiFlowDubber's results: training, targets reached or missed, and pictures of unseen clips.

    python benchmarks/results_page.py --checkpoint runs/small/release --run runs/grid-test --run runs/toon-test \\
        --swapped runs/toon-swapped --log runs/small/tts --log runs/small/dub --probe runs/probe/run \\
        --pictures runs/small/grid-test.safetensors --timing runs/rtf.md --out docs/results.md

Every figure comes from the boards of finished runs (`table.csv`, `paired.csv`); nothing is typed in. `--run` are runs
with the systems `ground_truth`, `codec_copy`, `another_clip`, `delay`, both espeak baselines, `diflowdubber`,
`diflowdubber_tts` and `wrong_video(diflowdubber)`; those that are not there are said to be. `--swapped` is a run whose
pairing gives each clip another speaker's reference. `--pictures` are features of clips that no training saw.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dubbench.errors import DubbenchError
from dubbench.leaderboards.media import mel, picture
from dubbench.leaderboards.svg import Panel, figure
from dubbench.pipeline.store import read_manifest, read_run
from dubbench.systems.diflowdubber.codec.base import Tokens
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.system import seen
from dubbench.systems.diflowdubber.training.data import Corpus
from dubbench.systems.diflowdubber.training.objective import Objective
from dubbench.systems.diflowdubber.training.samples import attention_picture, write_png
from dubbench.training import checkpoint
from dubbench.training.features import Cache

OURS = "diflowdubber"
RIVALS = ("another_clip", "delay", "espeak_meanspan", "espeak_lipspan")
UNTIMED = ("espeak_lipspan", "espeak_meanspan", "diflowdubber_tts", f"wrong_video({OURS})")
COLUMNS = ("WER-grammar", "FFE", "GPE", "VDE", "align-ms", "align-ms-p90", "SECS", "SECS-GT", "DNSMOS", "MCD-DTW")
SHOWN = 3
ZOOM = 4


@dataclass(frozen=True)
class Board:
    """The tables of one run."""

    name: str
    folder: Path
    rows: dict[tuple[str, str], dict[str, str]]
    pairs: dict[tuple[str, str, str], dict[str, str]]

    @classmethod
    def read(cls, run: Path) -> Board:
        with (run / "board" / "table.csv").open(encoding="utf-8") as file:
            table = [{**row, "system": plain(row["system"])} for row in csv.DictReader(file)]
        if not table:
            raise DubbenchError(f"{run}: its board is empty")
        with (run / "board" / "paired.csv").open(encoding="utf-8") as file:
            paired = [
                {**row, "system_a": plain(row["system_a"]), "system_b": plain(row["system_b"])}
                for row in csv.DictReader(file)
            ]
        return cls(
            table[0]["dataset"],
            run,
            {(r["system"], r["metric"]): r for r in table},
            {(r["metric"], r["system_a"], r["system_b"]): r for r in paired},
        )

    @property
    def systems(self) -> list[str]:
        return list(dict.fromkeys(system for system, _ in self.rows))

    def value(self, system: str, metric: str) -> float | None:
        row = self.rows.get((system, metric))
        return float(row["value"]) if row and row["value"] else None

    def difference(self, metric: str, a: str, b: str) -> tuple[float, float, float] | None:
        """a - b with its interval."""
        for first, second, sign in ((a, b, 1), (b, a, -1)):
            row = self.pairs.get((metric, first, second))
            if row and row["difference"] and row["ci_low"]:
                found = [sign * float(row[k]) for k in ("difference", "ci_low", "ci_high")]
                return found[0], min(found[1:]), max(found[1:])
        return None

    def cell(self, system: str, metric: str) -> str:
        row = self.rows.get((system, metric))
        if not row or not row["value"]:
            return ""
        text = number(float(row["value"]), metric)
        if row["ci_low"]:
            text += f" [{number(float(row['ci_low']), metric)}, {number(float(row['ci_high']), metric)}]"
        return text + ("" if row["n_scored"] == row["n_total"] else f" ({row['n_scored']}/{row['n_total']})")


def plain(system: str) -> str:
    """A system's label without where its checkpoint lay."""
    return re.sub(r"\(checkpoint=[^()]*\)", "", system)


def number(x: float, metric: str) -> str:
    digits = {"FFE": 3, "GPE": 3, "VDE": 3, "DNSMOS": 2, "MCD-DTW": 2}.get(metric, 1)
    return f"{x:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, its first column to the left."""
    return [
        f"| {' | '.join(head)} |",
        f"| --- |{' ---: |' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def scores(board: Board) -> list[str]:
    present = [c for c in COLUMNS if any((s, c) in board.rows for s in board.systems)]
    return table(["system", *present], [[f"`{s}`", *(board.cell(s, c) for c in present)] for s in board.systems])


def targets(board: Board) -> list[list[str]]:
    """What the model should reach on this data set: target, limit, reached, verdict."""
    grid = board.name == "grid"
    found = []

    def limit(what: str, metric: str, bound: float | None, down: bool = True) -> None:
        reached = board.value(OURS, metric)
        if bound is None or reached is None:
            found.append([what, "", "not measured", ""])
            return
        good = reached <= bound if down else reached >= bound
        sign = "≤" if down else "≥"
        found.append([what, f"{sign} {number(bound, metric)}", board.cell(OURS, metric), verdict(good)])

    def beside(system: str, metric: str, add: float) -> float | None:
        value = board.value(system, metric)
        return None if value is None else value + add

    margin = 5 if grid else 10
    limit(f"WER-grammar: codec copy + {margin} points", "WER-grammar", beside("codec_copy", "WER-grammar", margin))
    limit("FFE: codec copy + 0.05", "FFE", beside("codec_copy", "FFE", 0.05))
    if grid:
        limit("FFE: 0.15", "FFE", 0.15)
        limit("align-ms, median: 20 ms", "align-ms", 20)
    limit("SECS: codec copy - 5 points", "SECS", beside("codec_copy", "SECS", -5), down=False)
    limit("DNSMOS: codec copy - 0.1", "DNSMOS", beside("codec_copy", "DNSMOS", -0.1), down=False)
    for metric, rivals in (("FFE", RIVALS), ("align-ms", UNTIMED), ("align-ms-p90", UNTIMED)):
        for rival in rivals:
            d = board.difference(metric, OURS, rival)
            told = (
                "not measured"
                if d is None
                else f"{number(d[0], metric)} [{number(d[1], metric)}, {number(d[2], metric)}]"
            )
            found.append([f"{metric} below `{rival}`, paired", "< 0", told, "" if d is None else verdict(d[2] < 0)])
    return found


def verdict(good: bool) -> str:
    return "reached" if good else "**not reached**"


def swapped(run: Path) -> list[str]:
    """With another speaker's reference: on how many clips the voice is nearer to that speaker than to its own."""
    manifest = read_manifest(run)
    own = {r.clip: r.stats for r in read_run(run).scores if r.system == OURS and r.metric == "secs" and r.stats}
    moved = sum(stats["secs"] > stats["secs_gt"] for stats in own.values())
    share = moved / max(1, len(own))
    return [
        f"With the reference of another speaker ({manifest.dataset}, pairing `{manifest.pairing_digest[:12]}`), the "
        f"dub is nearer to that reference than to the clip's own voice on {moved} of {len(own)} clips "
        f"({100 * share:.0f} %; target 80 %: {verdict(share >= 0.8)}).",
        "",
    ]


def curves(runs: list[Path], out: Path) -> list[str]:
    """Losses of training as a picture."""
    panels = []
    for run in runs:
        rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
        told = [r for r in rows if r["what"] == "validation"]
        for name in ("content", "flow", "accuracy", "boundary_ms"):
            points = [(r["step"], r[name], None, None) for r in told if name in r]
            if points:
                panels.append(Panel(f"{run.name}: {name}", points))
    if not panels:
        return []
    path = out / "training.svg"
    path.write_text(figure(panels, "step"), "utf-8")
    return [f"![Losses on the clips that were held out of training]({out.name}/{path.name})", ""]


@torch.no_grad()
def pictures(folder: Path, features: Path, out: Path) -> list[str]:
    """Attention maps (the paper's figure 5) and spectra of some clips, with the true phone boundaries beside."""
    cache = Cache.load(features)
    model, meta = checkpoint.load_model(checkpoint.find(folder), "dub")
    objective = Objective("dub", model.config)
    objective.model = model
    corpus = Corpus.of([cache])
    codec = open_codec(folder / "codec.safetensors" if (folder / "codec.safetensors").is_file() else "world")
    wanted = meta["codec"]["digest"]
    for what, digest in ((f"the codec beside {folder}", codec.digest), (str(features), cache.info.codec_digest)):
        if digest != wanted:
            raise DubbenchError(f"{what} and the checkpoint belong to different codecs: {digest[:12]}, {wanted[:12]}")
    step = max(1, len(corpus) // SHOWN)
    lines = []
    for place in range(0, step * min(SHOWN, len(corpus)), step):
        batch = objective.batch(corpus, [place], np.random.default_rng(place))
        made = model.generate(batch, 16, [place])
        clip = corpus[place]
        names = {}
        for kind, weights, spans in (("vt", made.vt, batch.frame_spans), ("st", made.st, batch.token_spans)):
            grey = attention_picture(weights[0].numpy(), ZOOM)
            names[kind] = out / f"{clip.clip}-{kind}.png"
            write_png(names[kind], np.maximum(grey, outline(spans[0].numpy(), grey.shape)))
        truth = codec.decode(Tokens.of(clip.tokens.astype(np.int64), clip.voice))
        spoken = codec.decode(Tokens.of(made.tokens[0].numpy(), batch.speaker[0].numpy()))
        both = [mel(x) for x in (truth, spoken)]
        for kind, power in zip(("true", "made"), both, strict=True):
            names[kind] = out / f"{clip.clip}-{kind}.png"
            names[kind].write_bytes(picture(power, float(np.quantile(both[0], 0.99)), power.shape[1]))
        title = {"vt": "video to text", "st": "speech to text", "true": "codec copy", "made": "the dub"}
        lines += [
            f"**{clip.clip}**, “{clip.text}”",
            "",
            *(f"![{clip.clip}: {title[k]}]({out.name}/{path.name})" for k, path in names.items()),
            "",
        ]
    return lines


def outline(spans: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The true alignment as a thin grey staircase over an attention picture."""
    drawn = np.zeros(shape, np.uint8)
    ends = np.cumsum(spans) * ZOOM
    for i, end in enumerate(ends):
        start = ends[i - 1] if i else 0
        top = shape[0] - (i + 1) * ZOOM
        drawn[top, start:end] = 140
        if end < shape[1]:
            drawn[max(0, top - ZOOM) : top + ZOOM, end] = 140
    return drawn


def about(folder: Path) -> list[str]:
    """What was trained, on what."""
    meta = checkpoint.read_meta(checkpoint.find(folder))
    step = f"step {meta['step']} of stage 2"
    if meta.get("init"):
        step += f" (begun with the weights of another run, step {meta['init']['step']})"
    told = "; ".join(
        f"{r['dataset']} {r['split']}, {r['clips']} clips, features {r['sha256'][:12]}" for r in seen(meta)
    )
    return [
        f"Configuration `{meta['config']['name']}`, {step}, {meta['precision']}. Trained on "
        f"{told}; {len(meta['held_out'])} of these clips were held out of everything. Codec `{meta['codec']['name']}` "
        f"{meta['codec']['digest'][:12]}.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--run", type=Path, action="append", required=True)
    parser.add_argument("--swapped", type=Path)
    parser.add_argument("--log", type=Path, action="append", default=[])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--probe", type=Path, action="append", default=[])
    parser.add_argument("--timing", type=Path)
    parser.add_argument("--remarks", type=Path, help="text file: what a reader should know of these figures")
    parser.add_argument("--commands", type=Path, help="text file with the commands that made all this")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    assets = given.out.with_suffix("")
    assets.mkdir(parents=True, exist_ok=True)
    boards = [Board.read(run) for run in given.run]
    lines = [
        "# DiFlowDubber: results of the shipped checkpoint",
        "",
        "Made by `benchmarks/results_page.py` from the boards of finished runs. Test clips were never trained, "
        "tuned or stopped on. Square brackets: 95 % intervals; n/N where not all clips are scored.",
        "",
        "## The checkpoint",
        "",
        *about(given.checkpoint),
        *curves(given.log, assets),
    ]
    for board in boards:
        manifest = read_manifest(board.folder)
        lines += [f"## {board.name}, Setting {manifest.setting}: {len(manifest.clips)} test clips", "", *scores(board)]
        lines += ["What it should reach, and what it reached:", ""]
        lines += table(["target", "limit", "reached", ""], targets(board))
    if given.swapped:
        lines += ["## Another speaker's voice", "", *swapped(given.swapped)]
    for probe in given.probe:
        lines += [
            "## Which part costs what",
            "",
            "Held-out clips; the model's tokens in place of the true ones, part by part "
            "(`benchmarks/probe_content.py`).",
            "",
            *scores(Board.read(probe)),
        ]
    if given.pictures:
        lines += [
            "## Attention and spectra of unseen clips",
            "",
            "Attention: time to the right, phonemes upwards, each query's largest weight white; the grey staircase is "
            "the forced alignment of the original. Spectra: 64 mel bands, 10 ms a column; first the codec's copy of "
            "the original, then the dub.",
            "",
            *pictures(given.checkpoint, given.pictures, assets),
        ]
    if given.timing:
        lines += ["## Speed", "", given.timing.read_text("utf-8").strip(), ""]
    if given.remarks:
        lines += ["## Where it falls short, and why", "", given.remarks.read_text("utf-8").strip(), ""]
    if given.commands:
        lines += [
            "## The commands",
            "",
            *(f"    {x}".rstrip() for x in given.commands.read_text("utf-8").splitlines()),
            "",
        ]
    given.out.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    try:
        main()
    except (DubbenchError, OSError) as error:
        sys.exit(f"dubbench: {error}")
