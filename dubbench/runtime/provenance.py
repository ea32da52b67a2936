"""The provenance of a number: code, packages, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.version import __version__


def code() -> dict[str, str]:
    """Version of dubbench and, in a git checkout, its commit and whether files were changed (``dirty``)."""
    found = {"dubbench": __version__, "python": platform.python_version()}
    folder = Path(__file__).resolve().parents[1]
    if (folder.parent / ".git").exists():
        commit = _git(folder, "rev-parse", "HEAD")
        if commit:
            found["commit"] = commit
            found["dirty"] = "yes" if _changed(folder.parent) else "no"
    return found


def _changed(root: Path) -> bool:
    """Whether tracked files were changed, or source files are there that git does not know."""
    if _git(root, "status", "--porcelain", "--untracked-files=no"):
        return True
    sources = ("dubbench", "systems", "metrics", "leaderboards")
    return bool(_git(root, "ls-files", "--others", "--exclude-standard", "--", *sources))


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def packages() -> dict[str, str]:
    """Name -> version of everything installed beside us: what a metric imports may change its numbers."""
    return dict(sorted((d.metadata["Name"], d.version) for d in distributions() if d.metadata["Name"]))


@cache
def package_version(name: str, extra: str = "metrics") -> str:
    """Version of an installed distribution (the name that pip knows), without its build (``2.13.0``, not
    ``2.13.0+cpu``): the embedded metrics run on the CPU in every build, and on a GPU the others differ by rounding.

    Raises:
        DubbenchError: it is not installed; ``extra`` brings it.
    """
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError as error:
        raise DubbenchError(
            f"the package {name!r} is not installed; pip install 'dubbench[{extra}]' brings it"
        ) from error


def versions(*names: str, extra: str = "metrics") -> dict[str, str]:
    """Name -> version, for recipes: of packages that may change a number, and of no others.

    Raises:
        DubbenchError: one is not installed; ``extra`` brings it.
    """
    return {name: package_version(name, extra) for name in names}


def hardware(device: str) -> dict[str, str]:
    """Processor, cores, memory and the accelerator in use: the hardware class of RTF."""
    found = {"machine": platform.machine(), "cpu": _cpu(), "cores": str(os.cpu_count() or 0), "memory": _memory()}
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(device)
    return {**found, "device": device}


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"
