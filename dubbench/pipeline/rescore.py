"""A run scored again: its columns are kept, replaced or added to."""

from __future__ import annotations

import sys

from dubbench.errors import DubbenchError
from dubbench.pipeline.components import metric_entries
from dubbench.pipeline.store import Manifest, MetricEntry


def metrics_today(manifest: Manifest, profile: str, metrics: tuple[str, ...]) -> tuple[dict[str, object], set[str]]:
    """What changes in a manifest that is scored again, and the metrics whose recipe here is not the run's."""
    if not profile and not metrics:  # the run's own: those that it names, or its profile's
        profile, metrics = manifest.profile, manifest.chosen
        gone = [name for name in metrics if not _signature_here(name)]  # they stay as they are
        metrics = tuple(name for name in metrics if name not in gone)
        wanted, left_out = metric_entries(profile, metrics) if metrics or not gone else ({}, [])
    else:
        wanted, left_out = metric_entries(profile, metrics)
    columns = {column.name: name for name, entry in wanted.items() for column in entry.columns}
    kept: dict[str, MetricEntry] = {}
    for name, entry in manifest.metrics.items():
        by = next((columns[c.name] for c in entry.columns if c.name in columns), None)
        if by is None:
            kept[name] = entry
        elif name not in wanted:
            print(f"{name} gives the same column as {by}, which takes its place", file=sys.stderr)
    frozen = {name for name, entry in kept.items() if _signature_here(name) != entry.signature}
    entries = {name: wanted.get(name) or kept[name] for name in manifest.metrics if name in wanted or name in kept}
    entries |= wanted
    update: dict[str, object] = {
        "metrics": entries,
        "notes": tuple(dict.fromkeys((*manifest.notes, *left_out))),
        "profile": manifest.profile if metrics else profile,
    }
    if set(entries) != set(manifest.metrics):
        update["chosen"] = tuple(entries) if metrics or kept else ()
    return update, frozen


def _signature_here(name: str) -> str:
    """The signature of a metric as it is here; empty if it cannot be had."""
    try:
        return metric_entries("", (name,))[0][name].signature
    except DubbenchError:
        return ""
