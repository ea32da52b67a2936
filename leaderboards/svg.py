"""Small line charts as SVG text: the same bytes for the same numbers, readable on light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 232, 172
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 30, 34

_STYLE = """
text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#5b6470}
.title{font-weight:600;font-size:12px;fill:#1d2329}.axis{stroke:#c9cfd6;fill:none}.grid{stroke:#edf0f2}
.line{stroke:#17698a;stroke-width:1.75;fill:none;stroke-linejoin:round}.dot{fill:#17698a}
.bar{stroke:#17698a;stroke-opacity:.45;stroke-width:3;stroke-linecap:round}
.level{stroke:#8a929b;stroke-dasharray:4 3}.paper{fill:#fff}
@media (prefers-color-scheme:dark){text{fill:#9aa4af}.title{fill:#e7eaed}.axis{stroke:#3a424b}.grid{stroke:#232a31}
.line,.bar{stroke:#6fbcd8}.dot{fill:#6fbcd8}.level{stroke:#7d8791}.paper{fill:#14181c}}
""".strip().replace("\n", "")


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: points (x, y, low, high) in order of x, and a level to compare them with."""

    title: str
    points: Sequence[tuple[float, float, float | None, float | None]]
    level: float | None = None


def figure(panels: Sequence[Panel], x_label: str, columns: int = 4) -> str:
    """An SVG file with the panels in a grid."""
    columns = max(1, min(columns, len(panels)))
    rows = math.ceil(len(panels) / columns)
    width, height = columns * WIDTH, rows * HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f'<style>{_STYLE}</style><rect class="paper" width="{width}" height="{height}"/>',
    ]
    for i, panel in enumerate(panels):
        at = f"translate({i % columns * WIDTH} {i // columns * HEIGHT})"
        parts.append(f'<g transform="{at}">{_panel(panel, x_label)}</g>')
    return "".join([*parts, "</svg>\n"])


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Round numbers that cover [low, high] in about ``count`` steps."""
    if not high > low:
        high = low + (abs(low) or 1.0)
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _panel(panel: Panel, x_label: str) -> str:
    xs = [p[0] for p in panel.points]
    every = [y for p in panel.points for y in p[1:] if y is not None]
    if panel.level is not None:
        every.append(panel.level)
    marks = ticks(min(every), max(every))
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    span = (max(xs) - min(xs)) or 1.0

    def px(x: float) -> str:
        return f"{_LEFT + (x - min(xs)) / span * wide:.1f}"

    def py(y: float) -> str:
        return f"{_TOP + (marks[-1] - y) / (marks[-1] - marks[0]) * tall:.1f}"

    out = [f'<text class="title" x="{_LEFT}" y="18">{escape(panel.title)}</text>']
    for mark in marks:
        out.append(f'<path class="grid" d="M{_LEFT} {py(mark)}H{WIDTH - _RIGHT}"/>')
        out.append(f'<text x="{_LEFT - 6}" y="{py(mark)}" dy="3.5" text-anchor="end">{mark:g}</text>')
    out.append(f'<path class="axis" d="M{_LEFT} {_TOP + tall}H{WIDTH - _RIGHT}"/>')
    last = -math.inf
    for x in xs:
        at = float(px(x))
        if at - last >= 24:
            out.append(f'<text x="{at:.1f}" y="{_TOP + tall + 14}" text-anchor="middle">{x:g}</text>')
            last = at
    out.append(f'<text x="{_LEFT + wide / 2:.1f}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_label)}</text>')
    if panel.level is not None:
        out.append(f'<path class="level" d="M{_LEFT} {py(panel.level)}H{WIDTH - _RIGHT}"/>')
    for x, _, low, high in panel.points:
        if low is not None and high is not None:
            out.append(f'<path class="bar" d="M{px(x)} {py(low)}V{py(high)}"/>')
    out.append(f'<path class="line" d="M{"L".join(f"{px(p[0])} {py(p[1])}" for p in panel.points)}"/>')
    out += [f'<circle class="dot" cx="{px(p[0])}" cy="{py(p[1])}" r="2.6"/>' for p in panel.points]
    return "".join(out)
