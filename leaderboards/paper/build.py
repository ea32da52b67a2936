"""From sheets to the paper's tables, with the board's own computations and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from dubbench.core.system import SystemInfo
from dubbench.leaderboards.markdown import intervals_note
from dubbench.leaderboards.matrix import broken, matrix_of
from dubbench.leaderboards.paper.beside import Printed
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
    marked,
)
from dubbench.leaderboards.paper.training import explained, seen
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Entrant, Measure, Sheet, differences
from dubbench.leaderboards.table import Grid, grid, kept, timings

TRUTH = "Ground Truth"
NFE_LEAD = ("#Params", "NFE", "RTF ↓")


@dataclass(frozen=True)
class Slot:
    """One sheet, which becomes the columns of one setting."""

    sheet: Sheet

    @cached_property
    def sampler(self) -> Sampler:
        """Its estimates."""
        return Sampler(self.sheet)

    @cached_property
    def cells(self) -> Grid:
        """The board's cells."""
        return grid(self.sampler)

    @cached_property
    def hidden(self) -> Mapping[tuple[str, str], str]:
        """(metric, column) -> the failed validity check of the column."""
        return broken(matrix_of(self.sampler))

    @cached_property
    def measures(self) -> list[Measure]:
        """Columns without a failed validity check."""
        return kept(self.sheet, self.hidden)

    def by_name(self, name: str) -> Measure | None:
        """The first column of exactly that name."""
        return next((m for m in self.measures if m.column.name == name), None)

    def others(self) -> list[Measure]:
        """Headline columns that stand in none of the paper's tables, and second recipes of those that do."""
        own = {id(self.by_name(name)) for name in (*MAIN, *PROSODY)}
        return [m for m in self.measures if m.column.headline and id(m) not in own]

    def cell(self, label: str, measure: Measure | None) -> tuple[Cell, bool]:
        """A system's cell, and whether it may rank there."""
        if measure is None or label not in self.sheet.entrants:
            return NOTHING, False
        entry = self.cells[label, measure.metric, measure.column.name]
        e = entry.estimate
        if e.value is None:
            return NOTHING, False
        text = f"{e.value + 0.0:.{measure.column.digits}f}"
        text = text.removeprefix("-") if float(text) == 0 else text
        full = self.sheet.full(measure)
        covers = self.sheet.entrants[label].ranks and bool(np.all(self.sheet.scored(label, measure)[full]))
        tied = entry.rank == 1 and bool(entry.tied) and not entry.leads
        return Cell(text, e.value, e.low, e.high, e.n, self.sheet.count, tied=tied), covers


def build(sheets: Sequence[Sheet], printed: Printed, kinds: Sequence[Kind] = ("main", "nfe", "prosody")) -> list[Table]:
    """All tables that the sheets can fill, one a data set and split, settings side by side.

    Args:
        sheets: runs joined where they can be compared.
        printed: published numbers to show beside them; empty for none.
        kinds: which tables.
    """
    out: list[Table] = []
    for slots in _sides(sheets):
        every = {
            "main": lambda slots=slots: [_wide("main", slots, printed)],
            "nfe": lambda slots=slots: [table for slot in slots for table in _nfe(slot, printed)],
            "prosody": lambda slots=slots: [_wide("prosody", slots, printed)],
        }
        out += [table for kind in kinds for table in every[kind]() if table.panels]
    out += [table for table in printed.alone({s.manifest.dataset for s in sheets}, kinds)]
    return _named(out)


def _named(tables: Sequence[Table]) -> list[Table]:
    """Tables of one name get a number."""
    names = [table.name for table in tables]
    return [
        table
        if names.count(table.name) == 1
        else replace(table, name=f"{table.name}-{names[: i + 1].count(table.name)}")
        for i, table in enumerate(tables)
    ]


def _sides(sheets: Sequence[Sheet]) -> list[list[Slot]]:
    """Sheets of one data set and split side by side, each setting once; a second sheet of a setting starts anew."""
    out: list[list[Slot]] = []
    for sheet in sheets:
        m = sheet.manifest
        home = next(
            (
                slots
                for slots in out
                if (slots[0].sheet.manifest.dataset, slots[0].sheet.manifest.split) == (m.dataset, m.split)
                and all(slot.sheet.manifest.setting != m.setting for slot in slots)
            ),
            None,
        )
        if home is None:
            out.append([Slot(sheet)])
        else:
            home.append(Slot(sheet))
            home.sort(key=lambda slot: slot.sheet.manifest.setting)
    return out


def apart(sheets: Sequence[Sheet]) -> list[str]:
    """Why sheets of one data set, split and setting stand in tables of their own."""
    out = []
    for i, a in enumerate(sheets):
        for b in sheets[i + 1 :]:
            same = (a.manifest.dataset, a.manifest.split, a.manifest.setting)
            if same == (b.manifest.dataset, b.manifest.split, b.manifest.setting):
                out.append(f"{a.title}: runs stand in separate tables ({'; '.join(differences(a, b))})")
    return out


