"""The authors' repository: found, or cloned at the pinned commit, and never edited."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir

from .recipe import Recipe

SOURCES = "DUBBENCH_SOURCES"
"""Environment variable: a folder of clones, each named as its repository."""


def sources_dir() -> Path:
    """Where clones lie: ``$DUBBENCH_SOURCES``, else ``sources`` in the cache folder (not created here)."""
    override = os.environ.get(SOURCES)
    return Path(override).expanduser() if override else cache_dir() / "sources"


def find_clone(recipe: Recipe) -> Path:
    """The checked clone of a system.

    Raises:
        DubbenchError: absent, no git clone, at another commit, or edited; with what mends it.
    """
    place = sources_dir() / recipe.folder
    if not (place / ".git").exists():
        raise DubbenchError(
            f"{recipe.name}: no clone of {recipe.repository} at {place}; dubbench setup {recipe.name} brings it"
        )
    head = _git(place, "rev-parse", "HEAD").strip()
    if not head.startswith(recipe.commit):
        raise DubbenchError(
            f"{recipe.name}: {place} is at commit {head[:7] or 'unknown'}, and the adapter was proven with "
            f"{recipe.commit}; git -C {place} checkout {recipe.commit}"
        )
    changed = _git(place, "diff", "--name-only", "--diff-filter=d", "HEAD").split("\n")
    if edited := [name for name in changed if name]:
        more = f" and {len(edited) - 1} more" if len(edited) > 1 else ""
        raise DubbenchError(
            f"{recipe.name}: {place / edited[0]}{more}: edited; a clone is used as published: git -C {place} stash"
        )
    return place


def make_clone(recipe: Recipe, say: Callable[[str], object]) -> Path:
    """The clone, made if it is not there.

    Raises:
        DubbenchError: git is not there, the repository cannot be reached, or what is there is not as it should be.
    """
    place = sources_dir() / recipe.folder
    if (place / ".git").exists():
        return find_clone(recipe)
    if shutil.which("git") is None:
        raise DubbenchError("git is not installed; clones are made with it")
    if place.exists() and any(place.iterdir()):
        raise DubbenchError(f"{place}: not a git clone; move it away, or set {SOURCES} to another folder")
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_name(f".{place.name}.half")
    shutil.rmtree(half, ignore_errors=True)  # of a set-up that broke off
    say(f"{recipe.name}: cloning {recipe.address} at {recipe.commit}")
    try:
        for command in (
            ("clone", "--quiet", "--no-checkout", recipe.address, str(half)),
            ("-C", str(half), "checkout", "--quiet", recipe.commit),
        ):
            done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
            if done.returncode:
                why = " ".join(done.stderr.split())[-200:]
                raise DubbenchError(f"{recipe.name}: git {' '.join(command[:2])} failed: {why}; run it again later")
        half.replace(place)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return find_clone(recipe)


def _git(place: Path, *arguments: str) -> str:
    # Not the user's hooks or file monitors: a clone may come from anywhere.
    command = ["git", "-c", "core.fsmonitor=false", "-c", "safe.directory=*", "-C", str(place), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DubbenchError(f"{place}: git cannot read it ({' '.join(done.stderr.split())[:150]}); clone it again")
    return done.stdout
