"""The content of the page for one sheet, as plain dictionaries for the templates. Texts are escaped there, not here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dubbench.core.spec import plain
from dubbench.leaderboards.caveats import FLOOR, floor, odd, within
from dubbench.leaderboards.failures import failures, rejected
from dubbench.leaderboards.markdown import ARROW, intervals_note, tests_note
from dubbench.leaderboards.matrix import TRUTH, Cell
from dubbench.leaderboards.reproduce import command
from dubbench.leaderboards.sampler import Sampler
from dubbench.leaderboards.sheet import Measure, Sheet, dirty
from dubbench.leaderboards.table import Entry, Grid, Hidden, Timing, kept, number, timings

View = dict[str, Any]


@dataclass(eq=False)
class Part:
    """A sheet with everything that was computed from it."""

    sampler: Sampler
    cells: Grid
    common: Grid
    matrix: tuple[Cell, ...]
    hidden: Hidden

    @property
    def sheet(self) -> Sheet:
        """The sheet itself."""
        return self.sampler.sheet

    @cached_property
    def timings(self) -> list[Timing]:
        """Real-time factors of the sheet's timed systems."""
        return timings(self.sheet)

    @property
    def measures(self) -> list[Measure]:
        """All columns without a failed validity check, headline columns first."""
        return sorted(kept(self.sheet, self.hidden), key=lambda m: not m.column.headline)


def view(part: Part, ident: str, name: str) -> View:
    """Everything that the sheet's template reads."""
    sheet, measures = part.sheet, part.measures
    return {
        "id": ident,
        "name": name,
        "facts": _facts(part),
        "notes": [*dict.fromkeys(note for run in sheet.runs for note in run.manifest.notes), *sheet.notes],
        "intervals": intervals_note(part.sampler),
        "tests": tests_note(part.sampler, measures),
        "caveats": [*within(sheet, part.cells, part.hidden), *odd(sheet)],
        "hidden": [{"column": column, "why": why} for (_, column), why in part.hidden.items()],
        "columns": [_column(m, floor(sheet, part.cells, m)) for m in measures],
        "ranking": _rows(part, _order(part, part.cells), part.cells, sheet.ranking),
        "common": None if sheet.alike(measures) else _rows(part, _order(part, part.common), part.common, sheet.ranking),
        "commons": [int(sheet.common(m).sum()) for m in measures],
        "controls": _rows(part, sheet.controls, part.cells, sheet.controls),
        "matrix": _matrix(part),
        "speed": _speed(part.timings),
        "failures": failures(sheet),
        "systems": [_system(sheet, label) for label in sheet.entrants],
        "recipes": [_recipe(m, part) for m in sheet.measures],
        "commands": list(dict.fromkeys(command(sheet, number) for number in range(len(sheet.runs)))),
        "count": sheet.count,
    }


def first_ranked(measures: Sequence[Measure]) -> int:
    """Index of the column that tables are sorted by at first."""
    return next((i for i, m in enumerate(measures) if m.column.direction != "none"), 0)


def _order(part: Part, cells: Grid) -> list[str]:
    """Ranking systems, best first in the first ranked column; the others as asked for, behind."""
    measures = part.measures
    if not measures:
        return part.sheet.ranking
    m = measures[first_ranked(measures)]
    sign = -1.0 if m.column.direction == "up" else 1.0

    def key(label: str) -> tuple[bool, float]:
        value = cells[label, m.metric, m.column.name].estimate.value
        return value is None, sign * (value or 0.0)

    return sorted(part.sheet.ranking, key=key)


