"""RTF of DiFlowDubber by NFE, batch and size, beside the floor that operations and bytes set.

    python benchmarks/rtf.py [--device cpu] [--sizes small paper] [--batches 1 16] [--seconds 60] [--json]

Random weights (time does not depend on them), clips of 3 s with 25 phones, lips and face given: what is timed is the
model (text encoder to tokens) and the codec's decoder, `world` for `small` and FACodec for `paper`. One warm-up, then
the median of three runs, or of one where a run takes over a fifth of ``--seconds``; what would take longer than
``--seconds``, told from the steps before, is marked unmeasured. The tokens are sampled (``decode=paper``). The floor
is the larger of operations over the machine's own matrix-product rate and weight bytes (the denoiser's once a step,
the others once a clip, no embedding tables) over its own copying rate, both measured just before.

    python benchmarks/rtf.py --against COMMIT [--sizes small] [--rounds 5]

times this code and another commit's in turn on one core, ratios of processor time in pairs (medians), beside the ratio
of operations, and says whether tokens are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from dubbench.runtime.provenance import hardware
from dubbench.systems.diflowdubber.batch import DubItem, collate_dub
from dubbench.systems.diflowdubber.codec.base import Tokens
from dubbench.systems.diflowdubber.codecs import open_codec
from dubbench.systems.diflowdubber.config import Config
from dubbench.systems.diflowdubber.presets import configuration
from dubbench.systems.diflowdubber.stage2 import Stage2

AGAINST = {
    "small": ("1", "16", "128", "default"),
    "paper": ("1", "8"),
    "facodec": ("0",),
}
"""What `against` times: NFE, or the plugin's default decoding."""
NFES = (1, 2, 4, 8, 10, 16, 32, 64, 128)
SECONDS, FRAMES, PHONES = 3.0, 75, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", nargs="+", default=["small", "paper"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--seconds", type=float, default=60.0, help="longest run that is measured")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: all")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--against", metavar="COMMIT", help="ratios to another commit instead")
    parser.add_argument("--nfe", nargs="+", help="with --against: these alone; numbers, or default")
    parser.add_argument("--rounds", type=int, default=5, help="with --against: pairs of runs")
    options = parser.parse_args()
    if options.against:
        against(options)
        return
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    report: dict[str, Any] = {
        "machine": {**hardware(options.device), "threads": str(torch.get_num_threads())},
        "torch": torch.__version__,
        "matmul_gflops": rate_of_products(device) / 1e9,
        "copy_gbytes": rate_of_copies(device) / 1e9,
        "sizes": [size(name, options, device) for name in options.sizes],
    }
    for about in report["sizes"]:
        for row in about["rows"]:
            row["floor"] = floor(row, about, report)
    print(json.dumps(report, indent=1) if options.json else text(report))


