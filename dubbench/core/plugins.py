"""Systems, metrics and data sets by name, ours and other packages', found through entry points.

Nothing is imported before it is used. A plugin is a package with an entry point in one of the groups
``dubbench.systems``, ``dubbench.metrics``, ``dubbench.datasets``, ``dubbench.commands`` (see
``docs/adding-a-system.md``).
"""

from __future__ import annotations

import difflib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from dubbench.errors import DubbenchError, one_line
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


def origin(group: Group, name: str) -> str:
    """``package: module:attribute`` behind a name."""
    entry = _find(group, name)
    return f"{_package(entry)}: {entry.value}"


def factory(group: Group, name: str) -> Any:
    """The class or function behind a name, imported now.

    Raises:
        DubbenchError: unknown name (with what was probably meant), or a plugin that fails on import.
    """
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
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise DubbenchError(f"no {group[:-1]} named {name!r}{hint} (dubbench {_VERB[group]} lists them)")


_VERB = {"systems": "systems", "metrics": "metrics", "datasets": "data list", "commands": "--help"}


def assets_of(name: str) -> tuple[str, ...]:
    """Names of the weights that a metric loads, as its class states them.

    Raises:
        DubbenchError: unknown name, or a plugin that cannot be imported.
    """
    return tuple(getattr(factory("metrics", name), "assets", ()))
