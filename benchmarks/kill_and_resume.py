"""Kill a run with SIGKILL at random moments, resume it, and compare its table with an undisturbed run's.

    python benchmarks/kill_and_resume.py [--kills 20] [--seed 0] -- --dataset grid --root GRID --limit 6 -s delay …

What stands after ``--`` is handed to ``dubbench run``. Exit 0 if the tables are equal byte for byte.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("run", nargs="*", help="arguments of dubbench run")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        calm, killed = Path(folder) / "calm", Path(folder) / "killed"
        start = time.monotonic()
        finish(options.run, calm)
        spent = time.monotonic() - start
        kills = starts = 0
        while kills < options.kills:
            starts += 1
            if starts > 3 * options.kills:
                print("the run ends before it can be killed; give it more clips")
                return 1
            moment = draw.uniform(0, 0.5 * spent)
            process = subprocess.Popen(
                command(options.run, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(moment)
                (killed / "scores.jsonl").unlink(missing_ok=True)  # it was done: take scoring up again
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills += 1
                print(f"kill {kills} after {moment:.2f} s; {state(killed)}")
        finish(options.run, killed)
        same = [
            (killed / "board" / n).read_bytes() == (calm / "board" / n).read_bytes() for n in ("table.csv", "table.md")
        ]
        print(f"{kills} kills; an undisturbed run takes {spent:.1f} s; table.csv and table.md equal: {same}")
        return 0 if all(same) else 1


def command(arguments: list[str], out: Path) -> list[str]:
    return [sys.executable, "-m", "dubbench", "run", *arguments, "--out", str(out)]


def finish(arguments: list[str], out: Path) -> None:
    done = subprocess.run(command(arguments, out), capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"dubbench run failed ({done.returncode}): {done.stderr[-2000:]}")


def state(out: Path) -> str:
    """Lines in the two journals."""
    counts = []
    for name in ("dubs.jsonl", "scores.jsonl"):
        path = out / name
        counts.append(f"{name} {path.read_bytes().count(10) if path.exists() else 0}")
    return ", ".join(counts)


if __name__ == "__main__":
    sys.exit(main())
