"""Systems and metrics made from their names and options, and the metrics that belong to a profile."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from dubbench.core.identity import signature
from dubbench.core.metric import Metric, MetricBase, MetricInfo
from dubbench.core.plugins import factory, in_file, names, origin, registered
from dubbench.core.spec import Spec, parse_spec
from dubbench.core.system import System
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.store import MetricEntry
from dubbench.runtime.digests import file_digest
from dubbench.runtime.spelling import did_you_mean
from dubbench.runtime.time_limit import within
from dubbench.weights.needs import command, lacking, users, weights_of


def make_system(spec: Spec) -> System:
    """Create a system (nothing is loaded yet).

    A factory with ``wraps = True`` takes another system first, given as a spec.

    Raises:
        DubbenchError: unknown name, options that do not fit, or a plugin that raises.
    """
    make = factory("systems", spec.name)
    args = list(spec.args)
    if getattr(make, "wraps", False):
        if not args:
            raise DubbenchError(f"system {spec.name!r} wraps another one: write {spec.name}(SYSTEM)")
        args[0] = make_system(args[0] if isinstance(args[0], Spec) else parse_spec(str(args[0])))
    system = _created("system", spec, make, args)
    if not isinstance(system, System):
        raise DubbenchError(
            f"system {spec.name!r} ({origin('systems', spec.name)}) lacks one of info, load, dub, close; "
            "see dubbench.core.system.System"
        )
    if file := in_file(spec.name):  # another text of the file is another system
        system.info = system.info.model_copy(update={"weights": {**system.info.weights, file.name: file_digest(file)}})
    return system


def make_metric(text: str) -> Metric:
    """Create a metric from its spec (nothing is loaded yet).

    Raises:
        DubbenchError: unknown name, options that do not fit, weights that are not here (with the command that brings
            all of them), or a plugin that raises or does not keep the protocol.
    """
    spec = parse_spec(text)
    make = factory("metrics", spec.name)
    try:
        metric = _created("metric", spec, make, spec.args)
    except DubbenchError as error:
        raise DubbenchError(_all_weights(text) or str(error)) from error
    if not isinstance(metric, Metric):
        raise DubbenchError(
            f"metric {spec.name!r} ({origin('metrics', spec.name)}) lacks one of info, columns, load, score, failed; "
            "see dubbench.core.metric.Metric"
        )
    changes: dict[str, Any] = {}
    stated = _stated_profiles(make)
    if stated is not None and metric.info.profiles != stated:
        changes["profiles"] = stated
    if file := in_file(spec.name):
        changes["weights"] = {**metric.info.weights, file.name: file_digest(file)}
    if changes:
        metric.info = metric.info.model_copy(update=changes)
    return metric


def _created(kind: str, spec: Spec, make: Any, args: Sequence[Any]) -> Any:
    """The instance, or one line that says which option does not fit."""
    what = f"{kind} {str(spec)!r} cannot be created"
    options = options_of(make)
    for key, value in spec.kwargs:
        if options is not None and key not in options:
            raise DubbenchError(
                f"{kind} {spec.name!r} has no option {key!r}{did_you_mean(key, options) or ';'} "
                f"It has: {', '.join(options) or 'none'}"
            )
        if options is not None and options[key].annotation in _NUMBERS and isinstance(value, (str, Spec)):
            raise DubbenchError(f"{kind} {spec.name!r}: {key} is {str(value)!r}; give a number")
    try:
        with within(what):
            return make(*args, **dict(spec.kwargs))
    except DubbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise DubbenchError(f"{what}: {one_line(error)}") from error


_NUMBERS = ("int", "float", int, float)
"""Annotations of options that are numbers; as text where the module postpones annotations."""


def options_of(make: Any) -> dict[str, inspect.Parameter] | None:
    """The named options of a system's or metric's constructor; None where it takes any."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name: p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}


def _all_weights(name: str) -> str:
    """The line for a metric that lacks more weights than the one over which it fell; empty if it does not."""

    weights = lacking(name)
    *others, last = [weight.name for weight in weights] or [""]
    return f"{', '.join(others)} and {last} are not here; {command(weights)} brings them" if others else ""


def with_name(name: str, error: DubbenchError) -> str:
    """The reason why a metric cannot be made, with the metric's name in it."""
    return str(error) if repr(name) in str(error) else f"metric {name!r}: {error}"


def profiles_of(name: str) -> frozenset[str]:
    """The profiles of a metric, without creating it where its class states them (`dubbench.core.metric.MetricBase`).

    Raises:
        DubbenchError: unknown name, or a plugin that cannot be imported (or, stating none on its class, created).
    """
    make = factory("metrics", parse_spec(name).name)
    stated = _stated_profiles(make)
    if stated is None and isinstance(getattr(make, "info", None), MetricInfo):
        stated = make.info.profiles
    if stated is None and isinstance(make, type) and issubclass(make, MetricBase):
        stated = MetricBase.profiles
    return make_metric(name).info.profiles if stated is None else stated


