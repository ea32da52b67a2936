"""A matplotlib figure without windows, global state or markup, and how it is saved."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dubbench.errors import DubbenchError, require
from dubbench.runtime.files import durable

SUFFIXES = (".pdf", ".svg", ".png")
BLUE, RED, GREY = "#17698a", "#c0392b", "#8a929b"
COLOURS = ("#17698a", "#c0622b", "#4c8c4a", "#7d4f9e", "#b8942b", "#3c3c3c", "#c44e7b", "#4fa3a0")

STYLE: Mapping[str, Any] = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.usetex": False,
    "svg.hashsalt": "dubbench",
    "pdf.fonttype": 42,
}

_DATES: Mapping[str, Mapping[str, Any]] = {
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
}


@contextmanager
def drawing(out: Path, width: float, height: float) -> Iterator[Any]:
    """A new ``matplotlib.figure.Figure`` that is saved to ``out`` at the end of the block.

    Args:
        out: its suffix says the format: .pdf, .svg or .png (300 dots an inch).
        width, height: in inches; a column of a paper is about 3.4, a page 7 wide.

    Raises:
        DubbenchError: another suffix, or matplotlib is not installed.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        raise DubbenchError(f"{out}: give a name that ends in {', '.join(SUFFIXES)}")
    matplotlib = require("matplotlib", "figures", "drawing figures")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # scripts that the font lacks become boxes
        warnings.filterwarnings("ignore", category=matplotlib.MatplotlibDeprecationWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        out.parent.mkdir(parents=True, exist_ok=True)
        with durable(out) as temporary:
            figure.savefig(temporary, format=suffix[1:], dpi=300, metadata=dict(_DATES[suffix]))


def short(text: str, most: int = 40) -> str:
    """One line of a text from outside, without control characters, at most ``most`` long."""
    line = "".join(char for char in " ".join(text.split()) if char.isprintable())
    return line if len(line) <= most else f"{line[: most - 1]}…"
