"""A table as Markdown, HTML, CSV and parquet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

from dubbench.leaderboards.markdown import cell_text
from dubbench.leaderboards.markdown import table as markdown_table
from dubbench.leaderboards.paper.layout import Cell, Head, Panel, Row, Table, records
from dubbench.leaderboards.paper.training import MARKS
from dubbench.leaderboards.table import csv_text, number

FIELDS = (
    *("table", "kind", "panel", "block", "system", "setting", "column", "direction", "unit", "text", "value"),
    *("ci_low", "ci_high", "n_scored", "n_total", "mark", "tied", "params", "nfe", "rtf", "trained_on", "seen"),
    *("source", "signature"),
)
"""Fields of a record: one cell of one table."""
NUMBERS = ("value", "ci_low", "ci_high")
COUNTS = ("n_scored", "n_total")

STYLE = """
table{border-collapse:collapse;font:14px/1.5 system-ui,sans-serif;font-variant-numeric:tabular-nums}
caption{text-align:left;max-width:60em;padding:.6em 0}th,td{padding:.15em .7em;text-align:right;white-space:nowrap}
th[scope=row],th.l,td.l{text-align:left;font-weight:400}thead tr:first-child{border-top:2px solid}
thead tr:last-child{border-bottom:1px solid}tbody{border-bottom:1px solid}tbody:last-of-type{border-bottom:2px solid}
th[scope=rowgroup]{text-align:left;font-style:italic;font-weight:400}u{text-underline-offset:.2em}
th[scope=colgroup]{text-align:center}sup{line-height:0}
small{font-size:.8em}body{margin:2em;color-scheme:light dark}.scroll{overflow-x:auto}
""".strip()


def markdown(table: Table, intervals: bool = False, training: bool = False) -> str:
    """A section with one Markdown table a panel."""
    lines = [f"## {table.name}", "", cell_text(table.caption), ""]
    for panel in table.panels:
        if panel.title and len(table.panels) > 1:
            lines += [f"### {cell_text(panel.title)}", ""]
        several = len(panel.groups) > 1
        header = ["Model", *(cell_text(name) for name in panel.lead)]
        header += [
            cell_text(f"{_head(head)}, {group.setting}" if several else _head(head))
            for group in panel.groups
            for head in group.heads
        ]
        header += ["Trained on"] if training else []
        rows = []
        for block in panel.blocks:
            if block.title:
                rows.append([f"*{cell_text(block.title)}*", *([""] * (len(header) - 1))])
            for row in block.rows:
                line = [cell_text(_name(row)), *(cell_text(text or "-") for text in row.lead)]
                line += [_markdown_cell(cell, intervals) for cell in row.cells]
                rows.append(line + ([cell_text(row.trained_on or "-")] if training else []))
        lines += [*markdown_table(header, rows), ""]
    lines += [line for note in table.notes for line in (cell_text(note), "")]
    return "\n".join(lines)


def _head(head: Head) -> str:
    return " ".join(part for part in (head.name, f"({head.unit})" if head.unit else "", head.arrow) if part)


def _name(row: Row) -> str:
    return f"{row.name} [{MARKS[row.seen]}]" if row.seen in MARKS else row.name


def _extras(cell: Cell, intervals: bool) -> list[str]:
    """What stands behind a number."""
    out = ["="] if cell.tied else []
    if 0 < cell.n < cell.total:
        out.append(f"({cell.n}/{cell.total})")
    if intervals and cell.total and cell.low is not None and cell.high is not None:
        digits = len(cell.text.partition(".")[2])
        out.append(f"[{cell.low:.{digits}f}, {cell.high:.{digits}f}]")
    return out


def _markdown_cell(cell: Cell, intervals: bool) -> str:
    text = {"best": f"**{cell.text}**", "second": f"<u>{cell.text}</u>", "": cell.text or "-"}[cell.mark]
    return " ".join([text, *_extras(cell, intervals)])


def html(tables: Sequence[Table], intervals: bool = False, training: bool = False) -> str:
    """A page of its own, without scripts."""
    body = "\n".join(_html_table(table, intervals, training) for table in tables)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<title>Tables</title><style>{STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _html_table(table: Table, intervals: bool, training: bool) -> str:
    out = [f'<section id="{escape(table.name)}">']
    for number_, panel in enumerate(table.panels):
        caption = table.caption if number_ == 0 else panel.title
        title = f"<strong>{escape(panel.title)}.</strong> " if panel.title and number_ == 0 else ""
        out.append(f'<div class="scroll"><table><caption>{title}{escape(caption)}</caption>')
        out.append(_html_head(panel, training))
        width = 1 + len(panel.lead) + len(panel.heads) + training
        for block in panel.blocks:
            out.append("<tbody>")
            if block.title:
                out.append(f'<tr><th scope="rowgroup" colspan="{width}">{escape(block.title)}</th></tr>')
            out += [_html_row(row, intervals, training) for row in block.rows]
            out.append("</tbody>")
        out.append("</table></div>")
    out += [f"<p><small>{escape(note)}</small></p>" for note in table.notes]
    return "\n".join([*out, "</section>"])


def _html_head(panel: Panel, training: bool) -> str:
    first = ['<th rowspan="2" scope="col" class="l">Model</th>']
    first += [f'<th rowspan="2" scope="col">{escape(name)}</th>' for name in panel.lead]
    first += [f'<th colspan="{len(g.heads)}" scope="colgroup">{escape(g.title)}</th>' for g in panel.groups]
    first += ['<th rowspan="2" scope="col" class="l">Trained on</th>'] if training else []
    second = [f'<th scope="col">{escape(_head(head))}</th>' for head in panel.heads]
    return f"<thead><tr>{''.join(first)}</tr><tr>{''.join(second)}</tr></thead>"


def _html_row(row: Row, intervals: bool, training: bool) -> str:
    mark = f"<sup>{MARKS[row.seen]}</sup>" if row.seen in MARKS else ""
    tip = f' title="{escape(row.source)}"' if row.source else ""
    cells = [f'<th scope="row"{tip}>{escape(row.name)}{mark}</th>']
    cells += [f"<td>{escape(text or '-')}</td>" for text in row.lead]
    for cell in row.cells:
        tag = {"best": "<strong>{}</strong>", "second": "<u>{}</u>", "": "{}"}[cell.mark]
        extras = "".join(f" <small>{escape(extra)}</small>" for extra in _extras(cell, intervals))
        cells.append(f"<td>{tag.format(escape(cell.text or '-'))}{extras}</td>")
    if training:
        cells.append(f'<td class="l">{escape(row.trained_on or "-")}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def csv(tables: Sequence[Table]) -> str:
    """One row a number, see `FIELDS`; numbers with six significant digits."""

    def line(record: dict[str, Any]) -> list[str]:
        found = {**record, **{name: number(record[name]) for name in NUMBERS}}
        return ["" if found.get(name) is None else str(found.get(name)) for name in FIELDS]

    return csv_text(FIELDS, (line(record) for record in records(tuple(tables))))


def parquet(tables: Sequence[Table]) -> bytes:
    """The same rows as `csv` with full precision."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {**dict.fromkeys(NUMBERS, pa.float64()), **dict.fromkeys(COUNTS, pa.int64()), "tied": pa.bool_()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in FIELDS])
    file = BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records(tuple(tables))), schema=schema), file)
    return file.getvalue()
