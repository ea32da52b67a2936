"""``dubbench published``: the numbers that papers print, and their known faults."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dubbench.errors import DubbenchError


def published(
    dataset: Annotated[str | None, typer.Option(help="Only this data set, for example chem.")] = None,
    setting: Annotated[str | None, typer.Option(help="Only this setting, for example 2.0.")] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", metavar="NAME", help="Only this system.")] = None,
    column: Annotated[str | None, typer.Option(help="Only this column, for example WER.")] = None,
    check: Annotated[bool, typer.Option("--check", help="List what cannot be true together instead.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the numbers that papers print, with source, table and protocol. They are never ranked.

    With --check: contradictions between sources, rows copied from one paper into another, counts and intervals that
    cannot be.
    """
    from dubbench.cli.listing import to_json
    from dubbench.leaderboards.published.check import findings
    from dubbench.leaderboards.published.rows import published as numbers
    from dubbench.leaderboards.published.rows import sources

    every = numbers()
    asked = {"dataset": dataset, "setting": setting, "system": system, "column": column}
    for name, value in asked.items():
        known = sorted({getattr(n, name) for n in every})
        if value is not None and value.lower() not in (k.lower() for k in known):
            raise DubbenchError(f"no published number has the {name} {value!r}; there are: {', '.join(known)}")
    kept = [n for n in every if all(v is None or getattr(n, k).lower() == v.lower() for k, v in asked.items())]
    if check:
        counted = sources() if not (setting or system or column) else ()
        found = [f for f in findings(kept, counted) if dataset is None or dataset.lower() in f.about.lower()]
        rows: list[dict[str, Any]] = [{"rule": f.rule, "about": f.about, "text": f.text} for f in found]
        lines = [f"{f.rule:13} {f.text}" for f in found]
        lines.append(f"{len(found)} findings in {len(kept)} numbers of {len({n.source.id for n in kept})} sources")
    else:
        rows = [record(n) for n in kept]
        lines = [_line(n) for n in kept]
    typer.echo(to_json(rows) if json else "\n".join(lines))


def record(n: Any) -> dict[str, Any]:
    """A number as a flat row."""
    fields = ("where", "dataset", "setting", "system", "variant", "column", "text", "value", "spread", "protocol")
    source = n.source
    told = {"source": source.id, "kind": source.kind, "title": source.title, "address": source.address}
    return {**told, **{name: getattr(n, name) for name in fields}, "measured_by": source.measured_by}


def _line(n: Any) -> str:
    name = f"{n.system}; {n.variant}" if n.variant else n.system
    mark = f" ({n.source.mark})" if n.source.mark else ""
    return f"{n.dataset:10} {n.setting:5} {name:44} {n.column:10} {n.text:>10}  {n.place}{mark}"