def _facts(part: Part) -> list[tuple[str, str, str]]:
    """(name, value, explanation)."""
    sheet, m = part.sheet, part.sheet.manifest
    speakers = len({clip.speaker for clip in sheet.clips if clip.speaker})
    unusable = sum(bool(clip.problem) for clip in sheet.clips)
    seconds = sum(clip.duration for clip in sheet.clips)
    lost = rejected(sheet)
    clips = f"{sheet.count}" + (f" ({unusable} unusable)" if unusable else "")
    out = [
        ("Clips", clips, f"{seconds / 60:.1f} minutes of video"),
        *([("Rows that are no clips", str(len(lost)), "see Failures")] if lost else []),
        ("Speakers", str(speakers), ""),
        ("Systems", f"{len(sheet.ranking)} + {len(sheet.controls)} controls", ""),
        ("Pairing", m.pairing_digest, "digest of the table of clips and reference voices"),
        ("Data", m.data_digest, "digest over the texts, videos and sounds of all clips"),
        ("Profile", ", ".join(dict.fromkeys(run.manifest.profile for run in sheet.runs)), "set of metric recipes"),
        ("Seed", ", ".join(dict.fromkeys(str(run.manifest.seed) for run in sheet.runs)), "of the systems"),
    ]
    for code in _distinct(run.manifest.code for run in sheet.runs):
        text = " ".join(p for p in (code.get("dubbench", ""), code.get("commit", "")[:10]) if p) or "unknown"
        detail = "; ".join(f"{k} {v}" for k, v in code.items())
        out.append(("Code", text, detail))
        if dirty(code):
            out.append(("Warning", "dirty code", "Made with changed files: the commit does not say which code it was."))
    for machine in _distinct(run.manifest.hardware for run in sheet.runs):
        short = machine.get("gpu") or machine.get("cpu") or "unknown"
        out.append(("Hardware", short, "; ".join(f"{k} {v}" for k, v in machine.items())))
    return out