def _stated_profiles(make: Any) -> frozenset[str] | None:
    """``profiles`` of a class that sets them itself; None for one that leaves them as `MetricBase` has them."""
    stated = getattr(make, "profiles", None)
    return None if stated is None or stated is MetricBase.profiles else frozenset(stated)


READING_ORDER = (
    *("lse", "sync", "wer", "secs", "utmos", "dnsmos", "align", "phones", "pitch"),
    *("emo-sim", "avsync", "mcd", "duration"),
)
"""The order in which the field reads its columns; other metrics follow by name."""


def _place(name: str) -> tuple[int, str]:
    """Where a metric stands in a table: ``wer-grammar`` where ``wer`` does."""
    found = [i for i, first in enumerate(READING_ORDER) if name == first or name.startswith(f"{first}-")]
    return (found[0] if found else len(READING_ORDER), name)


def metrics_of(profile: str) -> tuple[dict[str, Metric], list[str]]:
    """The metrics that belong to a profile, in reading order, and a line for each of them that cannot be made.

    A metric of another profile is not created, and not spoken of.
    """
    found: dict[str, Metric] = {}
    broken: list[str] = []
    for name in sorted(names("metrics"), key=_place):
        try:
            if profile in profiles_of(name):
                found[name] = make_metric(name)
        except DubbenchError as error:
            broken.append(f"left out: {with_name(name, error)}")
    return found, broken


def check_columns(metrics: Mapping[str, Metric]) -> None:
    """Hold the metrics of one run against each other: recipes of one column cannot stand in one table.

    Raises:
        DubbenchError: two of them give the same column.
    """
    given: dict[str, str] = {}
    for name, metric in metrics.items():
        for column in metric.columns:
            other = given.setdefault(column.name, name)
            if other != name:
                raise DubbenchError(
                    f"metrics {other!r} and {name!r} both give the column {column.name!r}, and a table has it once; "
                    f"choose the metrics with -m and leave one of the two out"
                )


def of_profile(profile: str) -> list[str]:
    """Names of the weights that the metrics of a profile load."""
    chosen: dict[str, None] = {}
    for metric in names("metrics"):
        try:
            if profile in profiles_of(metric):
                chosen |= dict.fromkeys(weights_of(metric))
        except DubbenchError:  # a plugin that does not import: doctor says so
            continue
    return list(chosen)


def metric_entries(profile: str, chosen: Sequence[str]) -> tuple[dict[str, MetricEntry], list[str]]:
    """The metrics of a run, and a line for each of the profile's that cannot be made.

    Raises:
        DubbenchError: an unknown metric among ``chosen``, a profile without any, or two that give one column.
    """
    made, broken = ({_key(name): _asked_for(name) for name in chosen}, []) if chosen else metrics_of(profile)
    if broken:
        _tell_of_weights(profile)
    check_columns(made)
    if broken and not made:
        raise DubbenchError(f"no metric of profile {profile!r} can be made; {'; '.join(broken)}")
    if not made:
        raise DubbenchError(f"no metric belongs to profile {profile!r} (dubbench metrics lists them)")
    entries = {
        name: MetricEntry(info=m.info, columns=tuple(m.columns), signature=signature(m.info))
        for name, m in made.items()
    }
    return entries, broken


def _key(text: str) -> str:
    """The name of a metric in a run: the registered one, with the options that were given."""
    spec = parse_spec(text)
    if spec.label:
        raise DubbenchError(f"metric {text!r}: a metric takes no label; its columns have names already")
    return str(replace(spec, name=registered("metrics", spec.name)))


def _asked_for(name: str) -> Metric:
    try:
        return make_metric(name)
    except DubbenchError as error:
        raise DubbenchError(with_name(name, error)) from error


@cache  # once, however many cells there are
def _tell_of_weights(profile: str) -> None:
    """Say on standard error, before the long work, which metrics lack weights and the one command that brings all."""
    from dubbench.pipeline.components import of_profile

    known = users()
    lacks = {metric: lacking(metric) for weight in of_profile(profile) for metric in known[weight]}
    lacks = {metric: items for metric, items in lacks.items() if items and profile in profiles_of(metric)}
    if lacks:
        flag = " --convert" if any(item.convert for items in lacks.values() for item in items) else ""
        names = ", ".join(lacks)
        command = f"dubbench assets fetch --profile {profile}{flag}"
        print(f"dubbench: no weights for {names} of profile {profile!r}; {command} brings them", file=sys.stderr)
