"""Training from caches in an environment with torch, numpy and safetensors alone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dubbench.errors import DubbenchError

from ..settings import resolve
from .options import Settings
from .run import PRECISIONS, Job, Machine, estimate, train


def main() -> int:
    """Read the options, train; 0 if it ended, 2 for what a user can mend, else `Outcome.status`."""
    parser = argparse.ArgumentParser(prog="python -m dubbench.systems.diflowdubber.training", description=__doc__)
    parser.add_argument("stage", choices=("tts", "dub"))
    parser.add_argument("--config", default="small")
    parser.add_argument("--preset", "--ablation", action="append", default=[])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--cache", type=Path, action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--codec", default="")
    parser.add_argument("--hold-out", type=int, default=50)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto", choices=PRECISIONS)
    parser.add_argument("--estimate", action="store_true")
    defaults = Settings()
    for name in ("seed", "steps", "save_every", "validate_every", "keep", "log_every", "accumulate"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    for name in ("clip", "average", "seconds"):
        parser.add_argument(f"--{name}", type=float, default=getattr(defaults, name))
    parser.add_argument("--decay", default=defaults.decay, choices=("cosine", "constant"))
    given = parser.parse_args()
    settings = Settings(**{name: getattr(given, name) for name in Settings.__dataclass_fields__})
    machine = Machine(given.device, given.engine, given.precision)
    try:
        config = resolve(given.config, given.preset, given.set)
        job = Job(given.stage, config, given.cache, given.out, given.hold_out, given.teacher, given.codec, given.init)
        if given.estimate:
            for name, value in estimate(job, settings, machine).items():
                print(f"{name}: {value:,.3g}" if name != "parameters" else f"{name}: {value:,.0f}")
            return 0
        done = train(job, settings, machine)
    except DubbenchError as error:
        print(f"dubbench: {error}", file=sys.stderr)
        return 2
    print(done.told)
    return done.status


if __name__ == "__main__":
    sys.exit(main())
