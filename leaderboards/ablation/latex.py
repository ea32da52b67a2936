"""A table of an ablation for LaTeX."""

from __future__ import annotations

import re

from dubbench.leaderboards.ablation.tables import MINUS, Text

_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SYMBOLS = {
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$", MINUS: "$-$", "–": "--", "▲": r"$\blacktriangle$"},
    **{"▼": r"$\blacktriangledown$", "✓": r"$\checkmark$", "✗": r"$\times$", "·": r"$\cdot$", "²": r"$^2$", "“": "``"},
    "”": "''",
}


def tex(text: str) -> str:
    """Text for LaTeX: special characters escaped; a loss's name (L_VT) as mathematics."""
    out = "".join(_TEX.get(c) or (f"\\{c}" if c in "&%$#_{}" else _SYMBOLS.get(c, c)) for c in text)
    out = out.replace("--", "-{}-") if "--" in text else out
    return re.sub(r"\bL\\_(\w+)", r"$\\mathcal{L}_{\\mathrm{\1}}$", out)


PAGE = 105
"""Characters of \\footnotesize that a line of a two-column page holds."""


def to_latex(text: Text, label: str) -> str:
    """A ``table*`` to ``\\input``, or several where the columns do not fit one; needs booktabs and amssymb."""
    lines: list[str] = []
    for part, columns in enumerate(_fitting(text)):
        width = len(columns) + 1
        caption = f"{text.title}, continued" if part else f"{text.title}. {' '.join(text.notes)}"
        lines += [r"\begin{table*}[tp]\centering\footnotesize", rf"\caption{{{tex(caption)}}}"]
        lines += [] if part else [rf"\label{{tab:{label}}}"]
        lines += [rf"\begin{{tabular}}{{l{'r' * len(columns)}}}", r"\toprule"]
        lines += [" & ".join(tex(text.header[c]) for c in (0, *columns)) + r" \\", r"\midrule"]
        for i, row in enumerate(text.rows):
            if i in text.groups:
                lines.append(rf"\addlinespace \multicolumn{{{width}}}{{l}}{{\itshape {tex(text.groups[i])}}} \\")
            lines.append(" & ".join(tex(row[c]) for c in (0, *columns)) + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table*}"]
    return "\n".join([*lines, ""])


def _fitting(text: Text) -> list[list[int]]:
    """The columns after the first, in groups that fit a page beside it."""
    wide = [max(len(row[c]) for row in (text.header, *text.rows)) + 2 for c in range(len(text.header))]
    groups: list[list[int]] = [[]]
    for column in range(1, len(wide)):
        if groups[-1] and wide[0] + sum(wide[c] for c in (*groups[-1], column)) > PAGE:
            groups.append([])
        groups[-1].append(column)
    return groups
