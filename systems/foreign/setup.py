"""``dubbench setup NAME``: clone, environment, weights. Each step is skipped where it is done; the rest is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dubbench.errors import DubbenchError
from dubbench.runtime.download import Remote, fetch, offline
from dubbench.weights.catalogue import Asset, asset, folder_of, have
from dubbench.weights.importing import take

from .clone import make_clone
from .environment import choose, make_environment
from .recipe import Recipe

Say = Callable[[str], object]
_DRIVE = re.compile(r"https://drive\.google\.com/file/d/([\w-]+)")


def set_up(recipe: Recipe, environment: str, weights: bool, say: Say) -> list[str]:
    """Bring what can be brought; a line for each thing that must be brought by hand.

    Args:
        recipe: the system.
        environment: which of its environments; empty for the first whose Python can be had.
        weights: whether to fetch weights, too.
        say: told of each step.

    Raises:
        DubbenchError: it cannot be run at all, or the clone or the environment cannot be made.
    """
    if recipe.reason:
        raise DubbenchError(f"{recipe.name} cannot be set up: {recipe.reason}")
    source = make_clone(recipe, say)
    say(f"{recipe.name}: clone of {recipe.repository} at {recipe.commit}: {source}")
    _environment(recipe, environment, say)
    left: list[str] = []
    for weight in recipe.weights:
        if weight.path:
            path = source / weight.path
            if not path.is_file():
                left.append(f"{weight.role}: {path} is not in the clone; git -C {source} checkout -- {weight.path}")
            continue
        item = asset(weight.asset)
        if have(item.name):
            say(f"{recipe.name}: {item.name} is here")
            continue
        problem = bring(item, say) if weights else "not asked for"
        if problem:
            left.append(
                f"{item.name}: {problem}; get {item.address} with a browser, then: dubbench assets import "
                f"{item.file} --as {item.name}"
            )
    return left


def _environment(recipe: Recipe, wanted: str, say: Say) -> None:
    """The first environment that can be made."""
    if wanted:
        make_environment(recipe, choose(recipe, wanted), say)
        return
    problems = []
    chosen = choose(recipe)
    for environment in [chosen, *(e for e in recipe.environments if e != chosen)]:
        try:
            make_environment(recipe, environment, say)
            return
        except DubbenchError as error:
            say(str(error))
            problems.append(str(error))
    raise DubbenchError(problems[-1])


def bring(item: Asset, say: Say) -> str:
    """Fetch a weight from where it is published; why it could not be, or "".

    A page in place of the file (a drive over its quota, a page to log in) is known by its first bytes, and dropped.
    """
    if offline():
        return "DUBBENCH_OFFLINE is set"
    if "/folders/" in item.address or urlsplit(item.address).netloc == "github.com":
        return "published as a folder, which cannot be fetched as a file"
    target = folder_of(item) / "fetched" / item.file
    try:
        fetch(Remote(item.file, direct(item.address), item.size, digest=f"sha256:{item.sha256}" if item.sha256 else ""),
              target)  # fmt: skip
    except DubbenchError as error:
        return str(error)
    problem = a_page(target)
    if problem:
        target.unlink()
        return problem
    try:
        take(target, item.name, say=say)
    except DubbenchError as error:
        return str(error)
    target.unlink()
    return ""


def direct(address: str) -> str:
    """A drive's page of a file as the address of its bytes; other addresses as they are."""
    match = _DRIVE.match(address)
    if not match:
        return address
    return f"https://drive.usercontent.google.com/download?id={match[1]}&export=download&confirm=t"


def a_page(path: Path) -> str:
    """Why a file is a web page and no weights; "" if it is not."""
    with path.open("rb") as file:
        head = file.read(4096).lstrip().lower()
    if not head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return ""
    quota = b"quota" in head or b"too many users" in head
    return f"a web page came instead of {path.name}" + (
        " (the drive's quota is used up; try tomorrow)" if quota else ""
    )
