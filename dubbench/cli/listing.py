"""Rows for the verbs that list systems, metrics and data sets."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from dubbench.cli.option_help import option_rows
from dubbench.core.identity import signature
from dubbench.core.plugins import factory, names, origin
from dubbench.core.spec import parse_spec
from dubbench.datasets.base import Dataset, Problem
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_metric, make_system, profiles_of
from dubbench.systems.catalogue import listed, place_of

Row = dict[str, Any]


def list_systems() -> list[Row]:
    """One row a registered system, one that cannot be imported saying why; then the others of the field."""
    known = listed()
    rows: list[Row] = []
    for name in names("systems"):
        try:
            make = factory("systems", name)
            summary, state = _summary(make), make.state() if hasattr(make, "state") else "ready"
        except DubbenchError as error:
            summary, state = f"unusable: {error}", "unusable"
        rows.append({"name": name, "summary": summary, "state": state, "origin": origin("systems", name)})
    for name, entry in known.items():
        if name not in names("systems"):
            said = f"{entry.title}: {place_of(entry)}"
            rows.append({"name": name, "summary": said, "state": entry.state, "origin": "not run here"})
    return rows


def _summary(make: Any) -> str:
    """The first paragraph of what a class or function says of itself."""
    return " ".join((make.__doc__ or "").split("\n\n")[0].split())


def show_system(spec: str) -> Row:
    """All that a system says about itself; where it cannot be created without options, what its class says, and why.

    Raises:
        DubbenchError: unknown, not importable, or options that do not fit.
    """
    parsed = parse_spec(spec)
    same = parsed.name.replace("-", "_")
    if same in listed() and same not in names("systems"):
        return listed()[same].model_dump()
    where = origin("systems", parsed.name)
    make = factory("systems", parsed.name)
    options = option_rows(make)
    if hasattr(make, "about") and not (parsed.args or parsed.kwargs):
        about = {"name": parsed.name, "summary": _summary(make), **make.about()}
        return {**about, "options": options, "origin": where}
    try:
        return {"spec": str(parsed), **make_system(parsed).info.model_dump(), "options": options, "origin": where}
    except DubbenchError as error:
        if parsed.args or parsed.kwargs:
            raise
        return {
            "name": parsed.name,
            "summary": _summary(make),
            "options": options,
            "state": f"not ready: {error}",
            "origin": where,
        }


def list_metrics() -> list[Row]:
    """One row a registered metric."""
    rows: list[Row] = []
    for name in names("metrics"):
        try:
            metric = make_metric(name)
            info = metric.info
            rows.append(
                {
                    "name": name,
                    "columns": ", ".join(c.name for c in metric.columns),
                    "recipe": info.recipe,
                    "profiles": ", ".join(sorted(info.profiles)),
                    "summary": info.summary,
                }
            )
        except DubbenchError as error:
            rows.append({"name": name, **_known(name), "summary": f"unusable: {error}"})
    return rows


def _known(name: str) -> Row:
    """What a metric's class says where the metric itself cannot be made."""
    try:
        columns = getattr(factory("metrics", name), "columns", ())
        profiles = sorted(profiles_of(name))
    except DubbenchError:
        columns, profiles = (), []
    return {"columns": ", ".join(c.name for c in columns), "recipe": "", "profiles": ", ".join(profiles)}


def show_metric(text: str) -> Row:
    """A metric's whole recipe, its options, columns and signature.

    Raises:
        DubbenchError: unknown, with the metric that gives a column of that name; not importable; options do not fit.
    """
    name = parse_spec(text).name
    try:
        origin("metrics", name)
    except DubbenchError as error:
        raise DubbenchError(_by_column(name) or str(error)) from error
    metric = make_metric(text)
    return {
        **metric.info.model_dump(),
        "signature": signature(metric.info),
        "options": option_rows(factory("metrics", name)),
        "columns": [c.model_dump() for c in metric.columns],
        "origin": origin("metrics", name),
    }


def _by_column(name: str) -> str:
    """Where a column of that name comes from; empty if no metric gives it."""
    for metric in names("metrics"):
        try:
            columns = getattr(factory("metrics", metric), "columns", ())
        except DubbenchError:
            continue
        for column in columns:
            if column.name.casefold() == name.casefold():
                return f"{column.name} is a column of the metric {metric!r}: dubbench metrics {metric}"
    return ""


