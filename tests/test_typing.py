"""A user's type checker finds the rooms that lie beside ``dubbench/``."""

import subprocess
import sys
from pathlib import Path

USE = """
import dubbench
from dubbench.leaderboards.sheet import sheets
from dubbench.metrics.parts.dtw import warp_path
from dubbench.systems.espeak import EspeakMeanspan

reveal_type(dubbench.load)
reveal_type(sheets)
"""


def test_mypy_of_a_user_reads_every_room(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, "-m", "mypy", "--follow-imports=silent", "use.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (
        '-> dubbench.api.results.Results"' in done.stdout and "list[dubbench.leaderboards.sheet.Sheet]" in done.stdout
    )
