"""A leaderboard of bundles: a board of all runs in a folder, with a page that says where each came from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from dubbench.errors import DubbenchError
from dubbench.leaderboards.board import write_board
from dubbench.leaderboards.submissions.unpack import Opened, unpack
from dubbench.leaderboards.table import csv_text
from dubbench.runtime.files import write_text

COLUMNS = ("bundle", "digest", "dataset", "split", "setting", "systems", "clips", "dubbench", "verified", "refused")

LINK = '<a href="table.md">table.md</a>'
"""After it, the board's page gets a link to the page of submissions."""


def gallery(folder: Path, out: Path, players: int = 0) -> tuple[Path, list[str]]:
    """Make the board of every ``*.zip`` in a folder, in the order of their names.

    ``NAME.zip.verified.json``, written by ``dubbench verify --out``, says that a bundle was checked; the one who keeps
    the folder answers for it.

    Returns:
        The board's page, and a line for each bundle that was refused.

    Raises:
        DubbenchError: no folder, no bundle in it, or none that can be used.
    """
    if not folder.is_dir():
        raise DubbenchError(f"{folder}: no such folder; give one with bundles, made by: dubbench bundle RUN")
    found = sorted(path for path in folder.iterdir() if path.suffix == ".zip")
    if not found:
        raise DubbenchError(f"{folder}: no bundle (*.zip) in it; make one with: dubbench bundle RUN")
    with tempfile.TemporaryDirectory() as place:
        opened: list[Opened] = []
        refused: dict[Path, str] = {}
        for number, path in enumerate(found):
            try:
                opened.append(unpack(path, _empty(Path(place) / str(number))))
            except DubbenchError as error:
                refused[path] = str(error).replace(str(path), path.name)
        if not opened:
            raise DubbenchError(f"{folder}: no bundle can be used; {'; '.join(refused.values())}")
        missing = [f"refused: {why}" for why in refused.values()]
        page = write_board([one.run for one in opened], out, players, missing)
    rows = list(_rows(found, opened, refused))
    write_text(out / "submissions.csv", csv_text(COLUMNS, (tuple(row[name] for name in COLUMNS) for row in rows)))
    write_text(out / "submissions.html", _html(rows))
    text = page.read_text(encoding="utf-8")
    write_text(page, text.replace(LINK, f'{LINK}<a href="submissions.html">submissions</a>', 1))
    return page, list(refused.values())


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _rows(found: Sequence[Path], opened: Sequence[Opened], refused: dict[Path, str]) -> Iterator[dict[str, str]]:
    by_path = {one.bundle: one for one in opened}
    for path in found:
        row = dict.fromkeys(COLUMNS, "") | {"bundle": path.name, "refused": refused.get(path, "")}
        if one := by_path.get(path):
            told = one.run.manifest
            row |= {
                "digest": one.contents.digest,
                "dataset": told.dataset,
                "split": told.split,
                "setting": told.setting,
                "systems": ", ".join(told.systems),
                "clips": str(len(told.clips)),
                "dubbench": told.code.get("dubbench", one.contents.dubbench),
                "verified": _verified(path, one.contents.digest),
            }
        yield row


def _verified(path: Path, digest: str) -> str:
    """What a report beside the bundle says, in a few words; ``no`` without one."""
    file = path.with_name(f"{path.name}.verified.json")
    if not file.is_file():
        return "no"
    try:
        told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if told["bundle"] != digest:
            return "no (the report is of another bundle)"
        if told["verdict"] != "holds":
            return {"fails": "does not hold", "unchecked": "no number could be checked"}[told["verdict"]]
        return f"holds: {int(told['compared'])} numbers of {len(told['clips'])} clips"
    except (OSError, ValueError, KeyError, TypeError):
        return "no (the report cannot be read)"


def _html(rows: Sequence[dict[str, str]]) -> str:
    from jinja2 import Environment

    source = files("dubbench.leaderboards") / "html"
    template = (source / "submissions.html").read_text(encoding="utf-8")
    style = (source / "style.css").read_text(encoding="utf-8")
    return (
        Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        .from_string(template)
        .render(rows=rows, style=style)
    )
