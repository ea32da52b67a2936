"""Configurations by name, and named changes to them: the paper's training on each data set, the rows of Table 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from dubbench.errors import DubbenchError
from dubbench.runtime.spelling import nearest

from .config import PAPER, SMALL, TINY, Config

CONFIGS = {config.name: config for config in (PAPER, SMALL, TINY)}

# The rows of Table 3, in its order. A key with a dot is a setting of one stage's training or a loss's weight.
TABLE_3: dict[str, dict[str, Any]] = {
    "no-pretraining": {"pretraining": False, "distill": False},
    "no-align": {"use_vt_loss": False, "use_st_loss": False},
    "no-vt": {"use_vt_loss": False},
    "no-st": {"use_st_loss": False},
    "no-distill": {"distill": False},
    "no-ctc": {"ctc": False},
    "no-fuse": {"fuse_prosody": False},
    "no-fapro": {"fapro": False},
}

PRESETS: dict[str, dict[str, Any]] = {
    "grid": {"dub.batch": 64, "dub.epochs": 200},
    "chem": {"dub.batch": 16, "dub.epochs": 150},
    **TABLE_3,
}


def configuration(name: str, *presets: str, **settings: Any) -> Config:
    """The configuration ``name`` under ``presets``, with single ``settings`` changed.

    Raises:
        DubbenchError: an unknown configuration, preset or setting, or presets that contradict each other.
    """
    if name not in CONFIGS:
        raise DubbenchError(f"no configuration {name!r}; {meant(name, CONFIGS)}, or a .toml file")
    return changed(CONFIGS[name], {**preset_changes(presets), **settings})


def preset_changes(presets: Iterable[str]) -> dict[str, Any]:
    """Setting -> value of several presets together.

    Raises:
        DubbenchError: an unknown preset, or two that set one thing differently.
    """
    changes: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for preset in filter(None, presets):
        if preset not in PRESETS:
            raise DubbenchError(f"no preset {preset!r}; {meant(preset, PRESETS)}")
        for key, value in PRESETS[preset].items():
            if changes.get(key, value) != value:
                raise DubbenchError(f"presets {owner[key]} and {preset} cannot be combined: both set {key}")
            changes[key], owner[key] = value, preset
    return changes


def changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """``config`` with ``changes``, setting (``tau``, ``dub.batch``) -> value of its type.

    ``steps`` alone takes the place of ``epochs``, and the reverse.

    Raises:
        DubbenchError: an unknown setting, or values that cannot be combined.
    """
    flat: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        part, _, name = key.rpartition(".")
        if key not in keys(config):
            raise DubbenchError(f"no setting {key!r}; {meant(key, keys(config))}")
        if part:
            parts.setdefault(part, {})[name] = value
        else:
            flat[name] = value
    for part, values in parts.items():
        for one, other in (("steps", "epochs"), ("epochs", "steps")):
            if values.get(one) and other not in values and other in getattr(config, part).__dataclass_fields__:
                values = {**values, other: 0}
        try:
            flat[part] = replace(flat.get(part, getattr(config, part)), **values)
        except DubbenchError as error:
            raise DubbenchError(f"{part}: {error}") from error
    return replace(config, **flat)


def keys(config: Config) -> list[str]:
    """The names of all settings; those of one stage's training and of the losses' weights with a dot."""
    found = []
    for name in config.__dataclass_fields__:
        part = getattr(config, name)
        inner = getattr(part, "__dataclass_fields__", None)
        found += [f"{name}.{field}" for field in inner] if inner else [name]
    return found


def meant(name: str, known: Iterable[str]) -> str:
    """``did you mean …?`` if one of the ``known`` names is like ``name``, else a list of all."""
    known = list(known)
    tails = [key.rpartition(".")[2] for key in known]
    close = [key for key, tail in zip(known, tails, strict=True) if tail == name]
    close = close or list(filter(None, [nearest(name, known, 0.6)]))
    if not close and (tail := nearest(name, tails, 0.7)):
        close = [key for key, own in zip(known, tails, strict=True) if own == tail]
    return f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are: {', '.join(known)}"
