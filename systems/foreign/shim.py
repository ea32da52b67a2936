"""Runs in a foreign system's process, by its own Python (3.8 or later, standard library and numpy): one clip at a time.

``python shim.py FOLDER`` reads ``FOLDER/job.json``, loads the adapter that it names and then, for every line of
``FOLDER/requests.jsonl``, writes one line of ``FOLDER/answers.jsonl`` and, before it, a wav by rename. A byte on
standard input says that there are more requests; its end, that there are none. With standard input closed it goes
through the file once: so a person repeats by hand what the host asked.

An adapter is a file with a class ``Adapter``::

    class Adapter:
        def __init__(self, place): ...         # place.source, .work, .weights, .options, .device
        def load(self): ...                    # everything slow
        def dub(self, request, clock): ...     # returns (samples in [-1, 1], rate); `with clock("model"): ...`

and, where ``place.options["weights"]`` may be ``random``, a function ``random_weights(place, folder)`` that writes
checkpoints in the authors' own format, so that their own loading code reads them.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib.util
import json
import os
import random
import signal
import socket
import struct
import sys
import time
import traceback

import numpy as np

NEWNET, NEWUSER = 0x40000000, 0x10000000


class Place:
    """Where an adapter finds things: folders, weights by name, options, and the device."""

    def __init__(self, job):
        self.source = job.get("source", "")
        self.work = job["work"]
        self.weights = job.get("weights", {})
        self.options = job.get("options", {})
        self.device = job.get("device", "cpu")


class Clock:
    """Seconds spent in parts of the work; the accelerator is waited for on both sides."""

    def __init__(self):
        self.spent = {}

    @contextlib.contextmanager
    def __call__(self, part):
        _synchronise()
        start = time.perf_counter()
        try:
            yield
        finally:
            _synchronise()
            self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - start


def _cuda():
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


def _synchronise():
    torch = _cuda()
    if torch is not None:
        torch.cuda.synchronize()


def isolate(host):
    """End with the host, be the first to go when memory ends, and see no network. Returns how that was switched off."""
    libc = None
    with contextlib.suppress(OSError):
        libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    _watch(host)
    return _no_network(libc)


def _watch(host):
    """A process that ends the group once the host is gone, whatever this one is busy with."""
    own = os.getpid()
    if os.getpgrp() != own or os.fork():  # a group that is not ours, where a person runs this by hand, is left alone
        return
    os.closerange(0, 256)
    while os.getppid() == own and _there(host):
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def _there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _no_network(libc):
    """A network namespace of our own, with nothing in it; where the system allows none, sockets that refuse."""
    with contextlib.suppress(OSError, AttributeError):
        if libc.unshare(NEWNET) == 0:
            return "namespace"
        user, group = os.getuid(), os.getgid()
        if libc.unshare(NEWUSER | NEWNET) == 0:
            for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (user, user)),
                               ("gid_map", "%d %d 1" % (group, group))):  # fmt: skip
                with open("/proc/self/" + name, "w") as file:
                    file.write(text)
            return "namespace"

    def refuse(self, address, *rest):
        raise OSError("no network: a system is run without one (asked for %r)" % (address,))

    socket.socket.connect = refuse
    socket.socket.connect_ex = refuse
    return "sockets of Python alone"


def seed_all(seed):
    """The same numbers for the same clip, wherever it stands in the list."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.manual_seed_all(seed)


def write_wav(path, samples, rate):
    """Mono float32 wav, under its name only when it is whole."""
    x = np.ascontiguousarray(samples, dtype="<f4")
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + x.nbytes, b"WAVE", b"fmt ", 16, 3, 1, rate, rate * 4, 4, 32,
                       b"data", x.nbytes)  # fmt: skip
    with open(path + ".tmp", "wb") as file:
        file.write(head)
        file.write(x.tobytes())
    os.replace(path + ".tmp", path)


def as_samples(value):
    """(T,) floats; integers are scaled by their full range. Anything else is an error of the adapter."""
    x = np.asarray(value)
    if x.ndim != 1:
        raise ValueError("samples of shape %r; expected (T,)" % (x.shape,))
    if np.issubdtype(x.dtype, np.integer):
        return x.astype(np.float64) / -float(np.iinfo(x.dtype).min)
    return x


