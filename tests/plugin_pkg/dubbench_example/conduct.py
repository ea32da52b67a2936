"""A system with one fault of conduct at a time, for ``dubbench check``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo


class Conduct(SystemBase):
    """Hums as high as the reference is loud; ``fault`` says what it does wrong."""

    def __init__(self, fault: str = "", batch: int = 1) -> None:
        self.fault, self.calls, self.held = fault, 0, []
        self.info = SystemInfo(name="example-conduct", settings={"fault": fault, "sample_rate": 16000}, batch=batch)

    def load(self, device: str) -> None:
        if self.fault == "load":
            raise RuntimeError("no weights here")

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        for request in requests:
            self.calls += 1
            yield from self.one(request, len(requests))

    def one(self, request: DubRequest, company: int) -> Iterator[Dub | Failure]:
        fault = self.fault
        if fault == "unharmed-only" and request.clip == "odd-video":
            os._exit(9)
        reference, _ = soundfile.read(request.reference)
        level = 0.1 if fault == "deaf" else float(np.sqrt(np.mean(reference**2)))
        seconds = {"short": request.duration / 2, "long": request.duration + 1}.get(fault, request.duration)
        t = np.arange(round(seconds * 16000)) / 16000
        rng = np.random.default_rng(None if fault == "unseeded" else request.seed)
        samples = 0.1 * np.sin(2 * np.pi * (100 + 1000 * level) * t) + 1e-3 * rng.standard_normal(len(t))
        rate, timings = 16000, {"model": 0.0}
        if fault == "swallows" and request.clip[-1] == "2":
            return
        if fault == "stray":
            yield Dub("somebody-else", samples, rate)
        if fault == "raises" and request.clip[-1] == "2":
            raise ValueError("cannot do this clip")
        if fault == "dies" and request.clip[-1] == "2":
            os._exit(11)
        if fault == "hangs" and request.clip[-1] == "2":
            time.sleep(1000)
        if fault == "not-finite":
            samples[5] = np.nan
        if fault == "silent":
            samples = np.zeros_like(samples)
        if fault == "rate":
            rate = 22050
            samples = np.interp(np.arange(round(seconds * rate)) / rate, t, samples)
        if fault == "order":
            samples = samples * (1 + 0.01 * self.calls)
        if fault == "batch":
            samples = samples * (1 + 0.01 * company)
        if fault == "timings":
            timings = {"model": 1000.0}
        if fault == "truth":
            self.look(request)
        if fault == "writes":
            Path("left-behind.txt").write_text("here I was")
        if fault == "writes-unseen":
            subprocess.run(["touch", "left-behind.txt"], check=True)
        if fault == "children":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        yield Dub(request.clip, samples, rate, timings)
        if fault == "twice":
            yield Dub(request.clip, samples, rate, timings)

    def look(self, request: DubRequest) -> None:
        """Search the folders above for a file with the clip's name, and open it past Python."""
        for folder in list(request.video.parents)[:6]:
            for path in folder.glob(f"*/{request.clip}.*"):
                subprocess.run(["cat", path], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        if self.fault == "close":
            raise RuntimeError("the door is stuck")
