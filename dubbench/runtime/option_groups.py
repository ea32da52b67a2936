"""Options of a verb in groups that several verbs share: each group is a dataclass of options."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose parameters may be groups of options (dataclasses), as typer reads it: with their options in place.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Work:
    ...     workers: int = 0
    >>> @grouped
    ... def verb(work: Work, seed: int = 0) -> None: ...
    >>> list(inspect.signature(verb).parameters)
    ['workers', 'seed']
    """
    hints = get_type_hints(verb, include_extras=True)
    options: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(verb).parameters.values():
        kind = hints[parameter.name]
        if not is_dataclass(kind):
            options.append(parameter.replace(annotation=kind))
            continue
        groups[parameter.name] = kind  # type: ignore[assignment] # it is a class, as annotations are
        own = get_type_hints(kind, include_extras=True)
        options += [
            inspect.Parameter(f.name, parameter.kind, default=f.default, annotation=own[f.name]) for f in fields(kind)
        ]

    @functools.wraps(verb)
    def flat(**given: Any) -> None:
        made = {name: kind(**{f.name: given.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        verb(**made, **given)

    flat.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
    flat.__annotations__ = {option.name: option.annotation for option in options}
    return flat
