"""The log of a training: a line of JSON a step, and TensorBoard if it is installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dubbench.runtime.files import atomic


class Log:
    """``log.jsonl`` of a run, and TensorBoard's events beside it.

    Args:
        run: the run's folder.
        step: the step to go on from; what the log says of later ones is taken out, since they are done again.
    """

    def __init__(self, run: Path, step: int) -> None:
        self.path = Path(run) / "log.jsonl"
        if self.path.is_file():
            kept = [line for line in read_log(self.path) if line["step"] <= step]
            with atomic(self.path) as temporary:
                temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
        self._file = self.path.open("a", encoding="utf-8")
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(str(Path(run) / "tensorboard"), purge_step=step + 1)  # type: ignore[no-untyped-call]

    def write(self, step: int, what: str, values: Mapping[str, float]) -> None:
        """One line: ``values`` of ``what`` (``train`` or ``validation``) at ``step``."""
        self._file.write(json.dumps({"step": step, "what": what, **values}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"{what}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; one that was cut off by a kill is left out."""
    lines = []
    for text in path.read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            continue
    return lines
