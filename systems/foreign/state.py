"""The state of a foreign system on this machine, with the exact path at which each missing part is expected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dubbench.errors import DubbenchError
from dubbench.runtime.cache_dir import cache_dir
from dubbench.runtime.digests import file_digest
from dubbench.weights.catalogue import asset, asset_digest, asset_path, folder_of, have

from .clone import find_clone
from .environment import choose, environment_dir, interpreter
from .host import SHIM
from .recipe import ADAPTERS, Environment, Recipe, Weight


@dataclass(frozen=True, slots=True)
class Ready:
    """A system that can be started.

    Attributes:
        source: its clone. python: its interpreter. environment: which of its environments.
        weights: role -> file; empty for untrained networks. digests: role -> sha256.
        version: digest of what of ours drives it.
    """

    source: Path
    python: Path
    environment: Environment
    weights: dict[str, Path]
    digests: dict[str, str]
    version: str

    def random_folder(self, data: str) -> Path:
        """Where its untrained networks lie: another one for another adapter or lock."""
        return cache_dir() / "foreign" / "random" / f"{self.source.name}-{data or 'any'}-{self.version}"


def missing(recipe: Recipe, data: str, environment: str = "", random: bool = False) -> list[str]:
    """A line for everything that is missing, with what brings it; empty if the system can be started."""
    if recipe.reason:
        return [f"it cannot be run: {recipe.reason}"]
    lines: list[str] = []
    try:
        find_clone(recipe)
    except DubbenchError as error:
        lines.append(str(error).removeprefix(f"{recipe.name}: "))
    chosen = choose(recipe, environment)
    if interpreter(chosen) is None:
        place = environment_dir(chosen)
        half = "half built" if place.is_dir() else "not there"
        lines.append(f"environment {chosen.name} is {half} ({place}); dubbench setup {recipe.name} makes it")
    if not random:
        lines += [line for weight in recipe.weights_for(data) if (line := _lacks(recipe, weight))]
    return lines


def _lacks(recipe: Recipe, weight: Weight) -> str:
    if weight.asset:
        if have(weight.asset):
            return ""
        item = asset(weight.asset)
        return (
            f"weights {weight.role}: {folder_of(item) / item.file} is not there; get {item.address}, then: "
            f"dubbench assets import FILE --as {item.name}"
        )
    try:
        place = find_clone(recipe) / weight.path
    except DubbenchError:
        return ""  # told already
    if place.is_file():
        return ""
    return f"weights {weight.role}: {place} is not there; git -C {place.parent} checkout -- {place.name}"


def ready(recipe: Recipe, data: str, environment: str = "", random: bool = False) -> Ready:
    """The system, ready to be started.

    Raises:
        DubbenchError: it cannot be run, or something is missing: one line with the first, and the command.
    """
    lacks = missing(recipe, data, environment, random)
    if lacks:
        more = f" (and {len(lacks) - 1} more: dubbench doctor {recipe.name})" if len(lacks) > 1 else ""
        setup = "" if recipe.reason or "dubbench setup" in lacks[0] else f"; see: dubbench setup {recipe.name}"
        name = "" if lacks[0].startswith(recipe.name) else f"{recipe.name}: "
        raise DubbenchError(f"{name}{lacks[0]}{setup}{more}")
    chosen = choose(recipe, environment)
    python = interpreter(chosen)
    assert python is not None
    source = find_clone(recipe)
    weights: dict[str, Path] = {}
    digests: dict[str, str] = {}
    for weight in () if random else recipe.weights_for(data):
        weights[weight.role] = asset_path(weight.asset) if weight.asset else source / weight.path
        digests[weight.role] = asset_digest(weight.asset) if weight.asset else file_digest(weights[weight.role])
    return Ready(source, python, chosen, weights, digests, _version(recipe))


def _version(recipe: Recipe) -> str:
    """Changes with the adapter, what it shares with others, and the shim."""
    from dubbench.runtime.digests import digest

    return digest([file_digest(path) for path in (recipe.adapter, ADAPTERS / "common.py", SHIM)])[:12]


def one_line_state(recipe: Recipe) -> str:
    """``ready``; why it is only listed; or what is missing."""
    if recipe.reason:
        return f"listed only: {recipe.reason}"
    data = recipe.data[0] if recipe.data else ""
    lacks = missing(recipe, data)
    if not lacks:
        return "ready"
    if not missing(recipe, data, random=True):
        return f"runs untrained (weights=random); weights to fetch by hand: dubbench doctor {recipe.name}"
    return f"not set up: dubbench setup {recipe.name}"


def report(recipe: Recipe) -> dict[str, Any]:
    """Everything about a system, for ``dubbench systems NAME``."""
    row: dict[str, Any] = recipe.model_dump()
    row["state"] = one_line_state(recipe)
    row["environments"] = [
        f"{e.name}: Python {e.python}, {e.lock}, {'here' if interpreter(e) else 'not made'}"
        + (f"; differs: {'; '.join(e.differences)}" if e.differences else "")
        for e in recipe.environments
    ]
    row["weights"] = [_told(recipe, weight) for weight in recipe.weights]
    row["features"] = [f"{f.name}{': ' + ' or '.join(f.files) if f.files else ''}" for f in recipe.features]
    row["missing"] = [] if recipe.reason else missing(recipe, recipe.data[0] if recipe.data else "")
    return row


def _told(recipe: Recipe, weight: Weight) -> str:
    of = f" ({weight.data})" if weight.data else ""
    if not weight.asset:
        return f"{weight.role}{of}: {weight.path} of the clone"
    item = asset(weight.asset)
    here = "here" if have(weight.asset) else "not here"
    return f"{weight.role}{of}: {item.name}, {here}, {item.address}, {item.licence}"


def doctor_rows(recipe: Recipe) -> list[dict[str, str]]:
    """Rows for ``dubbench doctor NAME``: one for each thing that is missing, for every data set it has weights of."""
    if recipe.reason:
        return [{"part": recipe.name, "state": f"listed only: {recipe.reason}", "remedy": ""}]
    lines = {line: None for data in recipe.data or ("",) for line in missing(recipe, data)}
    rows = []
    for line in lines:
        what, _, remedy = line.rpartition("; ")
        rows.append({"part": recipe.name, "state": what or line, "remedy": remedy})
    return rows or [{"part": recipe.name, "state": "ok", "remedy": ""}]
