"""Pictures of an ablation and of a sweep as SVG: the same bytes for the same numbers, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from dubbench.core.ablation import Row
from dubbench.leaderboards.ablation.effects import Effect
from dubbench.leaderboards.ablation.sweep import Line, Sweep
from dubbench.leaderboards.statistics import Estimate
from dubbench.leaderboards.svg import ticks

STYLE = """
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#5b6470}
.title{font-weight:600;font-size:12px;fill:#1d2329}.axis{stroke:#8a929b;fill:none}.grid{stroke:#e6eaed;fill:none}
.bar{stroke:#5b6470;stroke-width:2;fill:none}.dot{fill:#5b6470}.seed{fill:none;stroke:#5b6470;stroke-opacity:.55}
.better .bar,.line{stroke:#17698a}.better .dot,.on{fill:#17698a}.better .seed{stroke:#17698a}
.worse .bar{stroke:#b3501e}.worse .dot{fill:#b3501e}.worse .seed{stroke:#b3501e}
.line{stroke-width:1.75;fill:none;stroke-linejoin:round}.fit{stroke:#8a929b;stroke-dasharray:4 3;fill:none}
.paper{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#9aa4af}.title{fill:#e7eaed}.grid{stroke:#232a31}.paper{fill:#14181c}
.bar,.seed{stroke:#9aa4af}.dot{fill:#9aa4af}.better .bar,.better .seed,.line{stroke:#6fbcd8}
.better .dot,.on{fill:#6fbcd8}.worse .bar,.worse .seed{stroke:#e8945f}.worse .dot{fill:#e8945f}}
""".strip().replace("\n", "")

_WIDE, _LEFT, _RIGHT, _TOP, _ROW = 350, 108, 16, 30, 20


def forest(rows: Sequence[Row], found: Mapping[tuple[str, str], Effect], columns: int = 3) -> str:
    """A panel a column: every row's change with its interval, and a ring for each seed."""
    names = [column for row, column in found if row == rows[0].name]
    panels = [list(_forest(rows[1:], [found[row.name, column] for row in rows[1:]])) for column in names]
    return _sheet(panels, _WIDE, _TOP + _ROW * (len(rows) - 1) + 40, columns)


def _sheet(panels: Sequence[Sequence[str]], wide: int, tall: int, columns: int) -> str:
    columns = max(1, min(columns, len(panels)))
    width, height = columns * wide, math.ceil(len(panels) / columns) * tall
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{STYLE}</style><rect class="paper" width="{width}" height="{height}"/>',
    ]
    for i, parts in enumerate(panels):
        out.append(f'<g transform="translate({i % columns * wide} {i // columns * tall})">{"".join(parts)}</g>')
    return "".join([*out, "</svg>\n"])


def _forest(rows: Sequence[Row], effects: Sequence[Effect]) -> Iterator[str]:
    column = effects[0].measure.column
    every = [0.0]
    for e in effects:
        every += [
            x for x in (e.change.value, e.change.low, e.change.high, *(s.value for s in e.by_seed)) if x is not None
        ]
    marks = ticks(min(every), max(every))
    bottom = _TOP + _ROW * len(rows)

    def px(x: float) -> str:
        return f"{_LEFT + (x - marks[0]) / (marks[-1] - marks[0]) * (_WIDE - _LEFT - _RIGHT):.1f}"

    better = {"up": "right is better", "down": "left is better"}[column.direction]
    unit = f", {column.unit}" if column.unit else ""
    yield f'<text class="title" x="{_LEFT}" y="18">{escape(column.name + unit)}</text>'
    yield f'<text x="{_WIDE - _RIGHT}" y="18" text-anchor="end">{better}</text>'
    for mark in marks:
        yield f'<path class="{"axis" if mark == 0 else "grid"}" d="M{px(mark)} {_TOP}V{bottom}"/>'
        yield f'<text x="{px(mark)}" y="{bottom + 15}" text-anchor="middle">{mark:+g}</text>'.replace("+0<", "0<")
    for i, (row, e) in enumerate(zip(rows, effects, strict=True)):
        y = _TOP + _ROW * i + _ROW / 2
        yield f'<text x="{_LEFT - 8}" y="{y:.1f}" dy="3.5" text-anchor="end">{escape(_short(row.name))}</text>'
        yield f'<g class="{e.verdict if e.verdict != "not told apart" else "none"}">'
        if e.change.low is not None and e.change.high is not None:
            yield f'<path class="bar" d="M{px(e.change.low)} {y:.1f}H{px(e.change.high)}"/>'
        if len(e.by_seed) > 1:
            for s in e.by_seed:
                if s.value is not None:
                    yield f'<circle class="seed" cx="{px(s.value)}" cy="{y:.1f}" r="2.6"/>'
        if e.change.value is not None:
            yield f'<circle class="dot" cx="{px(e.change.value)}" cy="{y:.1f}" r="3.4"/>'
        yield "</g>"


def _short(name: str) -> str:
    return name if len(name) <= 17 else f"{name[:16]}…"


def curves(sweep: Sweep, columns: int = 4) -> str:
    """Real-time factors with their lines, then a panel a column; values stand at equal distances but for the lines."""
    panels = []
    for what, line in sweep.lines.items():
        points = [(float(v), str(v), sweep.times[v, what]) for v in sweep.values if (v, what) in sweep.times]
        panels.append(list(_curve(f"{what} ↓", points, sweep.option, line)))
    for m in sweep.measures:
        arrow = {"up": "↑", "down": "↓"}[m.column.direction]
        points = [(float(i), str(v), sweep.quality[v, m.column.name]) for i, v in enumerate(sweep.values)]
        panels.append(list(_curve(f"{m.column.name} {arrow}", points, sweep.option)))
    return _sheet(panels, 260, 190, columns)


def _curve(
    title: str, points: Sequence[tuple[float, str, Estimate]], x_label: str, line: Line | None = None
) -> Iterator[str]:
    known: list[tuple[float, str, Any]] = [p for p in points if p[2].value is not None]
    yield f'<text class="title" x="48" y="18">{escape(title)}</text>'
    if not known:
        yield '<text x="48" y="90">nothing scored</text>'
        return
    marks = ticks(*_range([y for _, _, e in known for y in (e.value, e.low, e.high) if y is not None]))
    first, last = points[0][0], points[-1][0]
    left, right, top, bottom = 48, 244, 30, 150

    def px(x: float) -> float:
        return left + (x - first) / ((last - first) or 1.0) * (right - left)

    def py(y: float) -> float:
        return top + (marks[-1] - y) / (marks[-1] - marks[0]) * (bottom - top)

    for mark in marks:
        yield f'<path class="grid" d="M{left} {py(mark):.1f}H{right}"/>'
        yield f'<text x="{left - 6}" y="{py(mark):.1f}" dy="3.5" text-anchor="end">{mark:g}</text>'
    seen = -math.inf
    for x, name, _ in points:
        if px(x) - seen >= 20:
            yield f'<text x="{px(x):.1f}" y="{bottom + 14}" text-anchor="middle">{escape(name)}</text>'
            seen = px(x)
    yield f'<text x="{(left + right) / 2}" y="{bottom + 30}" text-anchor="middle">{escape(x_label)}</text>'
    if line is not None:
        ends = [(x, line.start + line.slope * x) for x in (first, last)]
        yield f'<path class="fit" d="M{"L".join(f"{px(x):.1f} {py(y):.1f}" for x, y in ends)}"/>'
    else:
        yield f'<path class="line" d="M{"L".join(f"{px(x):.1f} {py(e.value):.1f}" for x, _, e in known)}"/>'
    for x, _, e in known:
        yield '<g class="better">'
        if e.low is not None and e.high is not None:
            yield f'<path class="bar" stroke-opacity=".5" d="M{px(x):.1f} {py(e.low):.1f}V{py(e.high):.1f}"/>'
        yield f'<circle class="dot" cx="{px(x):.1f}" cy="{py(e.value):.1f}" r="2.8"/></g>'


def _range(ys: Sequence[float]) -> tuple[float, float]:
    return min(ys), max(ys)
