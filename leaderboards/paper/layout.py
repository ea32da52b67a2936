"""The layout of a paper's table: panels of columns under settings side by side, and blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

MAIN = ("LSE-C", "LSE-D", "WER", "SECS", "MOS-S", "UTMOS")
"""Columns of the paper's Tables 1, 2 and, without MOS-S, 4. Only a column of exactly that name stands there."""

PROSODY = ("FFE", "GPE", "VDE", "Emo-SIM")
"""Columns of Table 5."""

ARROW = {"up": "↑", "down": "↓", "none": ""}
WAYS = {**dict.fromkeys(("LSE-D", "WER", "FFE", "GPE", "VDE"), "down"), "RTF": "down"}
"""Direction of the paper's columns that no run measured; the others go up."""

Kind = Literal["main", "nfe", "prosody"]


@dataclass(frozen=True, slots=True)
class Head:
    """A column. ``signature`` and ``profile`` are empty where no run measured it."""

    name: str
    direction: Literal["up", "down", "none"] = "up"
    unit: str = ""
    signature: str = ""

    @property
    def arrow(self) -> str:
        """↑, ↓ or nothing."""
        return ARROW[self.direction]


@dataclass(frozen=True, slots=True)
class Group:
    """Columns under one setting."""

    setting: str
    heads: tuple[Head, ...]

    @property
    def title(self) -> str:
        """As the paper heads it."""
        return f"Setting {self.setting}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: the number as printed; empty where the system was not tested or the column not measured.
        value, low, high: on the printed scale; ``low`` and ``high`` are None without an interval.
        n, total: clips that are scored, of how many; 0 for published numbers.
        mark: ``best`` or ``second`` among the systems that rank; empty for controls and published numbers.
        tied: cannot be told apart from the best.
    """

    text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    total: int = 0
    mark: Literal["", "best", "second"] = ""
    tied: bool = False


NOTHING = Cell()


@dataclass(frozen=True, slots=True)
class Row:
    """One system.

    Attributes:
        name: as shown. lead: cells before the first group, as `Panel.lead` heads them.
        cells: one a column of all groups, in their order.
        trained_on: the data that it declares. seen: the flag that follows from it (`training.Seen`).
        source: where a published row stands; empty for a measured one.
    """

    name: str
    cells: tuple[Cell, ...]
    lead: tuple[str, ...] = ()
    trained_on: str = ""
    seen: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows under a rule. ``title`` is empty for the ground truth and the systems."""

    rows: tuple[Row, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One grid of numbers."""

    groups: tuple[Group, ...]
    blocks: tuple[Block, ...]
    title: str = ""
    lead: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[Head, ...]:
        """All columns."""
        return tuple(head for group in self.groups for head in group.heads)

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows."""
        return tuple(row for block in self.blocks for row in block.rows)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the paper.

    Attributes:
        kind: ``main`` (Tables 1, 2), ``nfe`` (4) or ``prosody`` (5).
        name: of its file and label: letters, digits and hyphens.
        caption: sentences. notes: lines below the table (recipes, what could not be shown, and why).
    """

    kind: Kind
    name: str
    caption: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = field(default=())


def marked(rows: tuple[Row, ...], heads: tuple[Head, ...], ranked: tuple[tuple[bool, ...], ...]) -> tuple[Row, ...]:
    """The best and the second-best value of each column marked, as printed: equal digits are equally good.

    Args:
        rows: measured systems. heads: of their cells.
        ranked: a row for each of ``rows``, True for each cell that may rank.
    """
    marks: dict[tuple[int, int], Literal["best", "second"]] = {}
    for c, head in enumerate(heads):
        found = {r: float(rows[r].cells[c].text) for r in range(len(rows)) if ranked[r][c] and rows[r].cells[c].text}
        if head.direction == "none" or len(found) < 2:
            continue
        order = sorted(set(found.values()), reverse=head.direction == "up")
        marks |= {(r, c): "best" for r, x in found.items() if x == order[0]}
        marks |= {(r, c): "second" for r, x in found.items() if len(order) > 1 and x == order[1]}
    return tuple(
        replace(row, cells=tuple(replace(cell, mark=marks.get((r, c), "")) for c, cell in enumerate(row.cells)))
        for r, row in enumerate(rows)
    )


def records(tables: tuple[Table, ...]) -> Iterator[dict[str, str | float | int | bool | None]]:
    """A flat row for every cell that holds a number, in the order of the tables: for CSV, parquet and pandas."""
    for table in tables:
        for number, panel in enumerate(table.panels):
            for block in panel.blocks:
                for row in block.rows:
                    at = iter(row.cells)
                    for group in panel.groups:
                        for head in group.heads:
                            cell = next(at)
                            if not cell.text:
                                continue
                            yield {
                                **{"table": table.name, "kind": table.kind, "panel": panel.title or str(number + 1)},
                                **{"block": block.title, "system": row.name, "setting": group.setting},
                                **dict(zip(("params", "nfe", "rtf"), row.lead, strict=False)),
                                **{"column": head.name, "direction": head.direction, "unit": head.unit},
                                **{"text": cell.text, "value": cell.value, "ci_low": cell.low, "ci_high": cell.high},
                                **{"n_scored": cell.n, "n_total": cell.total, "mark": cell.mark, "tied": cell.tied},
                                **{"trained_on": row.trained_on, "seen": row.seen, "source": row.source},
                                "signature": "" if row.source else head.signature,
                            }