def list_datasets() -> list[Row]:
    """One row a registered data set."""
    rows: list[Row] = []
    for name in names("datasets"):
        try:
            info = factory("datasets", name).info
            rows.append({"name": name, "summary": info.summary, "licence": info.licence})
        except (DubbenchError, AttributeError) as error:
            rows.append({"name": name, "summary": f"unusable: {error}", "licence": ""})
    return rows


def show_dataset(name: str, opener: Callable[[str, dict[str, Path]], Dataset], roots: dict[str, Path]) -> Row:
    """What a data set is; with a root (or embedded), also what of it is here."""
    info = factory("datasets", name).info
    row: Row = info.model_dump()
    try:
        data = opener(name, roots)
        clips = data.clips()
        chosen = select(data, "test")
        row |= {
            "root": str(data.root),
            "clips": len(clips),
            "speakers": len({c.speaker for c in clips}),
            "test_clips": len(chosen.clips),
            "note": chosen.note,
            "problems": len(data.problems()),
        }
    except DubbenchError as error:
        row["here"] = str(error)
    return row


def check_dataset(data: Dataset, split: str, workers: int, quick: bool) -> tuple[Row, int]:
    """Open every clip; returns the report and how many problems there are. ``quick`` leaves the faces out."""
    from importlib.util import find_spec

    from dubbench.datasets.check import check, summary
    from dubbench.pipeline.own_sync import faces_and_sync
    from dubbench.runtime.progress import progress

    chosen = select(data, split)
    able = find_spec("mediapipe") is not None and find_spec("torch") is not None
    look = faces_and_sync if able and not quick else None
    said = "followed" if look else "not looked for" + ("" if quick else ": pip install 'dubbench[face,metrics]'")
    with progress("checking clips", len(chosen.clips)) as advance:
        problems = [*data.problems(), *check(chosen.clips, workers, advance, data.info.seconds, look)]
    report = {**summary(data, chosen.clips), "faces": said, "problems": [f"{p.clip}: {p.what}" for p in problems]}
    return report, len(problems)


def prepare_dataset(name: str, root: Path | None, workers: int, options: Mapping[str, Any]) -> list[Problem]:
    """Let a data set make itself ready; returns what could not be made.

    Raises:
        DubbenchError: it needs no preparing, an option that it does not take, or something it needs is missing.
    """
    prepare = getattr(factory("datasets", name), "prepare", None)
    if prepare is None:
        raise DubbenchError(f"{name} needs no preparing: give its folder with --root")
    found: list[Problem] = prepare(root, workers=workers, **_taken(name, "prepare", prepare, options))
    return found


def download_dataset(name: str, root: Path | None, options: Mapping[str, Any]) -> None:
    """Let a data set fetch itself.

    Raises:
        DubbenchError: there is nothing to fetch, an option that it does not take, or the fetching failed.
    """
    download = getattr(factory("datasets", name), "download", None)
    if download is None:
        able = [other for other in names("datasets") if hasattr(factory("datasets", other), "download")]
        raise DubbenchError(f"{name}: there is nothing to download; {' and '.join(able)} can be")
    download(root, **_taken(name, "download", download, options))


def _taken(name: str, verb: str, method: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, all of which the method must take."""
    given = {key: value for key, value in options.items() if value is not None}
    known = [p.name for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for key in given:
        if key not in known:
            takes = ", ".join(f"--{k}" for k in known if k != "workers") or "no options"
            raise DubbenchError(f"data {verb} {name} does not take --{key}; it takes {takes}")
    return given


def to_json(value: Any) -> str:
    """Rows as JSON."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value)
    return str(value)


def to_text(value: Any) -> str:
    """Rows as an aligned table; one record as ``key: value`` lines."""
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if isinstance(item, (list, tuple)) and item:
                lines.append(f"{key}:")
                lines += [f"  {entry}" for entry in item]
            else:
                lines.append(f"{key}: {item}")
        return "\n".join(lines)
    if not value:
        return "nothing there"
    keys = list(value[0])
    widths = {k: max(len(k), *(len(str(row[k])) for row in value)) for k in keys[:-1]}
    rows = [dict(zip(keys, keys, strict=True)), *value]
    return "\n".join("  ".join([*(str(r[k]).ljust(widths[k]) for k in keys[:-1]), str(r[keys[-1]])]) for r in rows)
