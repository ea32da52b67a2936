"""Systems, metrics and data sets by name, ours and other packages', found through entry points.

Nothing is imported before it is used. In a name ``-`` and ``_`` are one, so that names of earlier versions go on
working. A system or metric may also be a class in a file, ``my_system.py:Mine``, without any package. Otherwise a
plugin is a package with an entry point in one of the groups ``dubbench.systems``, ``dubbench.metrics``,
``dubbench.datasets``, ``dubbench.commands`` (see ``docs/adding-a-system.md``).
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from dubbench.core.spec import Spec, parse_spec
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.digests import file_digest
from dubbench.runtime.spelling import did_you_mean
from dubbench.runtime.time_limit import within

Group = Literal["systems", "metrics", "datasets", "commands"]


@cache
def _entries(group: Group) -> dict[str, EntryPoint]:
    """Name -> entry point.

    Raises:
        DubbenchError: two packages register one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=f"dubbench.{group}"), key=lambda e: (e.name, e.value)):
        other = found.get(entry.name)
        if other is not None and other.value != entry.value:
            raise DubbenchError(
                f"{group[:-1]} {entry.name!r} is registered twice: by {_package(other)} ({other.value}) and by "
                f"{_package(entry)} ({entry.value}); uninstall one of them"
            )
        found[entry.name] = entry
    return found


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"


def names(group: Group) -> list[str]:
    """All registered names, sorted; nothing is imported."""
    return list(_entries(group))


def registered(group: Group, name: str) -> str:
    """The name as it is registered, of one that may be written with ``-`` for ``_``; ``FILE.py:CLASS`` stays.

    Raises:
        DubbenchError: unknown name, with the one that was probably meant.
    """
    return name if in_file(name) else _find(group, name).name


def registered_system(spec: Spec) -> Spec:
    """The spec with the registered names of its system and of the one that it wraps, if any.

    Raises:
        DubbenchError: unknown name, or a plugin that fails on import.
    """
    args = list(spec.args)
    if args and getattr(factory("systems", spec.name), "wraps", False):
        args[0] = registered_system(args[0] if isinstance(args[0], Spec) else parse_spec(str(args[0])))
    return replace(spec, name=registered("systems", spec.name), args=tuple(args))


def origin(group: Group, name: str) -> str:
    """``package: module:attribute`` behind a name; a class in a file is its own origin."""
    if in_file(name):
        return name
    entry = _find(group, name)
    return f"{_package(entry)}: {entry.value}"


def factory(group: Group, name: str) -> Any:
    """The class or function behind a name, imported now.

    Raises:
        DubbenchError: unknown name (with what was probably meant), or a plugin that fails on import.
    """
    if in_file(name):
        return _from_file(name)
    entry = _find(group, name)
    what = f"{group[:-1]} {name!r} from {_package(entry)} ({entry.value}) cannot be imported"
    try:
        with within(what):
            return entry.load()
    except DubbenchError as error:
        raise error if str(error).startswith(what) else DubbenchError(f"{what}: {error}") from error
    except (Exception, SystemExit) as error:
        raise DubbenchError(f"{what}: {one_line(error)}") from error


def _find(group: Group, name: str) -> EntryPoint:
    entries = _entries(group)
    for known in (name, name.replace("-", "_"), name.replace("_", "-")):
        if known in entries:
            return entries[known]
    hint = did_you_mean(name, entries)
    raise DubbenchError(f"no {group[:-1]} named {name!r}{hint} (dubbench {_VERB[group]} lists them)")


def in_file(name: str) -> Path | None:
    """The file of ``FILE.py:CLASS``; None for a registered name."""
    file, mark, _ = name.rpartition(":")
    return Path(file).expanduser() if mark and file.endswith(".py") else None


@cache
def _from_file(name: str) -> Any:
    path, attribute = Path(name.rpartition(":")[0]).expanduser(), name.rpartition(":")[2]
    if not path.is_file():
        raise DubbenchError(f"{path}: no such file; write FILE.py:CLASS with the path from here")
    what = f"{path} cannot be imported"
    module_name = f"dubbench_file_{path.stem}_{file_digest(path)[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise DubbenchError(what)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        with within(what):
            spec.loader.exec_module(module)
    except DubbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise DubbenchError(f"{what}: {one_line(error)}") from error
    if not hasattr(module, attribute):
        there = [n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module_name]
        raise DubbenchError(f"{path} has no {attribute!r}; it has {', '.join(there) or 'no class'}")
    return getattr(module, attribute)


_VERB = {"systems": "systems", "metrics": "metrics", "datasets": "data list", "commands": "--help"}


def assets_of(name: str) -> tuple[str, ...]:
    """Names of the weights that a metric, given as a spec, loads, as its class states them.

    Raises:
        DubbenchError: unknown name, or a plugin that cannot be imported.
    """
    return tuple(getattr(factory("metrics", parse_spec(name).name), "assets", ()))