def against(options: argparse.Namespace) -> None:
    """Print the table of ratios to another commit."""
    cells = [(size, "1", nfe) for size in options.sizes for nfe in options.nfe or AGAINST[size]]
    here = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="dubbench-against-") as folder:
        other = Path(folder) / "tree"
        subprocess.run(
            ["git", "-C", str(here), "worktree", "add", "-q", "--detach", str(other), options.against], check=True
        )
        try:
            with Side(other) as old, Side(here) as new:
                rows = [compare(old, new, cell, options.rounds) for cell in cells]
        finally:
            subprocess.run(["git", "-C", str(here), "worktree", "remove", "--force", str(other)], check=True)
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print("| size | NFE | CPU s, then | CPU s, now | ratio [quartiles] | ratio of operations | same output |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        low, middle, high = row["ratios"]
        print(
            f"| `{row['size']}` | {row['nfe']} | {row['then']:.3g} | {row['now']:.3g} | "
            f"{middle:.2f} [{low:.2f}, {high:.2f}] | {row['operations']:.2f} | {row['same']} |"
        )


class Side:
    """A worker on the code of one tree, on one core."""

    def __init__(self, tree: Path) -> None:
        worker = Path(__file__).with_name("rtf_worker.py")
        environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        core = {min(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else None
        self.process = subprocess.Popen(
            [sys.executable, str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tree,
            preexec_fn=(lambda: os.sched_setaffinity(0, core)) if core else None,
        )

    def __enter__(self) -> Side:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def ask(self, cell: tuple[str, str, str]) -> dict[str, Any]:
        """One run of ``cell``."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(cell) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the worker ended; see its message above")
        told: dict[str, Any] = json.loads(line)
        return told


def compare(old: Side, new: Side, cell: tuple[str, str, str], rounds: int) -> dict[str, Any]:
    """Both in turn, after a warm-up that counts operations."""
    first = old.ask(cell), new.ask(cell)
    pairs = [(old.ask(cell), new.ask(cell)) for _ in range(rounds)]
    ratios = sorted(a["cpu"] / b["cpu"] for a, b in pairs)
    quartiles = [float(x) for x in np.quantile(ratios, (0.25, 0.5, 0.75))]
    same = "identical" if len({told["digest"] for pair in pairs for told in pair}) == 1 else "differs"
    row = {
        "size": cell[0],
        "nfe": cell[2],
        "then": statistics.median(a["cpu"] for a, _ in pairs),
        "now": statistics.median(b["cpu"] for _, b in pairs),
        "ratios": quartiles,
        "operations": first[0]["flops"] / first[1]["flops"],
        "same": same,
    }
    print(f"{' '.join(cell)}: {quartiles[1]:.2f}, {same}", file=sys.stderr)
    return row


def precision(device: torch.device) -> torch.dtype:
    """As the plugin runs: bfloat16 on a GPU, float32 on a CPU."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def size(name: str, options: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """All rows of one configuration."""
    torch.manual_seed(0)
    model = Stage2(configuration(name)).eval().to(device)
    first, more = operations(model, device)
    rows: list[dict[str, Any]] = []
    for batch in options.batches:
        spent: list[tuple[int, float]] = []
        for nfe in NFES:
            expected = predicted(spent, nfe)
            row = {"batch": batch, "nfe": nfe, "flops": batch * (first + (nfe - 1) * more), "model": None}
            if expected <= options.seconds:
                row["model"] = timed(lambda b=batch, n=nfe: speak(model, b, n, device), device, options.seconds)
                spent.append((nfe, row["model"]))
            rows.append(row)
            print(f"{name} batch {batch} NFE {nfe}: {shown(row)}", file=sys.stderr)
    step, once = (count * precision(device).itemsize for count in weights_read(model))
    decoder = vocoder(name, device, options.seconds)
    return {"size": name, "step_bytes": step, "once_bytes": once, "vocoder": decoder, "rows": rows}


def weights_read(model: Stage2) -> tuple[int, int]:
    """Weights that every step reads, and those that a clip reads once; of embedding tables few rows are read."""
    step = once = 0
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Embedding) and not name.startswith("ctc"):
            count = sum(p.numel() for p in module.parameters(recurse=False))
            step, once = (step + count, once) if name.startswith("dfpa.") else (step, once + count)
    return step, once


def predicted(spent: list[tuple[int, float]], nfe: int) -> float:
    """Seconds that ``nfe`` will take, linear in NFE through the first and last measurement."""
    if not spent:
        return 0.0
    (n0, t0), (n1, t1) = spent[0], spent[-1]
    return t1 * nfe / n1 if n0 == n1 else t1 + (t1 - t0) / (n1 - n0) * (nfe - n1)


def items(config: Config, batch: int) -> list[DubItem]:
    draw = np.random.default_rng(0)
    return [
        DubItem(
            phonemes=draw.integers(0, config.phones, PHONES),
            lips=draw.normal(size=(FRAMES, config.lip_dim)),
            face=draw.normal(size=(FRAMES, config.face_dim)),
            speaker=draw.normal(size=config.speaker_dim),
        )
        for _ in range(batch)
    ]


@torch.inference_mode()
def speak(model: Stage2, batch: int, nfe: int, device: torch.device) -> None:
    given = collate_dub(items(model.config, batch), model.config).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        model.generate(given, nfe, list(range(batch)))


def operations(model: Stage2, device: torch.device) -> tuple[int, int]:
    """Floating-point operations of one clip with one step, and of every further step."""
    counts = []
    for steps in (1, 2):
        with FlopCounterMode(display=False) as counter:
            speak(model, 1, steps, device)
        counts.append(counter.get_total_flops())
    return counts[0], counts[1] - counts[0]


def vocoder(name: str, device: torch.device, seconds: float) -> dict[str, float | str]:
    """Seconds to decode one clip's tokens."""
    config = configuration(name)
    length = config.tokens(FRAMES)
    draw = np.random.default_rng(0)
    tokens = Tokens.of(draw.integers(0, config.vocab, (config.books, length)), np.full(256, 1 / 16, np.float32))
    if name != "paper":
        codec = open_codec("world")
        return {"codec": "world", "seconds": timed(lambda: codec.decode(tokens), torch.device("cpu"), seconds)}
    from dubbench.systems.diflowdubber.codec.facodec import FACodecDecoder, remove_weight_norm

    torch.manual_seed(0)
    decoder = FACodecDecoder().eval()
    remove_weight_norm(decoder)
    decoder.to(device)
    codes = torch.from_numpy(tokens.stacked.astype(np.int64))[None].to(device)
    voice = torch.from_numpy(tokens.speaker)[None].to(device)

    @torch.inference_mode()
    def decode() -> None:
        decoder(decoder.embed(codes), voice)

    return {"codec": "facodec", "seconds": timed(decode, device, seconds)}


def timed(run: Callable[[], Any], device: torch.device, limit: float) -> float:
    """Seconds of ``run``: median of three after a warm-up; the warm-up itself where that is long."""
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
        if taken[0] > limit / 5:
            return taken[0]
    return statistics.median(taken[1:])


def rate_of_products(device: torch.device) -> float:
    """Operations a second of large matrix products."""
    n = 8192 if device.type == "cuda" else 1536
    a = torch.randn(n, n, device=device, dtype=precision(device))
    return 2 * n**3 / timed(lambda: a @ a, device, 60)


def rate_of_copies(device: torch.device) -> float:
    """Bytes a second that can be read, from copies of 256 MiB."""
    a = torch.zeros(2**26, device=device)
    b = torch.empty_like(a)
    return 2 * 4 * 2**26 / timed(lambda: b.copy_(a), device, 60)


def floor(row: dict[str, Any], about: dict[str, Any], report: dict[str, Any]) -> float:
    """Seconds below which no implementation can be at these rates: the denoiser's weights are read once a step."""
    read = about["once_bytes"] + about["step_bytes"] * row["nfe"]
    return max(row["flops"] / report["matmul_gflops"] / 1e9, read / report["copy_gbytes"] / 1e9)


def shown(row: dict[str, Any]) -> str:
    return "unmeasured" if row["model"] is None else f"{row['model']:.3g} s"


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    about = ", ".join(f"{k} {v}" for k, v in report["machine"].items())
    lines = [
        f"{about}; torch {report['torch']}; {report['matmul_gflops']:.0f} GFLOP/s in matrix products, "
        f"{report['copy_gbytes']:.1f} GB/s copying."
    ]
    for part in report["sizes"]:
        code = part["vocoder"]
        lines += [
            "",
            f"`{part['size']}`, clips of {SECONDS:g} s; the codec's decoder ({code['codec']}) takes "
            f"{code['seconds']:.3g} s a clip, RTF {code['seconds'] / SECONDS:.3g}:",
            "",
            "| batch | NFE | RTF, model | RTF with decoder | floor | times the floor |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for row in part["rows"]:
            sound = SECONDS * row["batch"]
            low = row["floor"] / sound
            if row["model"] is None:
                cells = ["unmeasured", "unmeasured", f"{low:.3g}", ""]
            else:
                rtf = row["model"] / sound
                cells = [f"{rtf:.3g}", f"{rtf + code['seconds'] / SECONDS:.3g}", f"{low:.3g}", f"{rtf / low:.1f}"]
            lines.append(f"| {row['batch']} | {row['nfe']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
