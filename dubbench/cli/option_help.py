"""The options of a system or metric, read from its constructor and the ``Args:`` of its docstring."""

from __future__ import annotations

import inspect
import re
from typing import Any

from dubbench.pipeline.components import options_of


def option_rows(make: Any) -> list[str]:
    """A line an option: name, type, default, meaning.

    Args:
        make: a class or function whose docstring has an ``Args:`` section.
    """
    meanings = _meanings(inspect.getdoc(make) or "") | _meanings(inspect.getdoc(getattr(make, "__init__", None)) or "")
    rows = []
    for name, parameter in (options_of(make) or {}).items():
        kind = "" if parameter.annotation is parameter.empty else f" ({_plain(parameter.annotation)})"
        default = "required" if parameter.default is parameter.empty else f"default {parameter.default!r}"
        meaning = meanings.get(name, "")
        rows.append(f"{name}{kind}, {default}" + (f": {meaning}" if meaning else ""))
    return rows


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _meanings(text: str) -> dict[str, str]:
    """Argument -> what the docstring says of it, in one line."""
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", text + "\n", re.MULTILINE)
    found: dict[str, str] = {}
    name = ""
    for line in section[1].splitlines() if section else []:
        entry = re.match(r" {4}(\w+): *(.*)", line)
        if entry:
            name = entry[1]
            found[name] = entry[2].strip()
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
