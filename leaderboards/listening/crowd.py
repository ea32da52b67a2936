"""One row a block for crowd platforms: the address to send a worker to."""

from __future__ import annotations

from pathlib import Path

from dubbench.leaderboards.listening.key import Key
from dubbench.leaderboards.table import csv_text
from dubbench.runtime.files import write_text


def write_crowd(out: Path, key: Key, address: str) -> Path:
    """Write ``crowd.csv``: block, address, pages, seconds (about), code_prefix.

    A worker's completion code begins with ``code_prefix``; the long answer code, if it is asked for too, holds all
    answers, so that a page without a server behind it is enough.

    Args:
        address: where the page will lie; ``?block=`` is added, and a platform can add ``&id=`` for its worker.
    """
    join = "&" if "?" in address else "?"
    rows = (
        (str(i), f"{address}{join}block={i}", str(len(block)), str(30 + 15 * len(block)), f"{i:02d}-")
        for i, block in enumerate(key.blocks, 1)
    )
    write_text(out / "crowd.csv", csv_text(("block", "address", "pages", "seconds", "code_prefix"), rows))
    return out / "crowd.csv"