def one_file(folder, name):
    """The one file that a script was to write, mapped back by its name.

    Raises:
        RuntimeError: it is not there, or others are.
    """
    found = sorted(os.path.relpath(os.path.join(where, file), folder)
                   for where, _, files in os.walk(folder) for file in files)  # fmt: skip
    if found != [name]:
        what = "nothing" if not found else ", ".join(found[:3]) + (" and more" if len(found) > 3 else "")
        raise RuntimeError("expected the one file %s from the system; found %s" % (name, what))
    return os.path.join(folder, name)


def load_adapter(path):
    """The module at ``path``; what lies beside it can be imported."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.modules["dubbench_shim"] = sys.modules[__name__]
    spec = importlib.util.spec_from_file_location("dubbench_adapter", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["dubbench_adapter"] = module
    spec.loader.exec_module(module)
    return module


def why(error):
    """An exception as one line."""
    text = " ".join(str(error).split())[:400]
    return "%s: %s" % (type(error).__name__, text) if text else type(error).__name__


def out_of_memory(error):
    """Whether an accelerator had no room: such a clip is tried again alone, in a new process."""
    text = str(error).lower()
    return type(error).__name__ == "OutOfMemoryError" or ("cuda" in text and "out of memory" in text)


def serve(adapter, request, folder):
    """One request to one answer; whatever the adapter raises is the answer too."""
    clock, answer = Clock(), {"number": request["number"], "clip": request["clip"]}
    torch = _cuda()
    if torch is not None:
        torch.cuda.reset_peak_memory_stats()
    try:
        seed_all(request["seed"])
        samples, rate = adapter.dub(request, clock)
        _synchronise()
        name = "out/%06d.wav" % request["number"]
        write_wav(os.path.join(folder, name), as_samples(samples), int(rate))
        answer.update(status="ok", wav=name, rate=int(rate), timings=clock.spent)
    except BaseException as error:
        traceback.print_exc()
        answer.update(status="out_of_memory" if out_of_memory(error) else "failed", reason=why(error))
    answer["memory"] = _peak()
    return answer


def _peak():
    """Bytes at most so far: of this process, and of the accelerator for this clip."""
    import resource

    found = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    torch = _cuda()
    if torch is not None:
        found["device"] = int(torch.cuda.max_memory_allocated())
    return found


class Channel:
    """Lines out to the host; the streams of the process go to its log from here on."""

    def __init__(self, folder, bell, token):
        self.answers = open(os.path.join(folder, "answers.jsonl"), "a", encoding="utf-8")
        self.bell, self.token = bell, token

    def say(self, answer):
        sys.stdout.flush()
        sys.stderr.flush()
        if self.token:
            os.write(1, ("\n%s\n" % self.token).encode())  # where one clip's log ends
        self.answers.write(json.dumps(answer, ensure_ascii=True) + "\n")
        self.answers.flush()
        if self.bell >= 0:
            os.write(self.bell, b"\n")


def main(folder):
    """Load the adapter, then answer until there are no more requests."""
    own, folder = os.getpid(), os.path.abspath(folder)
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    wake = os.dup(0)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    bell = int(os.environ.pop("DUBBENCH_BELL", "-1"))
    channel = Channel(folder, bell, job.get("token", ""))
    network = isolate(os.getppid()) if job.get("isolate", True) else "on"
    os.makedirs(os.path.join(folder, "out"), exist_ok=True)
    faulthandler.register(signal.SIGUSR1)  # before a process that hangs is ended, its log gets to know where it was
    start = time.perf_counter()
    try:
        module, place = load_adapter(job["adapter"]), Place(job)
        if "make_weights" in job:
            seed_all(0)
            module.random_weights(place, job["make_weights"])
            return channel.say({"status": "ready"})
        adapter = module.Adapter(place)
        adapter.load()
    except BaseException as error:
        traceback.print_exc()
        channel.say({"status": "failed", "reason": why(error)})
        return None
    torch = sys.modules.get("torch")
    channel.say({"status": "ready", "seconds": time.perf_counter() - start, "network": network,
                 "python": "%d.%d.%d" % sys.version_info[:3], "torch": getattr(torch, "__version__", "")})  # fmt: skip
    with open(os.path.join(folder, "requests.jsonl"), encoding="utf-8") as requests:
        while True:
            at = requests.tell()
            line = requests.readline()
            if not line.endswith("\n"):
                requests.seek(at)
                if not os.read(wake, 1):
                    break
                continue
            answer = serve(adapter, json.loads(line), folder)
            if os.getpid() != own:  # the system forked, and this is not the process that was asked
                os._exit(0)
            channel.say(answer)
    close = getattr(adapter, "close", None)
    return close() if close else None


if __name__ == "__main__":
    main(sys.argv[1])
