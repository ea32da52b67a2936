"""One side of ``benchmarks/rtf.py --against``: times the given work on the code that PYTHONPATH leads to.

A line in, ``size batch nfe`` (``small 1 16``; ``small 1 default`` for the plugin's default decoding; ``facodec 1 0``
for FACodec's decoder), a JSON object out: seconds of processor time and of the clock, floating-point operations, and
a digest of what was made. It uses what other commits have too.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from dubbench.systems.diflowdubber.batch import DubItem, collate_dub
from dubbench.systems.diflowdubber.stage2 import Stage2

try:
    from dubbench.systems.diflowdubber.presets import configuration
except ImportError:  # where it was before
    from dubbench.systems.diflowdubber.config import configuration  # type: ignore[attr-defined, no-redef]

FRAMES, PHONES = 75, 25


def generation(size: str, batch: int, nfe: str) -> Callable[[], Any]:
    """A function that makes the tokens of ``batch`` clips of 3 s, with random weights under which nothing is off."""
    torch.manual_seed(0)
    model = Stage2(configuration(size)).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "modulation.out" in name:
                p.normal_(std=0.1)
    draw = np.random.default_rng(0)
    config = model.config
    items = [
        DubItem(
            phonemes=draw.integers(0, config.phones, PHONES),
            lips=draw.normal(size=(FRAMES, config.lip_dim)),
            face=draw.normal(size=(FRAMES, config.face_dim)),
            speaker=draw.normal(size=config.speaker_dim),
        )
        for _ in range(batch)
    ]
    given, seeds, options = collate_dub(items, config), list(range(batch)), {}
    steps = 16 if nfe == "default" else int(nfe)
    if nfe == "default":
        try:
            from dubbench.systems.diflowdubber.codecs import open_codec
            from dubbench.systems.diflowdubber.decoding import STREAMS, Reader

            options["read"] = Reader(STREAMS, open_codec("world"))
        except ImportError:  # a commit whose default was to sample
            pass
    return lambda: model.generate(given, steps, seeds, **options).tokens


def decoding() -> Callable[[], Any]:
    """A function that decodes 3 s with FACodec."""
    from dubbench.systems.diflowdubber.codec import facodec

    torch.manual_seed(0)
    decoder = facodec.FACodecDecoder().eval()
    facodec.remove_weight_norm(decoder)
    getattr(facodec, "hasten", lambda module: None)(decoder)
    codes = torch.randint(0, 1024, (1, 6, 240))
    voice = torch.full((1, 256), 1 / 16)
    return lambda: decoder(decoder.embed(codes), voice)


def main() -> None:
    torch.set_num_threads(1)
    known: dict[tuple[str, str, str], Callable[[], Any]] = {}
    print(json.dumps({"pid": os.getpid()}), flush=True)
    for line in sys.stdin:
        size, batch, nfe = line.split()
        cell = (size, batch, nfe)
        flops = None
        with torch.inference_mode():
            if cell not in known:
                known.clear()  # one model in memory
                known[cell] = decoding() if size == "facodec" else generation(size, int(batch), nfe)
                with FlopCounterMode(display=False) as counter:
                    known[cell]()
                flops = counter.get_total_flops()
            start, clock = time.process_time(), time.perf_counter()
            made = known[cell]()
            told = {"cpu": time.process_time() - start, "clock": time.perf_counter() - clock, "flops": flops}
        told["digest"] = hashlib.sha256(made.contiguous().numpy().tobytes()).hexdigest()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
