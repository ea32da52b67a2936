"""A table as LaTeX to be input: booktabs, one tabular a panel, shrunk to the line where it is too wide."""

from __future__ import annotations

from collections.abc import Sequence

from dubbench.leaderboards.paper.layout import Cell, Group, Head, Panel, Row, Table
from dubbench.leaderboards.paper.tex import UNICODE, escape
from dubbench.leaderboards.paper.training import MARKS

PACKAGES = ("booktabs", "multirow", "graphicx")
WIDEST = 14
"""Most columns of numbers in one tabular; a panel with more stands setting under setting."""


def latex(table: Table, intervals: bool = False, training: bool = False) -> str:
    r"""A float ``table*`` with its caption and the label ``tab:NAME``.

    Args:
        table: the table.
        intervals: print each number's interval below it.
        training: add a column with the training data that each system declares.
    """
    needs = ", ".join(PACKAGES)
    lines = [
        f"% {table.name}: made by dubbench tables; input it with \\input{{{table.name}}}.",
        f"% Needs \\usepackage{{{','.join(PACKAGES)}}} ({needs}).".replace(f" ({needs})", ""),
        UNICODE,
        r"\begin{table*}[t]",
        r"\centering\small",
        rf"\caption{{{escape(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
    ]
    pieces = [piece for panel in table.panels for piece in _narrow(panel)]
    for number, panel in enumerate(pieces):
        if number:
            lines.append(r"\par\medskip")
        if panel.title and len(table.panels) > 1:
            lines.append(rf"\textit{{{escape(panel.title)}}}\par\smallskip")
        lines += _fitted(_tabular(panel, intervals, training))
    if table.notes:
        lines.append(
            r"\par\smallskip\parbox{\linewidth}{\scriptsize\raggedright " + escape(" ".join(table.notes)) + "}"
        )
    lines += [r"\end{table*}", ""]
    return "\n".join(lines)


def preview(names: Sequence[str]) -> str:
    """A document that shows the tables, to be compiled beside them."""
    inputs = "\n".join(rf"\input{{{name}}}" for name in names)
    packages = "\n".join(rf"\usepackage{{{name}}}" for name in PACKAGES)
    head = "\\documentclass[10pt]{article}\n\\usepackage[a4paper,margin=1.5cm]{geometry}\n"
    return f"{head}{packages}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"


def _narrow(panel: Panel) -> list[Panel]:
    """The panel, or one for each setting where together they are too wide to be read."""
    if len(panel.heads) <= WIDEST or len(panel.groups) == 1:
        return [panel]
    out, at = [], 0
    for group in panel.groups:
        end = at + len(group.heads)
        blocks = []
        for block in panel.blocks:
            rows = tuple(Row(r.name, r.cells[at:end], r.lead, r.trained_on, r.seen, r.source) for r in block.rows)
            rows = tuple(row for row in rows if any(cell.text for cell in row.cells))
            blocks += [type(block)(rows, block.title)] if rows else []
        if blocks:
            out.append(Panel((group,), tuple(blocks), panel.title, panel.lead))
        at = end
    return out


def _fitted(tabular: Sequence[str]) -> list[str]:
    begin = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
    return [begin, *tabular, "}"]


def _tabular(panel: Panel, intervals: bool, training: bool) -> list[str]:
    columns = "l" + "r" * len(panel.lead) + "".join("r" * len(group.heads) for group in panel.groups)
    width = 1 + len(panel.lead) + len(panel.heads) + training
    lines = [rf"\begin{{tabular}}{{{columns}{'l' if training else ''}}}", r"\toprule"]
    first = ["\\multirow{2}{*}{Model}", *(rf"\multirow{{2}}{{*}}{{{escape(name)}}}" for name in panel.lead)]
    rules, at = [], 2 + len(panel.lead)
    for group in panel.groups:
        first.append(rf"\multicolumn{{{len(group.heads)}}}{{c}}{{{escape(_setting(group))}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + len(group.heads) - 1}}}")
        at += len(group.heads)
    if training:
        first.append(r"\multirow{2}{*}{Trained on}")
    lines += [" & ".join(first) + r" \\", "".join(rules)]
    second = ["", *("" for _ in panel.lead), *(_head(head) for head in panel.heads), *([""] if training else [])]
    lines += [" & ".join(second) + r" \\", r"\midrule"]
    for number, block in enumerate(panel.blocks):
        if number:
            lines.append(r"\midrule")
        if block.title:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(block.title)}}}}} \\")
        lines += [_row(row, panel, intervals, training) for row in block.rows]
    return [*lines, r"\bottomrule", r"\end{tabular}%"]


def _setting(group: Group) -> str:
    return group.title


def _head(head: Head) -> str:
    unit = f" ({head.unit})" if head.unit else ""
    arrow = f" {head.arrow}" if head.arrow else ""
    return escape(f"{head.name}{unit}{arrow}")


def _row(row: Row, panel: Panel, intervals: bool, training: bool) -> str:
    letter = rf"\rlap{{$^{{\mathrm{{{MARKS[row.seen]}}}}}$}}" if row.seen in MARKS else ""
    cells = [escape(row.name) + letter, *(escape(text or "-") for text in row.lead)]
    cells += [_cell(cell, (intervals and not row.source) or "±" in cell.text, bool(row.source)) for cell in row.cells]
    if training:
        cells.append(escape(row.trained_on or "-"))
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell, interval: bool, published: bool) -> str:
    if not cell.text:
        return "-"
    if published:
        return escape(cell.text.replace("±", " ± "))
    text = escape(cell.text)
    if cell.mark == "best":
        text = rf"\textbf{{{text}}}"
    elif cell.mark == "second":
        text = rf"\underline{{{text}}}"
    if cell.tied:
        text += r"\rlap{$^{=}$}"
    if 0 < cell.n < cell.total:
        text += rf" {{\scriptsize {cell.n}/{cell.total}}}"
    if interval and cell.low is not None and cell.high is not None:
        digits = len(cell.text.partition(".")[2])
        text += rf" {{\scriptsize [{cell.low:.{digits}f}, {cell.high:.{digits}f}]}}"
    return text
