"""A Python and packages for a foreign system, made with uv from a lock that dubbench ships."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.digests import file_digest

from .recipe import ADAPTERS, Environment, Recipe

READY = "dubbench-ready"
"""Written last into an environment: one without it is half built."""


def environment_dir(environment: Environment) -> Path:
    """Where it lies: named after its Python and its lock, so that systems with one lock share it."""
    digest = file_digest(ADAPTERS / environment.lock)[:12]
    return cache_dir() / "foreign" / "environments" / f"python{environment.python}-{digest}"


def interpreter(environment: Environment) -> Path | None:
    """Its Python, if it is there and whole."""
    place = environment_dir(environment)
    python = place / "bin" / "python"
    return python if (place / READY).is_file() and python.exists() else None


def choose(recipe: Recipe, wanted: str = "") -> Environment:
    """The environment of that name; without one, the first that is here, else the first whose Python can be had.

    Raises:
        DubbenchError: no environment of that name.
    """
    by_name = {environment.name: environment for environment in recipe.environments}
    if wanted:
        if wanted not in by_name:
            raise DubbenchError(f"{recipe.name}: no environment {wanted!r}; it has {', '.join(by_name)}")
        return by_name[wanted]
    here = [e for e in recipe.environments if interpreter(e)]
    return here[0] if here else recipe.environments[0]


def make_environment(recipe: Recipe, environment: Environment, say: Callable[[str], object]) -> Path:
    """Its Python, made if it is not there; one that broke off is gone on with (what was downloaded is kept by uv).

    Raises:
        DubbenchError: uv or the Python cannot be had, a package cannot be fetched, or the disk is full.
    """
    found = interpreter(environment)
    if found:
        return found
    place = environment_dir(environment)
    uv = find_uv()
    place.parent.mkdir(parents=True, exist_ok=True)
    say(f"{recipe.name}: environment {environment.name} (Python {environment.python}) in {place}")
    if not (place / "bin" / "python").exists():
        done = _run([uv, "venv", "--quiet", "--clear", "--python", environment.python, str(place)])
        if done.returncode:
            others = [e.name for e in recipe.environments if e.name != environment.name]
            hint = f", or dubbench setup {recipe.name} --environment {others[0]}" if others else ""
            raise DubbenchError(
                f"{recipe.name}: Python {environment.python} cannot be had ({_last(done.stderr)}); install it{hint}"
            )
    lock = str(ADAPTERS / environment.lock)
    done = _run([uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), "-r", lock])
    if done.returncode:
        if "No space left" in done.stderr:
            raise DubbenchError(f"{place}: the disk is full; make room, then the same command goes on")
        raise DubbenchError(
            f"{recipe.name}: packages of {environment.lock} cannot be installed ({_last(done.stderr)}); "
            "the same command goes on where it was"
        )
    for extra in environment.extra:
        _bring_extra(recipe, place, extra, say)
    (place / READY).write_text(f"{environment.lock}\n", "utf-8")
    return place / "bin" / "python"


def _bring_extra(recipe: Recipe, place: Path, extra: str, say: Callable[[str], object]) -> None:
    """``nltk:NAME``: data of nltk into the environment; without network the adapter says what it does without."""
    name = extra.partition(":")[2]
    command = [str(place / "bin" / "python"), "-m", "nltk.downloader", "-q", "-d", str(place / "nltk_data"), name]
    if _run(command).returncode or not (place / "nltk_data").is_dir():
        say(f"{recipe.name}: nltk's {name} cannot be fetched; by hand: {' '.join(command)}")


def find_uv() -> str:
    """The program uv: of this environment, or of the system.

    Raises:
        DubbenchError: there is none.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise DubbenchError("uv is not installed, and makes the environments of other systems; pip install uv")
    return found


_PIP = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}
"""Settings of pip -> uv's names for them: mirrors are usually set up for pip alone."""


def pip_settings() -> dict[str, str]:
    """The mirrors and wheel folders that pip is set up with, as uv's variables; those set for uv itself win."""
    done = _run([sys.executable, "-m", "pip", "config", "list"], translate=False)
    found: dict[str, str] = {}
    for line in sorted(done.stdout.splitlines(), key=lambda line: not line.startswith(":env:")):  # as pip ranks them
        key, _, value = line.partition("=")
        name = _PIP.get(key.strip(":").rpartition(".")[2])
        if name and name not in os.environ and name not in found:
            values = [word for word in value.strip().strip("'\"").split() if not _absent(word)]
            if values:
                found[name] = (" " if name == "UV_INDEX" else ",").join(values)
    if "UV_INDEX" in found and "UV_INDEX_STRATEGY" not in os.environ:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip takes its indexes: all alike
    return found


def _absent(word: str) -> bool:
    path = word.removeprefix("file://")
    return path.startswith("/") and not Path(path).is_dir()


def _run(command: Sequence[str], translate: bool = True) -> subprocess.CompletedProcess[str]:
    extra = pip_settings() if translate else {}
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **extra})


def _last(text: str) -> str:
    """What uv complained about, on one line."""
    lines = " ".join(text.split())
    return lines[:300] if lines else "it said nothing"
