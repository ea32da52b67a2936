"""Weights that recipes lack, and the one command that fetches them: rows for ``dubbench doctor``."""

from __future__ import annotations

from typing import Any

from dubbench.core.plugins import assets_of, names
from dubbench.errors import DubbenchError
from dubbench.weights.catalogue import Asset, asset, assets, have

OPTIONAL = "optional: "
"""How the state of a part begins that is missing, and that the default run does without."""


def users() -> dict[str, list[str]]:
    """Weight -> the metrics that load it."""
    found: dict[str, list[str]] = {}
    for metric in names("metrics"):
        for weight in weights_of(metric):
            found.setdefault(weight, []).append(metric)
    return found


def weights_of(metric: str) -> tuple[str, ...]:
    """What is known of a metric's weights; a plugin that does not import, or names an unknown one, fails elsewhere."""
    try:
        return tuple(name for name in assets_of(metric) if name in assets())
    except DubbenchError:
        return ()


def lacking(metric: str) -> list[Asset]:
    """The weights of a metric that are not here, or not usable."""
    return [asset(name) for name in weights_of(metric) if not have(name)]


def examine_assets() -> list[dict[str, Any]]:
    """A row for each metric that lacks weights, with the command that brings them."""
    rows: list[dict[str, Any]] = []
    for metric in names("metrics"):
        if items := lacking(metric):
            state = f"{OPTIONAL}lacks weights: {', '.join(item.name for item in items)}"
            rows.append({"part": f"metric {metric}", "state": state, "remedy": command(items)})
    return rows


def command(items: list[Asset]) -> str:
    """The command that brings these weights."""
    flags = " --convert" if any(item.convert for item in items) else ""
    return f"dubbench assets fetch {' '.join(item.name for item in items)}{flags}"
