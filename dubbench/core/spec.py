"""Names of systems and metrics on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dubbench.errors import DubbenchError


@dataclass(frozen=True)
class Spec:
    """A system or metric as it is named on the command line: ``[label=]name[(argument, key=value, ...)]``.

    ``wrong_video(espeak_lipspan)``, ``delay(ms=-40)``, ``mine=precomputed(dubs, rule="wav_pred_{id}.wav")``,
    ``wer-faster(model=base)``. The name is a registered one, or a class in a file: ``my_system.py:Mine``.
    Arguments are numbers, ``true``/``false``, specs, or text; text with ``,()=`` in it goes in quotes.
    """

    name: str
    args: tuple[Any, ...] = ()
    kwargs: tuple[tuple[str, Any], ...] = ()
    label: str = ""

    def __str__(self) -> str:
        parts = [_show(a) for a in self.args] + [f"{k}={_show(v)}" for k, v in self.kwargs]
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def plain(spec: str) -> str:
    """A system's spec in one spelling, to compare by: without spaces, with ``_`` for ``-`` in names. Another text,
    such as a label, only loses its spaces.

    >>> plain("wrong-video(delay(ms = -40))")
    'wrong_video(delay(ms=-40))'
    """

    def spelt(value: Any) -> Any:
        if not isinstance(value, Spec):
            return value
        kwargs = tuple((key, spelt(v)) for key, v in value.kwargs)
        return Spec(value.name.replace("-", "_"), tuple(map(spelt, value.args)), kwargs)

    try:
        parsed = parse_spec(spec)
    except DubbenchError:
        return re.sub(r"\s+", "", spec)
    return re.sub(r"\s+", "", spec if parsed.label else str(spelt(parsed)))


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and (value != _plain(value.strip()) or re.search(r"[,()=\"]", value) or not value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


_NAME = re.compile(r"[A-Za-z][\w.-]*|.+\.py:[A-Za-z_]\w*")
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([(),=])|([^"(),=]+))')


def parse_spec(text: str) -> Spec:
    """Parse the spec of a system or metric.

    Raises:
        DubbenchError: not of the form ``[label=]name[(argument, key=value, ...)]``.
    """
    tokens: list[tuple[str, str]] = []
    read = 0
    for match in _TOKEN.finditer(text):
        if match.start() > read:
            break
        read = match.end()
        quoted, mark, word = match.groups()
        if mark:
            tokens.append((mark, mark))
        elif quoted is not None:
            tokens.append(("text", re.sub(r"\\(.)", r"\1", quoted)))
        elif word.strip():
            tokens.append(("word", word.strip()))
    position = 0

    def fail(what: str) -> DubbenchError:
        return DubbenchError(f"{text!r}: {what}; write it as name, name(argument, key=value) or label=name(…)")

    if text[read:].strip():
        raise fail(f"the quote before {text[read + 1 :].strip()[:30]!r} is not closed")

    def peek(ahead: int = 0) -> str:
        return tokens[position + ahead][0] if position + ahead < len(tokens) else "end"

    def take(kind: str) -> str:
        nonlocal position
        if peek() != kind:
            raise fail(f"expected {kind!r}, found {peek()!r}")
        position += 1
        return tokens[position - 1][1]

    def spec() -> Spec:
        name = take("word")
        if not _NAME.fullmatch(name):
            raise fail(f"{name!r} is neither a name nor FILE.py:CLASS")
        args: list[Any] = []
        kwargs: list[tuple[str, Any]] = []
        if peek() == "(":
            take("(")
            while peek() != ")":
                if peek() == "word" and peek(1) == "=":
                    key = take("word")
                    take("=")
                    kwargs.append((key, value()))
                else:
                    args.append(value())
                if peek() != ")":
                    take(",")
            take(")")
        return Spec(name, tuple(args), tuple(kwargs))

    def value() -> Any:
        if peek() == "text":
            return take("text")
        if peek() == "word" and peek(1) == "(":
            return spec()
        return _plain(take("word"))

    label = ""
    if peek() in ("word", "text") and peek(1) == "=":
        label = take(peek())
        take("=")
    result = spec()
    if peek() != "end":
        raise fail(f"something is left over after {result}")
    return Spec(result.name, result.args, result.kwargs, label)


def _plain(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    if re.fullmatch(r"-?0\d+|.*_.*", word):  # a name such as 0012 or 1_000 is not the number 12 or 1000
        return word
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word