def _wide(kind: Kind, slots: Sequence[Slot], printed: Printed) -> Table:
    """Tables 1, 2 and 5: the paper's columns, then (Tables 1 and 2 alone) all others as a panel of their own."""
    names = MAIN if kind == "main" else PROSODY
    m = slots[0].sheet.manifest
    wanted: list[tuple[str, list[list[tuple[str, Measure | None]]]]] = [
        ("Columns of the paper", [_paper_columns(names, slot, printed) for slot in slots])
    ]
    if kind == "main":
        wanted.append(("Other columns", [_other_columns(slot) for slot in slots]))
    panels = []
    for title, columns in wanted:
        groups = tuple(
            Group(slot.sheet.manifest.setting, tuple(_head(n, measure, title) for n, measure in each))
            for slot, each in zip(slots, columns, strict=True)
            if each
        )
        measured = _blocks(slots, columns)
        if not any(cell.text for block in measured for row in block.rows for cell in row.cells):
            measured = ()
        blocks = (*measured, *printed.blocks(m.dataset, groups))
        if blocks:
            panels.append(Panel(groups, blocks, title))
    if len(panels) == 1:
        panels = [replace(panels[0], title="" if panels[0].title != "Other columns" else panels[0].title)]
    what = "Prosody and emotion" if kind == "prosody" else "Results"
    caption = f"{what} on {m.dataset} ({_clips(slots)}). {_legend(panels, slots)}"
    return Table(kind, _slug(f"{kind}-{m.dataset}-{m.split}"), caption, tuple(panels), tuple(_notes(slots, panels)))


def _paper_columns(names: Sequence[str], slot: Slot, printed: Printed) -> list[tuple[str, Measure | None]]:
    """The paper's columns; MOS-S, which it has under Setting 2.0 alone, only where there is one."""
    m = slot.sheet.manifest
    return [
        (name, slot.by_name(name))
        for name in names
        if name != "MOS-S" or slot.by_name(name) or printed.has(m.dataset, m.setting, name)
    ]


def _other_columns(slot: Slot) -> list[tuple[str, Measure | None]]:
    others = slot.others()
    names = [measure.column.name for measure in others]
    taken = {*MAIN, *PROSODY}
    return [
        (name if name not in taken and names.count(name) == 1 else f"{name} ({measure.metric})", measure)
        for name, measure in zip(names, others, strict=True)
    ]


def _head(name: str, measure: Measure | None, title: str) -> Head:
    if measure is None:
        return Head(name, "down" if WAYS.get(name) == "down" else "up")
    unit = measure.column.unit if title == "Other columns" else ""
    return Head(name, measure.column.direction, unit, measure.signature)


def _blocks(slots: Sequence[Slot], columns: Sequence[Sequence[tuple[str, Measure | None]]]) -> tuple[Block, ...]:
    """Ground truth, systems, other controls."""
    entrants = list(_entrants(slots))
    heads = tuple(_head(n, measure, "") for each in columns for n, measure in each)

    def rows(chosen: Sequence[tuple[str, Entrant, Mapping[int, str]]]) -> tuple[Row, ...]:
        made, ranked = [], []
        for name, entrant, labels in chosen:
            found = [
                slot.cell(labels[at], measure) if at in labels else (NOTHING, False)
                for at, (slot, each) in enumerate(zip(slots, columns, strict=True))
                for _, measure in each
            ]
            made.append(_row(name, entrant.entry.info, slots[min(labels)], tuple(cell for cell, _ in found)))
            ranked.append(tuple(ok for _, ok in found))
        return marked(tuple(made), heads, tuple(ranked))

    truth = [(TRUTH, e, labels) for e, labels in entrants if e.entry.info.name == "ground_truth"]
    systems = [(e.label, e, labels) for e, labels in entrants if e.ranks]
    controls = [(e.label, e, labels) for e, labels in entrants if not e.ranks and e.entry.info.name != "ground_truth"]
    parts = (Block(rows(truth)), Block(rows(systems)), Block(rows(controls), "Controls, never ranked"))
    return tuple(block for block in parts if block.rows)


def _entrants(slots: Sequence[Slot]) -> Iterator[tuple[Entrant, Mapping[int, str]]]:
    """Every system once, with its label in each slot that has it. One label with other weights or options is another
    system, and a row of its own."""
    found: dict[tuple[str, str], tuple[Entrant, dict[int, str]]] = {}
    for at, slot in enumerate(slots):
        for label, entrant in slot.sheet.entrants.items():
            found.setdefault((label, entrant.entry.digest), (entrant, {}))[1][at] = label
    yield from found.values()


