"""The process of a foreign system: requests go in by a file, answers and wavs come out, and nothing it does harms us.

The shim (`shim.py`) reads ``requests.jsonl`` and writes ``answers.jsonl`` and wavs by rename; what it prints is its
clip's log. What happened is told by those files, never by what was printed or by an exit code. The process has a group
of its own, its own home and temporary folder, no network where the system allows that, a limit of time for every clip
and of memory for all its processes together.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir

from . import group
from .clip_log import ClipLog

SHIM = Path(__file__).with_name("shim.py")
LOAD = 540.0
"""Seconds that a system may take to load."""
LOOK = 0.2
"""Seconds between two looks at the memory of the group."""
MEMORY = 0.85
"""Of the machine's memory: what a system's processes may hold together."""

Answer = dict[str, Any]


class ProcessError(DubbenchError):
    """The process is gone, or had to be ended: what it was asked has no answer."""


class Host:
    """One process at a time. `start` it, `ask` it; after a `ProcessError` `start` it again.

    Args:
        python: the system's interpreter.
        adapter: file with a class ``Adapter`` (see `shim.py`).
        folder: for its files; logs stay in ``folder/logs``.
        job: ``source``, ``weights``, ``options`` for the adapter.
        memory: bytes that its processes may hold; 0 for `MEMORY` of the machine.
        isolate: whether to switch the network off.
        threads: numerical threads.
    """

    def __init__(
        self,
        python: Path,
        adapter: Path,
        folder: Path,
        job: Mapping[str, Any],
        *,
        memory: int = 0,
        isolate: bool = True,
        threads: int = 0,
        shim: Path = SHIM,
    ) -> None:
        self.python, self.adapter, self.folder, self.shim = python, adapter, folder, shim
        self.job = {**job, "adapter": str(adapter), "isolate": isolate}
        self.memory = memory or int(group.physical_memory() * MEMORY)
        self.threads = threads
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    @property
    def alive(self) -> bool:
        """Whether a process is there that can be asked."""
        return self._process is not None and self._process.poll() is None

    def start(self, limit: float = LOAD) -> Answer:
        """A new process with the system loaded; what it says about itself (``python``, ``torch``, ``network``).

        Raises:
            DubbenchError: the interpreter is not there.
            ProcessError: the system cannot be loaded.
        """
        self.close()
        self.starts += 1
        place = self.folder / f"process-{self.starts}"
        for name in ("", "home", "tmp"):
            (place / name).mkdir(parents=True, exist_ok=True)
        self._place, self._mark = place, secrets.token_hex(16)
        (place / "requests.jsonl").write_text("")
        (place / "answers.jsonl").write_text("")
        job = {**self.job, "work": str(place), "token": self._mark}
        (place / "job.json").write_text(json.dumps(job, indent=1), "utf-8")
        hear, bell = os.pipe()
        try:
            self._process = subprocess.Popen(
                [str(self.python), "-B", "-u", str(self.shim), str(place)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=place,
                env=self._environment(bell),
                pass_fds=(bell,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(hear)
            raise DubbenchError(f"{self.python}: {error.strerror or error}") from error
        finally:
            os.close(bell)
        self._hear = hear
        self._answers = (place / "answers.jsonl").open("rb")
        assert self._process.stdout is not None
        self._log = ClipLog(self._process.stdout, self._mark, self.folder / "logs" / place.name)
        answer = self._wait(time.monotonic() + limit, limit, "start")
        if answer.get("status") != "ready":
            reason = str(answer.get("reason", "it gave no reason"))
            self.close()
            raise ProcessError(reason)
        return answer

    def _environment(self, bell: int) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DUBBENCH_", "PYTHON"))}
        threads = {} if not self.threads else {f"{x}_NUM_THREADS": str(self.threads) for x in ("OMP", "MKL")}
        return {
            **kept,
            **threads,
            "HOME": str(self._place / "home"),
            "TMPDIR": str(self._place / "tmp"),
            "NUMBA_CACHE_DIR": str(cache_dir() / "foreign" / "numba"),  # librosa compiles for a minute, once
            "MPLCONFIGDIR": str(self._place / "tmp"),
            "MPLBACKEND": "Agg",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "WANDB_MODE": "disabled",
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            "PYTHONIOENCODING": "utf-8",
            "DUBBENCH_BELL": str(bell),
            group.MARK: self._mark,
        }

    def ask(self, request: Mapping[str, Any], limit: float) -> Answer:
        """The shim's answer for one clip: ``status`` (``ok``, ``failed`` with ``reason``, ``out_of_memory``), ``wav``
        (an absolute path), ``timings``, ``memory``.

        Raises:
            ProcessError: it died, hung, took too much memory, or answered what it was not asked. It is ended by then.
        """
        if not self.alive:
            raise ProcessError("its process is not there")
        assert self._process is not None and self._process.stdin is not None
        self._number += 1
        clip = str(request["clip"])
        if stray := self._answers.readline():
            raise self._broken(f"it answered what it was not asked: {_shown(stray)}", clip)
        line = json.dumps({**request, "number": self._number}, default=str) + "\n"
        with (self._place / "requests.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)
        with suppress(OSError):  # it died: `_wait` finds that
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        answer = self._wait(time.monotonic() + limit, limit, clip)
        if answer.get("number") != self._number or answer.get("clip") != clip:
            raise self._broken(f"it answered for {answer.get('clip')!r} where {clip!r} was asked", clip)
        if stray := self._answers.readline():
            raise self._broken(f"it answered for {clip!r} twice", clip)
        if answer.get("status") == "ok":
            wav = (self._place / str(answer.get("wav", ""))).resolve()
            if not wav.is_file() or not wav.is_relative_to(self._place.resolve()):
                raise self._broken("it named a wav that is not there", clip)
            answer["wav"] = str(wav)
        return answer

    def _wait(self, deadline: float, limit: float, clip: str) -> Answer:
        """The next line of answers.

        Raises:
            ProcessError: as `ask`.
        """
        assert self._process is not None
        looked = 0.0
        while True:
            ready, _, _ = select.select([self._hear], [], [], LOOK)
            heard = os.read(self._hear, 4096) if ready else b""
            if heard:
                answer = _parse(self._answers.readline())
                if answer is None:
                    raise self._broken("its answer cannot be read", clip)
                self._log.rename(clip)
                return answer
            if ready or self._process.poll() is not None:
                raise self._broken(_how(self._process.wait()), clip)
            now = time.monotonic()
            if now > deadline:
                with suppress(OSError):
                    os.kill(self._process.pid, signal.SIGUSR1)  # where it hangs goes into its log
                time.sleep(0.2)
                raise self._broken(f"no answer within {limit:g} s", clip)
            if self.memory and now - looked >= LOOK:
                looked = now
                held = group.memory(self._process.pid)
                if held > self.memory:
                    raise self._broken(f"its processes held {held / 2**30:.1f} GiB, more than the limit of "
                                       f"{self.memory / 2**30:.1f} GiB", clip)  # fmt: skip

    def _broken(self, reason: str, clip: str) -> ProcessError:
        """End the process; the error to raise."""
        self._end()
        self._log.rename(clip)
        return ProcessError(reason)

    def _end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        group.end(process.pid, self._mark)
        process.wait()
        for stream in (process.stdin, self._answers):
            with suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        os.close(self._hear)

    def close(self) -> None:
        """Let the process end by itself, then end it with all that it started."""
        if self._process is None:
            return
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self._end()


def _parse(line: bytes) -> Answer | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and line.endswith(b"\n") else None


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()[:80]


def _how(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"its process ended (exit code {code})"
    try:
        return f"its process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"its process was ended by signal {-code}"
