"""The paths of a machine, taken out of a run's texts before somebody else gets them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dubbench.pipeline.scores import Scores
from dubbench.pipeline.store import DubRow, Manifest, Run, slug

ROOT = "ROOT"
"""Stands for the folder of the data set."""

_STOP = r"\s\"'<>|:;,()\[\]"
_BARE = re.compile(
    rf"(?<![\w./:\\…-])(?:~?/(?:[^/{_STOP}]+/)+|[A-Za-z]:[\\/](?:[^\\/{_STOP}]+[\\/])+|\\\\(?:[^\\{_STOP}]+\\)+)"
)
_QUOTED = re.compile(r"([\"'])(?:~?/|[A-Za-z]:[\\/]|\\\\)[^\"'\n]*[\\/]([^\"'\n\\/]*)\1")


class Private:
    """What to take out: the folders that are known to be private by name, and every other absolute path but its end.

    Args:
        run: the run folder; it becomes ``RUN``.
        root: the data set's folder as the manifest has it; it becomes ``ROOT``.
    """

    def __init__(self, run: Path, root: str) -> None:
        known = {root: ROOT, str(run.absolute()): "RUN", str(run.resolve()): "RUN", str(Path.home()): "~"}
        known |= {str(Path.cwd()): "~", tempfile.gettempdir(): "~"}
        self.known = {path.rstrip("/\\"): word for path, word in known.items() if len(path.rstrip("/\\")) > 1}

    def text(self, text: str) -> str:
        """``text`` without private paths; of an unknown one ``…/`` and its last part stay."""
        for path in sorted(self.known, key=len, reverse=True):
            text = re.sub(re.escape(path) + r"(?![\w.-])", lambda _, word=self.known[path]: word, text)  # type: ignore[misc]
        return _BARE.sub("…/", _QUOTED.sub(r"\1…/\2\1", text))

    def file(self, path: str) -> str:
        """A file by its place in the data set, or by its name alone."""
        if not path:
            return ""
        shown = self.text(path)
        return shown if shown.startswith(f"{ROOT}/") else re.split(r"[\\/]", shown)[-1]

    def every(self, value: Any) -> Any:
        """`text` of every text in plain JSON, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.every(item) for key, item in value.items()}
        return [self.every(item) for item in value] if isinstance(value, (list, tuple)) else value


def without_paths(run: Run) -> Run:
    """The run as a stranger may read it: sentences, ids, recipes and numbers stay as they are.

    A system that was named by its path gets a shorter label, in all tables; its dubs stay where they are.
    """
    private = Private(run.path, run.manifest.root)
    labels: dict[str, str] = {}
    for label in run.manifest.systems:
        short, number = private.text(label), 2
        while slug(short).casefold() in {slug(other).casefold() for other in labels.values()}:
            short, number = f"{private.text(label)} ({number})", number + 1
        labels[label] = short
    metrics = {name: private.text(name) for name in run.manifest.metrics}
    columns = {
        (labels[system], metrics[metric]): _reasons(found, private) for (system, metric), found in run.columns.items()
    }
    dubs = tuple(_dub(row, labels[row.system], private) for row in run.dubs)
    return run.model_copy(
        update={"manifest": _manifest(run.manifest, labels, metrics, private), "dubs": dubs, "columns": columns}
    )


def _manifest(manifest: Manifest, labels: Mapping[str, str], metrics: Mapping[str, str], private: Private) -> Manifest:
    told = json.loads(manifest.model_dump_json())
    told["root"] = ROOT
    for clip in told["clips"]:
        clip |= {"video": private.file(clip["video"]), "phones": private.file(clip["phones"])}
        clip |= {name: private.every(clip[name]) for name in ("problem", "truth_problem", "reference_problem", "notes")}
        clip["reference"] = private.text(clip["reference"])
    told["systems"] = {labels[label]: private.every(entry) for label, entry in told["systems"].items()}
    told["metrics"] = {metrics[name]: entry for name, entry in told["metrics"].items()}
    told |= {name: private.every(told[name]) for name in ("rejected", "files", "notes", "chosen", "split", "setting")}
    return Manifest.model_validate_json(json.dumps(told))


def _dub(row: DubRow, label: str, private: Private) -> DubRow:
    texts = {"system": label, "reason": private.text(row.reason), "extras": private.every(row.extras)}
    return row.model_copy(update=texts)


def _reasons(found: Scores, private: Private) -> Scores:
    return replace(found, reasons={i: private.text(reason) for i, reason in found.reasons.items()})
