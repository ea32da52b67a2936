"""Published numbers as blocks of a table: under measured rows, by source, never ranked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from dubbench.leaderboards.paper.layout import (
    MAIN,
    NOTHING,
    PROSODY,
    WAYS,
    Block,
    Cell,
    Group,
    Head,
    Kind,
    Panel,
    Row,
    Table,
)
from dubbench.leaderboards.paper.training import explained
from dubbench.leaderboards.published.rows import TRUTH, Published, Source

TITLES: dict[Kind, str] = {"main": "Results", "nfe": "Number of function evaluations", "prosody": "Prosody and emotion"}


@dataclass(frozen=True)
class Printed:
    """Published numbers to be shown; none by default."""

    numbers: Sequence[Published] = ()

    def has(self, dataset: str, setting: str, column: str) -> bool:
        """Whether any source prints that column."""
        return any((n.dataset, n.setting, n.column) == (dataset.lower(), setting, column) for n in self.numbers)

    def blocks(self, dataset: str, groups: Sequence[Group]) -> Iterator[Block]:
        """A block a source that prints any of the columns for a whole system, ground truth first."""
        for source, own in self._by_source(dataset).items():
            plain = [n for n in own if not n.variant]
            rows = [row for name in _systems(plain) if (row := _row(name, plain, groups)) is not None]
            if rows:
                yield Block(tuple(rows), _title(source))

    def by_nfe(self, dataset: str, group: Group) -> Iterator[Block]:
        """Rows of tables of NFE (variants ``NFE k``)."""
        for source, own in self._by_source(dataset).items():
            rows = []
            for name, variant in dict.fromkeys((n.system, n.variant) for n in own if n.variant.startswith("NFE ")):
                its = [n for n in own if (n.system, n.variant) == (name, variant)]
                text = {n.column: n.text for n in its}
                lead = tuple(text.get(column, "") for column in ("#Params", "NFE", "RTF"))
                row = _row(name, its, (group,), lead)
                rows += [row] if row is not None else []
            if rows:
                yield Block(tuple(rows), _title(source))

    def alone(self, measured: Collection[str], kinds: Sequence[Kind]) -> Iterator[Table]:
        """Tables of the paper's own columns for data sets that no run measured."""
        done = {name.lower() for name in measured}
        for dataset in dict.fromkeys(n.dataset for n in self.numbers if n.dataset not in done):
            for kind in kinds:
                panel = self._nfe_panel(dataset) if kind == "nfe" else self._wide_panel(dataset, kind)
                if panel is not None:
                    caption = f"{TITLES[kind]} on {dataset}, as published; nothing here was measured by dubbench."
                    caption = f"{caption} {explained(row.seen for row in panel.rows)}".strip()
                    yield Table(kind, f"{kind}-{dataset}-published", caption, (panel,))

    def _wide_panel(self, dataset: str, kind: Kind) -> Panel | None:
        names = MAIN if kind == "main" else PROSODY
        groups = []
        for setting in sorted({n.setting for n in self.numbers if n.dataset == dataset}):
            there = [name for name in names if self.has(dataset, setting, name)]
            if there:
                groups.append(Group(setting, tuple(_head(name) for name in there)))
        blocks = tuple(self.blocks(dataset, groups))
        return Panel(tuple(groups), blocks) if blocks else None

    def _nfe_panel(self, dataset: str) -> Panel | None:
        group = Group("1.0", tuple(_head(name) for name in MAIN if name != "MOS-S"))
        blocks = tuple(self.by_nfe(dataset, group))
        return Panel((group,), blocks, lead=("#Params", "NFE", "RTF ↓")) if blocks else None

    def _by_source(self, dataset: str) -> dict[Source, list[Published]]:
        out: dict[Source, list[Published]] = {}
        for n in self.numbers:
            if n.dataset == dataset.lower() and n.column not in n.source.apart:
                out.setdefault(n.source, []).append(n)
        return out


def _head(name: str) -> Head:
    return Head(name, "down" if WAYS.get(name) == "down" else "up")


def _systems(numbers: Sequence[Published]) -> list[str]:
    names = list(dict.fromkeys(n.system for n in numbers))
    return sorted(names, key=lambda name: name != TRUTH)


def _row(name: str, numbers: Sequence[Published], groups: Sequence[Group], lead: tuple[str, ...] = ()) -> Row | None:
    by_cell = {(n.setting, n.column): n for n in numbers if n.system == name}
    found = [by_cell.get((group.setting, head.name)) for group in groups for head in group.heads]
    shown = [n for n in found if n is not None]
    if not shown:
        return None
    cells = tuple(NOTHING if n is None else _cell(n) for n in found)
    source, dataset = shown[0].source, shown[0].dataset
    flag = "" if name == TRUTH else source.seen.get(dataset, {}).get(name, "unknown")
    places = "; ".join(dict.fromkeys(n.place for n in shown))
    return Row(name, cells, lead, source.trained_on.get(name, ""), flag, places)


def _cell(n: Published) -> Cell:
    if n.spread is None:
        return Cell(n.text, n.value)
    return Cell(n.text, n.value, n.value - n.spread, n.value + n.spread)


def _title(source: Source) -> str:
    mark = f", {source.mark}" if source.mark and source.mark.lower() not in source.title.lower() else ""
    return f"As published, never ranked: {source.title.partition(':')[0]}{mark}"
