"""People's votes as a table: of ``dubbench mos analyse``, or anybody's with the columns ``system`` and ``score``."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from dubbench.errors import DubbenchError


@dataclass(frozen=True, slots=True)
class Opinion:
    """A vote for a system. ``clip`` and ``listener`` are empty where the table does not tell them."""

    column: str
    system: str
    clip: str
    listener: str
    score: float


def read_opinions(path: Path) -> tuple[list[Opinion], list[str]]:
    """The rows of a CSV, and a line for what is not read.

    Columns: ``system`` and ``score`` (or ``value``, ``mos``); ``clip``, ``listener``, ``column`` where there are such.
    With ``against`` a row is a comparison, and both systems get a vote of opposite sign. Rows with ``kept`` 0 or
    ``repeat`` 1 are left out.

    Raises:
        DubbenchError: no such table.
    """
    if not path.is_file():
        raise DubbenchError(f"{path}: no such file; give votes.csv of dubbench mos analyse, or a table of your own")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    head = set(rows[0]) if rows else set()
    score = next((name for name in ("score", "value", "mos", "MOS") if name in head), "")
    if "system" not in head or not score:
        raise DubbenchError(f"{path}: a table of votes has the columns system and score (and clip, listener, column)")
    out, bad = [], []
    for number, row in enumerate(rows, 2):
        if row.get("kept") == "0" or row.get("repeat") == "1":
            continue
        try:
            value = float(row[score])
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value) or not row["system"]:
            bad.append(number)
            continue
        told = (row.get("column") or "votes", row.get("clip") or "", row.get("listener") or "")
        out.append(Opinion(told[0], row["system"], told[1], told[2], value))
        if row.get("against"):
            out.append(Opinion(told[0], row["against"], told[1], told[2], -value))
    if not out:
        raise DubbenchError(f"{path}: no row with a system and a score")
    return out, [f"{path.name}: {len(bad)} rows without a system or score are left out (line {bad[0]})"] if bad else []
