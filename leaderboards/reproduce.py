"""The command that makes a run again."""

from __future__ import annotations

import shlex

from dubbench.core.spec import plain
from dubbench.leaderboards.sheet import Sheet


def command(sheet: Sheet, number: int) -> str:
    """The command for a shell. ``ROOT`` stands for where the data set lies, ``VOICES`` for the folder of voices; files
    are named without their folder."""
    m = sheet.runs[number].manifest
    split, mark, limit = m.split.removesuffix("]").rpartition("[")
    if not mark or not m.split.endswith("]"):
        split, limit = m.split, ""
    words = ["dubbench", "run", "--dataset", m.dataset, "--root", "ROOT", "--split", m.files.get("split", split)]
    words += ["--limit", limit] if limit else []
    if m.setting in ("1.0", "2.0", "3.0"):
        words += ["--setting", m.setting]
    else:
        words += ["--pairing", m.files.get("pairing", m.setting.removeprefix("table:") + ".csv")]
    words += ["--voices", "VOICES"] if m.setting == "3.0" or "voices" in m.files else []
    words += ["--profile", m.profile, "--seed", str(m.seed)]
    for name in m.chosen:
        words += ["--metric", name]
    for label, entry in m.systems.items():
        words += ["--system", entry.spec if plain(label) == plain(entry.spec) else f"{label}={entry.spec}"]
    return shlex.join(words)
