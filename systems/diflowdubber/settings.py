"""Settings as a user writes them: ``--config small`` or ``mine.toml``, ``--preset no-ctc``, ``--set dub.batch=16``.

A configuration file is TOML: settings by their names, those of one stage in a table of its own, and two keys more::

    base = "small"          # a named configuration, or another file beside this one
    preset = ["no-ctc"]     # as --preset
    hidden = 192
    [dub]
    batch = 16
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dubbench.errors import DubbenchError

from .config import PAPER, Config
from .presets import CONFIGS, changed, configuration, keys, meant, preset_changes

DERIVED = {
    "lip_dim": "the features say how wide they are",
    "face_dim": "the features say how wide they are",
    "phones": "the text front end says how many there are",
}
"""Settings that are not chosen, and why."""

NEEDS = {"weights.ctc": "ctc", "weights.distill": "distill", "weights.vt": "use_vt_loss", "weights.st": "use_st_loss"}
"""Weights that mean nothing where their loss is switched off."""


def resolve(config: str, presets: Sequence[str] = (), sets: Sequence[str] = ()) -> Config:
    """The configuration that a user asked for: a name or file, then presets, then single settings.

    Args:
        config: ``paper``, ``small``, ``tiny`` or a path that ends in ``.toml``.
        presets: of `presets.PRESETS`.
        sets: ``key=value`` each; the value as in TOML, text also without quotes.

    Raises:
        DubbenchError: an unknown name (with what was probably meant), a value of the wrong type, settings that cannot
            be combined, a file that cannot be read.
    """
    base = _file(Path(config), ()) if config.endswith(".toml") else configuration(config)
    given = _given(base, sets)
    made = changed(base, {**preset_changes(presets), **given})
    for key, loss in NEEDS.items():
        if key in given and not getattr(made, loss):
            raise DubbenchError(f"--set {key} means nothing here: {loss} is off, so that there is no such loss")
    return made


def _given(base: Config, sets: Sequence[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for text in sets:
        key, mark, value = text.partition("=")
        key = key.strip()
        if not mark:
            raise DubbenchError(f"--set {text}: write it as key=value")
        if key in given:
            raise DubbenchError(f"--set {key} is given twice")
        given[key] = typed(base, key, _value(value.strip()))
    return given


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _file(path: Path, seen: tuple[Path, ...]) -> Config:
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DubbenchError(f"{path}: cannot be read ({error.strerror or error}); see: train settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DubbenchError(f"{path}: not TOML ({error})") from error
    below, presets = data.pop("base", "small"), data.pop("preset", [])
    presets = [presets] if isinstance(presets, str) else presets
    if not isinstance(below, str) or not isinstance(presets, list) or not all(isinstance(p, str) for p in presets):
        raise DubbenchError(f"{path}: base is a name, preset a name or a list of names")
    other = path.parent / below
    if below.endswith(".toml"):
        if other.resolve() in (path.resolve(), *seen):
            raise DubbenchError(f"{path}: its base leads back to itself")
        base = _file(other, (*seen, path.resolve()))
    else:
        base = configuration(below)
    try:
        changes = {key: typed(base, key, value) for key, value in _flat(base, data).items()}
        name = changes.pop("name", path.stem)
        return replace(changed(base, {**preset_changes(presets), **changes}), name=name)
    except DubbenchError as error:
        raise DubbenchError(f"{path}: {error}") from error


def _flat(base: Config, data: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def typed(config: Config, key: str, value: Any) -> Any:
    """``value`` as the type of the setting ``key``.

    Raises:
        DubbenchError: no such setting, one that is not chosen, or a value of another type.
    """
    if key in DERIVED:
        raise DubbenchError(f"{key} is not a choice: {DERIVED[key]}")
    if key not in keys(config):
        raise DubbenchError(f"no setting {key!r}; {meant(key, keys(config))}")
    part, _, name = key.rpartition(".")
    hint = get_type_hints(type(getattr(config, part) if part else config))[name]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value in inner and type(value) is type(inner[inner.index(value)]):
            return value
        raise DubbenchError(f"{key}: {value!r} is none of its values; {meant(str(value), map(str, inner))}")
    if origin is tuple and isinstance(value, list) and len(value) == len(inner):
        return tuple(_plain(key, kind, one) for kind, one in zip(inner, value, strict=True))
    if origin is tuple:
        raise DubbenchError(f"{key}: {value!r} is not [{', '.join(kind.__name__ for kind in inner)}]")
    return _plain(key, hint, value)


def _plain(key: str, kind: type, value: Any) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
        raise DubbenchError(f"{key}: {value!r} is not {words.get(kind, kind.__name__)}")
    return value


def as_toml(config: Config) -> str:
    """All settings of ``config`` that are a choice, as a file that `resolve` reads to the same configuration."""
    alike = [c for c in CONFIGS.values() if all(getattr(c, key) == getattr(config, key) for key in DERIVED)]
    base = config.name if config.name in CONFIGS else (alike or [PAPER])[0].name
    top, tables = [f'base = "{base}"'], []
    for name in config.__dataclass_fields__:
        value = getattr(config, name)
        if hasattr(value, "__dataclass_fields__"):
            tables += ["", f"[{name}]"]
            tables += [f"{key} = {_toml(getattr(value, key))}" for key in value.__dataclass_fields__]
        elif name not in DERIVED:
            top.append(f"{name} = {_toml(value)}")
    return "\n".join([*top, *tables, ""])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(list(value)) if isinstance(value, tuple) else repr(value)
