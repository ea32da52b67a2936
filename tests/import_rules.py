"""Hold the import rules of pyproject.toml, and that the checker sees every module: ``python tests/import_rules.py``.

A layout that hides a room from the checker would pass every rule unseen, so the number of modules is compared first.
A folder of scripts has no ``__init__.py`` and is no room.
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Exit status: 0 if the rules hold."""
    rooms = [ROOT / "dubbench", *(ROOT / name for name in ("systems", "metrics", "leaderboards"))]
    there = sum((path.parent / "__init__.py").is_file() for room in rooms for path in room.rglob("*.py"))
    seen = len(grimp.build_graph("dubbench", cache_dir=None).modules)
    if seen != there:
        print(f"the import checker sees {seen} of {there} modules; is a folder without __init__.py, or a link missing?")
        return 1
    return int(lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True))


if __name__ == "__main__":
    sys.exit(main())