def _row(name: str, info: SystemInfo, slot: Slot, cells: tuple[Cell, ...], lead: tuple[str, ...] = ()) -> Row:
    m = slot.sheet.manifest
    flag = seen(info, m.dataset, m.split, {clip.speaker for clip in m.clips})
    return Row(name, cells, lead, ", ".join(info.trained_on), flag)


def _nfe(slot: Slot, printed: Printed) -> Iterator[Table]:
    """Table 4: systems that differ in NFE."""
    m = slot.sheet.manifest
    runs = [(e.entry.info.settings["nfe"], label, e) for label, e in slot.sheet.entrants.items() if _counted(e)]
    some = len({nfe for nfe, _, _ in runs}) > 1
    if not some:
        return
    order = list(dict.fromkeys(e.entry.info.name for _, _, e in runs))
    runs.sort(key=lambda run: (order.index(run[2].entry.info.name), int(run[0])))
    names = [name for name in MAIN if name != "MOS-S"]
    panels = []
    keyed = [(e.entry.info.name, nfe) for nfe, _, e in runs]
    pairs: tuple[tuple[str, list[tuple[str, Measure | None]]], ...] = (
        ("Columns of the paper", [(name, slot.by_name(name)) for name in names]),
        ("Other columns", _other_columns(slot)),
    )
    for title, columns in pairs:
        heads = tuple(_head(name, measure, title) for name, measure in columns)
        made, ranked = [], []
        for nfe, label, e in runs:
            found = [slot.cell(label, measure) for _, measure in columns]
            name = e.entry.info.name if keyed.count((e.entry.info.name, nfe)) == 1 else label
            lead = ("", str(nfe), _rtf(slot, label))
            made.append(_row(name, e.entry.info, slot, tuple(cell for cell, _ in found), lead))
            ranked.append(tuple(ok for _, ok in found))
        measured = any(cell.text for row in made for cell in row.cells)
        blocks = (Block(marked(tuple(made), heads, tuple(ranked))),) if measured else ()
        groups = (Group(m.setting, heads),)
        blocks = (*blocks, *printed.by_nfe(m.dataset, groups[0]))
        if blocks:
            panels.append(Panel(groups, blocks, title, NFE_LEAD))
    caption = f"Number of function evaluations on {m.dataset} ({_clips([slot])}). {_legend(panels, [slot])}"
    note = "#Params is not kept in a run: see dubbench sweep."
    name = _slug(f"nfe-{m.dataset}-{m.split}-{m.setting}")
    yield Table("nfe", name, caption, tuple(panels), (note, *_notes([slot], panels)))


def _counted(entrant: Entrant) -> bool:
    return entrant.ranks and isinstance(entrant.entry.info.settings.get("nfe"), int)


def _rtf(slot: Slot, label: str) -> str:
    """RTF if it was taken on one machine."""
    found = [t for t in timings(slot.sheet) if t.label == label and t.metric == "RTF" and t.pooled.value is not None]
    return f"{found[0].pooled.value:.2f}" if len(found) == 1 else ""


def _clips(slots: Sequence[Slot]) -> str:
    m = slots[0].sheet.manifest
    counts = list(dict.fromkeys(slot.sheet.count for slot in slots))
    return f"{m.split}, {' and '.join(str(n) for n in counts)} clip{'s' if counts != [1] else ''}"


def _legend(panels: Sequence[Panel], slots: Sequence[Slot]) -> str:
    cells = [cell for panel in panels for row in panel.rows for cell in row.cells]
    rows = [row for panel in panels for row in panel.rows]
    parts = []
    if any(cell.mark for cell in cells):
        parts.append("Best in bold, second-best underlined.")
    if any(cell.tied for cell in cells):
        parts.append("=: cannot be told apart from the best.")
    if any(0 < cell.n < cell.total for cell in cells):
        parts.append("n/N: clips scored, where not all are.")
    if any(not cell.text for cell in cells):
        parts.append("-: not tested or not measured.")
    letters = explained(row.seen for row in rows)
    if letters:
        parts.append(letters)
    if any(row.source for row in rows):
        parts.append("Published rows keep their own protocols and are not comparable with measured rows.")
    parts += dict.fromkeys(intervals_note(slot.sampler) for slot in slots)
    return " ".join(parts)


def _notes(slots: Sequence[Slot], panels: Sequence[Panel]) -> Iterator[str]:
    """Recipes of the columns shown, columns that are not shown, and what is to be known of the sheets."""
    recipes = {
        head.name: head.signature
        for panel in panels
        for group in panel.groups
        for head in group.heads
        if head.signature
    }
    if recipes:
        yield "Recipes: " + "; ".join(f"{name} {signature}" for name, signature in recipes.items()) + "."
    yield from dict.fromkeys(
        f"{column} is not shown: it fails its own declaration." for slot in slots for _, column in slot.hidden
    )
    yield from dict.fromkeys(note for slot in slots for note in slot.sheet.notes)


def _slug(text: str) -> str:
    """Letters, digits and hyphens: safe as a file's name and as a label."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "table"
