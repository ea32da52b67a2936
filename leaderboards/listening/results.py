"""An analysis as files: tables for machines, a page for people, and a column for the paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dubbench.leaderboards.listening.analysis import Analysis, Rating
from dubbench.leaderboards.statistics import UNITS, Estimate
from dubbench.leaderboards.table import csv_text, number
from dubbench.runtime.files import write_text

MOS = ("system", "column", "value", "low", "high", "n")
VOTES = ("column", "system", "against", "clip", "listener", "block", "page", "score", "repeat", "kept")


def write_results(analysis: Analysis, out: Path, run: Path | None) -> list[Path]:
    """Write ``mos.csv`` (also into the run's folder, where its tables find it), ``pairs.csv``, ``listeners.csv``,
    ``votes.csv``, ``mos.tex`` and ``report.md``; returns the files."""
    mos = csv_text(MOS, _mos(analysis))
    texts = {
        "mos.csv": mos,
        "pairs.csv": csv_text(("column", "a", "b", "difference", "low", "high", "n", "p", "holm"), _pairs(analysis)),
        "listeners.csv": csv_text(
            ("listener", "pages", "asked", "catches_passed", "catches", "agreement", "drift", "left_out"),
            _listeners(analysis),
        ),
        "votes.csv": csv_text(VOTES, _votes(analysis)),
        "mos.tex": latex(analysis),
        "report.md": report(analysis),
    }
    files = [out / name for name in texts]
    for path, text in zip(files, texts.values(), strict=True):
        write_text(path, text)
    if run is not None:
        write_text(run / "mos.csv", mos)
        files.append(run / "mos.csv")
    return files


def _mos(analysis: Analysis) -> Iterator[Sequence[str]]:
    for r in analysis.ratings:
        e = r.estimate
        yield r.system, r.column, number(e.value), number(e.low), number(e.high), str(e.n)


def _pairs(analysis: Analysis) -> Iterator[Sequence[str]]:
    for d in analysis.differences:
        e = d.estimate
        yield (
            *(d.column, d.a, d.b, number(e.value), number(e.low), number(e.high), str(e.n)),
            *(number(d.p), number(d.holm)),
        )


def _listeners(analysis: Analysis) -> Iterator[Sequence[str]]:
    for x in analysis.listeners:
        yield (
            *(x.name, str(x.pages), str(x.asked), str(x.passed), str(x.catches)),
            *(number(x.agreement), number(x.drift), x.why),
        )


def _votes(analysis: Analysis) -> Iterator[Sequence[str]]:
    for v in analysis.votes:
        against = v.condition[0] if len(v.condition) == 2 else ""
        yield (
            *(v.column, v.condition[-1], against, v.clip, v.listener, str(v.block + 1), str(v.page + 1)),
            *(number(v.score), str(int(v.repeat)), str(int(v.listener in analysis.kept))),
        )


def latex(analysis: Analysis) -> str:
    """A booktabs table: a row a system, a column a test, each value with half its 95 % interval."""
    columns = list(dict.fromkeys(r.column for r in analysis.ratings))
    cells = {(r.system, r.column): r for r in analysis.ratings}
    units = "; ".join(f"{c}: {_unit(next(r for r in analysis.ratings if r.column == c))}" for c in columns)
    lines = [
        f"% {units}; {len(analysis.kept)} of {len(analysis.listeners)} listeners kept",
        rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
        r"\toprule",
        " & ".join(["System", *(rf"{_tex(c)} $\uparrow$" for c in columns)]) + r" \\",
        r"\midrule",
    ]
    for system in analysis.key.systems:
        row = [_tex_cell(cells.get((system, column))) for column in columns]
        if any(cell != "-" for cell in row):
            lines.append(" & ".join([_tex(system), *row]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _tex_cell(rating: Rating | None) -> str:
    if rating is None or rating.estimate.value is None:
        return "-"
    e = rating.estimate
    half = "" if e.high is None else rf" $\pm$ {e.high - rating.estimate.value:.2f}"
    return f"${e.value:.2f}${half}"


def _tex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    special |= {c: "\\" + c for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)


def _unit(rating: Rating) -> str:
    return (
        f"95 % intervals by {rating.unit}"
        if rating.unit
        else f"No intervals: under {UNITS} listeners and {UNITS} clips"
    )


def _interval(e: Estimate) -> str:
    if e.value is None:
        return "-"
    return f"{e.value:.2f}" if e.low is None or e.high is None else f"{e.value:.2f} [{e.low:.2f}, {e.high:.2f}]"


def report(analysis: Analysis) -> str:
    """Everything in Markdown."""
    key = analysis.key
    lines = [f"# {_md(key.title)}", ""]
    lines += [
        f"Export {key.export} of {_md(key.comparability)}; {len(analysis.listeners)} listeners answered, "
        f"{len(analysis.kept)} are kept; loudness {key.lufs:g} LUFS.",
        "",
    ]
    for column in dict.fromkeys(r.column for r in analysis.ratings):
        rows = sorted(
            (r for r in analysis.ratings if r.column == column),
            key=lambda r: -(r.estimate.value if r.estimate.value is not None else -99),
        )
        agreed = analysis.alphas[column]
        lines += [f"## {column}", "", f"{_meaning(column)} {_unit(rows[0])}. "]
        lines[-1] += f"Krippendorff's alpha {_interval(agreed)} ({agreed.n} votes that pair)."
        lines += ["", "| system | value | n | without screening |", "|---|---|---|---|"]
        for r in rows:
            raw = "-" if r.unscreened is None else f"{r.unscreened:.2f}"
            lines.append(
                f"| {_md(r.system)} ({key.systems[r.system]}) | {_interval(r.estimate)} | {r.estimate.n} | {raw} |"
            )
        told = [d for d in analysis.differences if d.column == column and d.holm is not None and d.holm < 0.05]
        all_ = sum(d.column == column for d in analysis.differences)
        lines += ["", f"{len(told)} of {all_} pairs differ (p < 0.05 after Holm)" + (":" if told else ".")]
        lines += [""] if told else []
        lines += [f"- {_md(d.a)} − {_md(d.b)}: {_interval(d.estimate)}, p = {d.holm:.2g}" for d in told]
        lines.append("")
    lines += [
        "## Listeners",
        "",
        "| listener | pages | catch trials | agreement | drift | |",
        "|---|---|---|---|---|---|",
    ]
    for x in analysis.listeners:
        agreement = "-" if x.agreement is None else f"{x.agreement:.2f}"
        drift = "-" if x.drift is None else f"{x.drift:.2f}"
        told_ = f"left out: {x.why}" if x.why else ""
        lines.append(
            f"| {_md(x.name)} | {x.pages} of {x.asked} | {x.passed} of {x.catches} | {agreement} | {drift} | {told_} |"
        )
    notes = [*key.notes, *analysis.problems]
    if notes:
        lines += ["", "## Notes", "", *(f"- {_md(note)}" for note in notes)]
    return "\n".join([*lines, ""])


def _meaning(column: str) -> str:
    if column.startswith("BT-"):
        return "Bradley–Terry strengths in log-odds (they sum to 0; ties after Davidson)."
    if column == "CMOS":
        return "Mean comparison with the one system, from -3 to 3; above 0 is better than it."
    return "Mean opinion, 1 to 5."


def _md(text: str) -> str:
    return "".join("\\" + c if c in "|<>*_`[]\\" else c for c in text)
