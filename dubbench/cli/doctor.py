"""``dubbench doctor``: which parts work on this machine, and for each other one the command that repairs it."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, metadata, requires
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from dubbench.core.plugins import assets_of, factory, names, origin
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.components import make_metric
from dubbench.runtime.time_limit import within
from dubbench.weights.needs import OPTIONAL, examine_assets, lacking

Row = dict[str, Any]

_REMEDY = re.compile(r"pip install '[^']+'|dubbench assets fetch [^,;()]+|dubbench data download \w+")
UNSHOWN = ("all", "dev")
"""Extras that only name others, or are for work on dubbench itself."""
BY_CHOICE = ("whisper", "asr-offline", "mos", "figures", "listening", "cluster", "foreign", "docs")
"""Extras that the default run does without: for downloaded weights, metrics of no profile, or single commands."""


def examine() -> list[Row]:
    """One row a part: ``ok``, or what is missing and the command that brings it.

    What only metrics with downloaded weights or of no profile need is `OPTIONAL`: the profile ``offline`` and every
    system do without.
    """
    rows: list[Row] = []
    for extra in extras():
        absent = missing(extra)
        what = f"{OPTIONAL if extra in BY_CHOICE else ''}missing: {', '.join(absent)}"
        rows.append(
            _row(f"extra {extra}", what if absent else "", f"pip install 'dubbench[{extra}]'" if absent else "")
        )
    rows += examine_assets()
    for name in (n for n in names("metrics") if not lacking(n)):
        rows.append(_metric(name))
    for name in names("systems"):
        try:
            factory("systems", name)
            rows.append(_row(f"system {name}"))
        except DubbenchError as error:
            rows.append(_row(f"system {name}", str(error), _remedy(str(error), "systems", name)))
    return rows


def examine_system(name: str) -> list[Row]:
    """What one system lacks; a system that runs in an environment of its own says where each part is expected.

    Raises:
        DubbenchError: unknown, or not importable.
    """
    make = factory("systems", name)
    if hasattr(make, "lacks"):
        rows: list[Row] = make.lacks()
        return rows
    return [_row(f"system {name}")]


def healthy(rows: list[Row], strict: bool = False) -> bool:
    """Whether all works; what is optional may be missing, unless ``strict``."""
    return all(row["state"] == "ok" or (row["state"].startswith(OPTIONAL) and not strict) for row in rows)


def _metric(name: str) -> Row:
    """Whether a metric can be created and loaded."""
    try:
        metric = make_metric(name)
        with within(f"metric {name!r} cannot be loaded"):
            metric.load("cpu")
    except (Exception, SystemExit) as error:
        remedy = _remedy(str(error), "metrics", name)
        optional = remedy in (f"pip install 'dubbench[{extra}]'" for extra in BY_CHOICE)
        return _row(f"metric {name}", f"{OPTIONAL if optional else ''}{one_line(error)}", remedy)
    return _row(f"metric {name}")


def _remedy(error: str, group: Any, name: str) -> str:
    """The command that an error names, else the one that brings what the part needs."""
    found = _REMEDY.search(error)
    if found:
        return found.group().strip()
    try:
        package, _, where = origin(group, name).partition(": ")
    except DubbenchError:
        return ""
    weights = assets_of(name) if group == "metrics" else ()
    if weights and "No module named" not in error:  # here, else it would not be tried; but they do not load
        return f"dubbench assets verify {' '.join(weights)}; where it says ok, delete the folder and fetch it anew"
    if package == "dubbench":
        extra = "diflowdubber" if ".diflowdubber" in where else "metrics" if group == "metrics" else "toon"
        return f"pip install 'dubbench[{extra}]'"
    return f"see the documentation of the package {package}"


def _row(part: str, problem: str = "", remedy: str = "") -> Row:
    return {"part": part, "state": problem or "ok", "remedy": remedy}


def extras() -> list[str]:
    """The extras of dubbench that bring packages, as its own metadata names them."""
    return [name for name in metadata("dubbench").get_all("Provides-Extra") or [] if name not in UNSHOWN]


def missing(extra: str) -> list[str]:
    """The packages of an extra that are not installed, with those that they need in turn."""
    absent: dict[str, None] = {}
    _look("dubbench", extra, "", absent, set())
    return list(absent)


def _look(package: str, extra: str, path: str, absent: dict[str, None], seen: set[tuple[str, str]]) -> None:
    """Follow what ``package`` requires: unconditionally, or for ``extra`` (then only that, for dubbench itself)."""
    if (package.lower(), extra) in seen:
        return
    seen.add((package.lower(), extra))
    for line in requires(package) or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:  # old packages have such lines; pip warns of them
            continue
        name, marker = requirement.name, requirement.marker
        always = marker is None or marker.evaluate({"extra": ""})
        of_extra = not always and marker is not None and marker.evaluate({"extra": extra})
        if not (of_extra if package == "dubbench" else always):
            continue
        if name == "dubbench":
            for part in sorted(requirement.extras):
                _look("dubbench", part, path, absent, seen)
            continue
        try:
            distribution(name)
        except PackageNotFoundError:
            absent[f"{name} (of {path})" if path else name] = None
            continue
        _look(name, "", path or name, absent, seen)