def _distinct(items: Iterator[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return list({json.dumps(dict(item), sort_keys=True): item for item in items}.values())


def _column(m: Measure, floor: str) -> View:
    c, info = m.column, m.info
    way = {"up": "higher is better", "down": "lower is better", "none": "reported, not ranked"}[c.direction]
    tip = f"{info.summary.rstrip('.') or c.name}; {way} ({m.signature})"
    if floor:
        tip += f"; floor {floor}: {FLOOR}, another sentence in the same voice"
    return {
        "name": c.name,
        "unit": c.unit,
        "floor": floor,
        "arrow": ARROW[c.direction],
        "direction": c.direction,
        "extra": not c.headline,
        "tip": f"{tip}.",
    }


def _rows(part: Part, order: Sequence[str], cells: Grid, scale_of: Sequence[str]) -> list[View]:
    sheet, measures = part.sheet, part.measures
    truth = next((e.label for e in sheet.entrants.values() if plain(e.entry.spec) == TRUTH), None)
    spans, whole = {}, {}
    for m in measures:
        whole[id(m)] = int(sheet.common(m).sum()) if cells is part.common else sheet.count
        found = [cells[label, m.metric, m.column.name].estimate for label in scale_of]
        ends = [x for e in found for x in (e.value, e.low, e.high) if x is not None]
        spans[id(m)] = (min(ends), max(ends)) if ends else (0.0, 0.0)
    rows = []
    for label in order:
        row: View = {"label": label, "badges": _badges(sheet, label), "cells": []}
        for m in measures:
            guide = part.cells[truth, m.metric, m.column.name].estimate.value if truth else None
            shown = _cell(cells[label, m.metric, m.column.name], m, sheet, label, spans[id(m)], guide, whole[id(m)])
            row["cells"].append(shown)
        rows.append(row)
    return rows


def _cell(
    entry: Entry, m: Measure, sheet: Sheet, label: str, span: tuple[float, float], guide: float | None, whole: int
) -> View:
    e, digits = entry.estimate, m.column.digits
    base = {"extra": not m.column.headline, "sort": number(e.value), "conditioned": sheet.conditioned(label, m)}
    if e.value is None:
        why = "not scored in this column" if sheet.asked(label, m) else "not part of this system's run"
        return {**base, "text": "–", "tip": why, "rank": None, "leads": False}
    width = (span[1] - span[0]) or 1.0

    def at(x: float) -> str:
        return f"{min(100.0, max(0.0, (x - span[0]) / width * 100)):.1f}%"

    tip = [f"{label} · {m.column.name}: {e.value:.{digits}f} {m.column.unit}".rstrip()]
    if e.low is not None and e.high is not None:
        tip.append(f"95 % interval {e.low:.{digits}f} to {e.high:.{digits}f} ({e.method}, {e.units} units)")
    else:
        tip.append("no interval: too few clips or speakers")
    tip.append(f"{e.n} of {whole} clips scored")
    if entry.rank is not None:
        tip.append(
            f"rank {entry.rank}" + (f", cannot be told apart from {', '.join(entry.tied)}" if entry.tied else "")
        )
    elif sheet.entrants[label].ranks and m.column.direction != "none":
        why = "others are scored on clips that this system lacks" if e.low is not None else "too few clips"
        tip.append(f"no rank: {why}")
    if base["conditioned"]:
        tip.append(f"conditioned on {m.info.speaker_encoder}, the encoder that measures this column")
    if guide is not None:
        tip.append(f"ground truth: {guide:.{digits}f}")
    return {
        **base,
        "text": f"{e.value:.{digits}f}",
        "at": at(e.value),
        "low": at(e.low) if e.low is not None else "",
        "right": f"{100 - float(at(e.high)[:-1]):.1f}%" if e.high is not None else "",
        "guide": at(guide) if guide is not None and span[0] <= guide <= span[1] else "",
        "n": f"{e.n}/{whole}" if e.n < whole else "",
        "rank": entry.rank,
        "tie": bool(entry.tied),
        "leads": entry.leads,
        "tip": "\n".join(tip),
    }


def _badges(sheet: Sheet, label: str) -> list[View]:
    entrant = sheet.entrants[label]
    info, dubs = entrant.entry.info, int(sheet.dubbed(label).sum())
    kinds = {
        "control": "Privileged: is handed the ground truth. It keeps the metrics honest and never ranks.",
        "baseline": "An honest baseline, not a dubbing model.",
        "precomputed": "Finished sound files; nothing was run or timed here.",
    }
    out = []
    if info.kind in kinds:
        out.append({"text": info.kind, "kind": info.kind, "tip": kinds[info.kind]})
    measures = [m for m in sheet.measures if sheet.conditioned(label, m)]
    if measures:
        names = ", ".join(m.column.name for m in measures)
        tip = f"Conditioned on {measures[0].info.speaker_encoder}, the encoder behind {names}: it is at an advantage."
        out.append({"text": "same encoder", "kind": "warn", "tip": tip})
    if dubs < sheet.count:
        tip = f"{sheet.count - dubs} of {sheet.count} clips have no dub; see Failures."
        out.append({"text": f"{dubs}/{sheet.count} dubs", "kind": "warn", "tip": tip})
    if sheet.dirty(label):
        tip = "The run was made with changed files: its commit does not tell which code it was."
        out.append({"text": "dirty code", "kind": "warn", "tip": tip})
    return out


def _matrix(part: Part) -> View:
    cells = [cell for cell in part.matrix if cell.system]
    controls = list(dict.fromkeys(cell.control for cell in cells))
    place = {(cell.metric, cell.column, cell.control): cell for cell in cells}
    rows = []
    for m in part.sheet.measures:
        found = [place.get((m.metric, m.column.name, control)) for control in controls]
        if any(found):
            rows.append({"column": m.column.name, "cells": found})
    return {"controls": controls, "rows": rows}


def _speed(found: Sequence[Timing]) -> list[View]:
    rows: dict[tuple[str, str], View] = {}
    for t in found:
        row = rows.setdefault((t.label, t.machine), {"label": t.label, "hardware": t.machine, "n": t.pooled.n})
        low, high = t.pooled.low, t.pooled.high
        between = f"[{low:.3g}, {high:.3g}]" if low is not None and high is not None else ""
        row[t.metric.replace("-", "_")] = {
            "value": f"{t.pooled.value:.3g}",
            "between": between,
            "mean": f"{t.mean:.3g}",
        }
    return list(rows.values())


def _system(sheet: Sheet, label: str) -> View:
    entrant = sheet.entrants[label]
    info = entrant.entry.info
    facts = [
        ("Spec", entrant.entry.spec),
        ("Name, version", f"{info.name} {info.version}"),
        ("Paper", info.paper),
        ("Licence", info.licence),
        ("Trained on", ", ".join(info.trained_on)),
        ("Conditioned on", ", ".join(info.conditioned_on)),
        ("Settings", ", ".join(f"{k} = {v}" for k, v in info.settings.items())),
        ("Weights", ", ".join(f"{k} {v[:12]}" for k, v in info.weights.items())),
        ("Identity", entrant.entry.digest[:12]),
    ]
    return {
        "label": label,
        "summary": info.summary,
        "badges": _badges(sheet, label),
        "facts": [(name, text) for name, text in facts if text],
    }


def _recipe(m: Measure, part: Part) -> View:
    info = m.info
    facts = [("needs", ", ".join(sorted(info.needs))), *((k, str(v)) for k, v in info.settings.items())]
    facts += [(f"weights {k}", v) for k, v in info.weights.items()]
    facts += [("source", info.source), ("licence", info.licence)]
    return {
        "column": m.column.name,
        "signature": m.signature,
        "summary": info.summary,
        "facts": [(name, text) for name, text in facts if text],
        "hidden": (m.metric, m.column.name) in part.hidden,
    }
