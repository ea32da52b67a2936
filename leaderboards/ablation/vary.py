"""An ablation of a system's options: nothing is trained, every option of ``--vary`` is changed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dubbench.core.ablation import Published, Row, Step
from dubbench.core.spec import Spec, parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_system


class Vary:
    """`dubbench.core.ablation.Recipe` over options.

    Args:
        texts: specs such as ``diflowdubber(temperature=0.3|1, nfe=4)``: a row for each value, changed alone.
        base: spec of the whole system; empty for the system with its defaults.

    Raises:
        DubbenchError: specs of several systems, without options, or with options that the system does not have.
    """

    published: Published | None = None
    options: Mapping[str, str] = {}

    def __init__(self, texts: Sequence[str], base: str = "") -> None:
        specs = [parse_spec(text) for text in texts]
        self.base = replace(parse_spec(base) if base else Spec(specs[0].name), label="")
        others = {spec.name for spec in specs} - {self.base.name}
        if others:
            raise DubbenchError(f"--vary changes one system, {self.base.name}; {', '.join(sorted(others))} is another")
        self.changes: dict[str, tuple[str, Any]] = {}
        for spec in specs:
            if spec.args or not spec.kwargs:
                raise DubbenchError(f"--vary {spec}: write it as {spec.name}(option=value|value, …)")
            for key, value in spec.kwargs:
                for one in values(spec.name, key, value):
                    self.changes[f"{key}={one}".lower() if isinstance(one, bool) else f"{key}={one}"] = (key, one)
        self.title = f"Options of {self.base}"
        self.rows: Sequence[Row] = [Row("base", str(self.base)), *(Row(name, name) for name in self.changes)]
        self.notes = ["Every row changes one option of the base; nothing is trained. A seed is one of the dubs."]
        for row in self.rows:
            make_system(self.spec(row, 0))  # a wrong option is told before the work begins

    def steps(self) -> Sequence[Step]:
        """None."""
        return []

    def spec(self, row: Row, seed: int) -> Spec:
        """The base with one option changed."""
        return changed(self.base, *self.changes[row.name]) if row.name in self.changes else self.base


def values(system: str, key: str, value: Any) -> list[Any]:
    """The alternatives in ``value``, ``0.3|1`` as 0.3 and 1."""
    if not isinstance(value, str) or "|" not in value:
        return [value]
    return [dict(parse_spec(f"{system}({key}={part})").kwargs)[key] for part in value.split("|")]


def changed(spec: Spec, key: str, value: Any) -> Spec:
    """``spec`` with one option set."""
    return replace(spec, kwargs=tuple({**dict(spec.kwargs), key: value}.items()))
