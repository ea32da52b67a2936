"""A foreign system that misbehaves as it is told: run by the shim, never imported by the tests."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

RATE = 16000


class Adapter:
    def __init__(self, place):
        self.place, self.options = place, place.options
        if self.options.get("load") == "fails":
            raise RuntimeError("no weights here")

    def load(self):
        self.loaded = time.time()

    def dub(self, request, clock):
        what = self.options.get("on", {}).get(request["clip"], "")
        print("working on", request["clip"], what, flush=True)
        with clock("model"):
            time.sleep(self.options.get("sleep", 0))
        samples = np.random.default_rng(request["seed"]).uniform(-0.5, 0.5, int(request["length"] * RATE))
        return self.misbehave(what, samples, request), RATE

    def misbehave(self, what, samples, request):
        if what == "crash":
            os.abort()
        if what == "raise":
            raise ValueError("this clip\nis not to my liking")
        if what == "exit":
            sys.exit(3)
        if what == "hang":
            time.sleep(1000)
        if what == "nan":
            samples[100] = np.nan
        if what == "silent_stereo":
            return np.zeros((2, 100))
        if what == "short":
            return samples[:320]
        if what == "long":
            return np.tile(samples, 4)
        if what == "twice":
            self.answer(request, "again")
        if what == "unasked":
            self.answer({**request, "clip": "somebody-else", "number": 99}, "")
        if what == "children":
            for _ in range(2):
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
                subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"], start_new_session=True)
            if os.fork() == 0:
                time.sleep(1000)
        if what == "fork_and_return":
            os.fork()
        if what == "memory":
            held = []
            while True:
                held.append(np.ones(1 << 22))
        if what == "prints":
            line = b"x" * (1 << 20) + b"\n"
            for _ in range(1024):
                os.write(1, line)
        if what == "network":
            import urllib.request

            urllib.request.urlopen("http://192.0.2.1/", timeout=5)
        if what == "cuda" and not Path(self.options["flag"]).exists():
            Path(self.options["flag"]).touch()
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
        if what == "noise":
            return np.random.standard_normal(len(samples)) * 0.1
        return samples

    def answer(self, request, reason):
        with (Path(self.place.work) / "answers.jsonl").open("a") as file:
            answer = {"number": request["number"], "clip": request["clip"], "status": "failed", "reason": reason}
            file.write(json.dumps(answer) + "\n")
