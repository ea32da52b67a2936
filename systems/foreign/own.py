"""``foreign``: any system behind an adapter of yours, in an environment of yours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import file_digest

from .host import Host
from .runner import ForeignRunner


class Own(ForeignRunner):
    """A system of yours in its own Python, driven by a file of yours with a class ``Adapter``.

    See `dubbench.systems.foreign.shim` for what an adapter is: a dozen lines around your inference function. It gets
    the silent video, the text, the reference wav (16 kHz) and the length, and needs nothing of dubbench installed.

    Args:
        adapter: that file.
        python: the interpreter of your environment, for example ``/envs/mine/bin/python``; it needs numpy.
        options: JSON for ``place.options``, for example ``'{"checkpoint": "/data/mine.pt"}'``.
        timeout: seconds a clip; 0 for 60 s, or thirty times the clip where that is more.
        memory: GiB that its processes may hold together; 0 for 85 % of the machine's.

    Raises:
        DubbenchError: no such file or interpreter, one without numpy, or options that are not JSON.
    """

    def __init__(
        self, adapter: str | Path, python: str = "python3", options: str = "{}", timeout: float = 0, memory: float = 0
    ) -> None:
        self.adapter = Path(str(adapter)).expanduser().resolve()
        if not self.adapter.is_file():
            raise DubbenchError(f"foreign: {self.adapter}: no such adapter; give the file with your class Adapter")
        found = shutil.which(str(Path(str(python)).expanduser()))
        if found is None:
            raise DubbenchError(f"foreign: {python}: no such Python; give the interpreter of your environment")
        self.python = Path(found).absolute()
        if subprocess.run([found, "-c", "import numpy"], capture_output=True, check=False).returncode:
            raise DubbenchError(f"foreign: {python} has no numpy, which the shim needs; install it there")
        try:
            self.options = dict(json.loads(str(options)))
        except (ValueError, TypeError) as error:
            raise DubbenchError(f"foreign: options are not a JSON object: {options!r} ({error})") from error
        self.timeout, self.memory = float(timeout), int(float(memory) * 2**30)
        self.info = SystemInfo(
            name="foreign",
            version=file_digest(self.adapter)[:12],
            summary=f"{self.adapter.stem}, in its own environment",
            settings={"adapter": self.adapter.stem, "options": json.dumps(self.options, sort_keys=True)},
        )

    def make_host(self, folder: Path, device: str) -> Host:
        """Its interpreter with your adapter."""
        job = {"options": self.options, "device": device, "source": str(self.adapter.parent)}
        threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        return Host(self.python, self.adapter, folder, job, memory=self.memory, threads=threads)
