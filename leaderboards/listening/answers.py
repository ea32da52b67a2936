"""Answers compared with the key: those that fit are kept, and each other one is reported in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dubbench.leaderboards.listening.key import Key, Shown
from dubbench.leaderboards.listening.protocol import Value


@dataclass(frozen=True)
class Answered:
    """The answers of one listener to one block.

    Attributes:
        source: the file (and line) that they came from. block: counted from 0.
        answers: page (from 0) -> question -> value.
    """

    source: str
    export: str
    listener: str
    block: int
    answers: Mapping[int, Mapping[str, Value]]


@dataclass
class Collected:
    """What is left after the check: at most one `Answered` for a listener and block, and what was wrong."""

    answered: list[Answered] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def collect(key: Key, found: Iterable[Answered]) -> Collected:
    """Keep what belongs to this export, once.

    A listener who is there twice for one block (a file after every page, a reload) counts once: the file with the most
    answers. Answers to no page or question of the block, or that are no choice of it, are left out alone.
    """
    out = Collected()
    best: dict[tuple[str, int], Answered] = {}
    copies: dict[tuple[str, int], list[Answered]] = {}
    for one in found:
        if one.export != key.export:
            out.problems.append(f"{one.source}: answers to another export ({one.export}); left out")
        elif not 0 <= one.block < len(key.blocks):
            out.problems.append(f"{one.source}: block {one.block + 1} of {len(key.blocks)}; left out")
        else:
            copies.setdefault((one.listener, one.block), []).append(_fitting(key, one, out.problems))
    for where, same in copies.items():
        best[where] = max(same, key=_count)
        changed = sum(_contradicts(best[where], other) for other in same)
        if changed:
            text = f"{where[0]}, block {where[1] + 1}: {len(same)} files, {changed} of them with other answers"
            out.problems.append(f"{text}; the one with the most answers counts ({best[where].source})")
    for one in best.values():
        pages, given = len(key.blocks[one.block]), len(one.answers)
        if given < pages:
            out.problems.append(f"{one.source}: {one.listener} answered {given} of {pages} pages; these count")
    out.answered = [one for one in best.values() if one.answers]
    return out


def _count(one: Answered) -> int:
    return sum(len(given) for given in one.answers.values())


def _contradicts(best: Answered, other: Answered) -> bool:
    """Whether two copies differ in an answer that both have."""
    return any(
        best.answers[page].get(question, value) != value
        for page, given in other.answers.items()
        if page in best.answers
        for question, value in given.items()
    )


def _fitting(key: Key, one: Answered, problems: list[str]) -> Answered:
    block = key.blocks[one.block]
    kept: dict[int, dict[str, Value]] = {}
    bad = []
    for page, given in one.answers.items():
        for question, value in given.items():
            if 0 <= page < len(block) and _is_choice(key, block[page], question, value):
                kept.setdefault(page, {})[question] = value
            else:
                bad.append(f"page {page + 1} {question} {value!r}")
    if bad:
        problems.append(f"{one.source}: {len(bad)} answers that no page asks for are left out ({bad[0]})")
    return Answered(one.source, one.export, one.listener, one.block, kept)


def _is_choice(key: Key, shown: Shown, question: str, value: Value) -> bool:
    for asked in key.tests[shown.test].protocol.questions:
        if asked.name == question:
            return not isinstance(value, bool) and any(value == choice for choice, _ in asked.choices)
    return False


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer as a number.

    Attributes:
        column: for example ``MOS-N``. condition: the system, or the pair in the order of the key.
        score: a point of the scale; for a pair above 0 where the second of ``condition`` is better (±1 and 0 for A / B
            / same).
        repeat: whether the listener had heard this page before.
    """

    listener: str
    block: int
    page: int
    column: str
    condition: tuple[str, ...]
    clip: str
    score: float
    repeat: bool = False


def votes(key: Key, answered: Sequence[Answered]) -> list[Vote]:
    """Every answer to a rated or repeated page; catch trials are no votes."""
    place = {label: i for i, label in enumerate(key.systems)}
    out = []
    for one in answered:
        for page, given in sorted(one.answers.items()):
            shown = key.blocks[one.block][page]
            if shown.kind == "catch":
                continue
            asked = key.tests[shown.test]
            pair = sorted(shown.systems, key=lambda label: (label != asked.against, place[label]))
            sign = 1.0 if tuple(pair) == shown.systems else -1.0
            for question, value in given.items():
                score = {"A": -1.0, "same": 0.0, "B": 1.0}[value] if isinstance(value, str) else value
                column = asked.protocol.columns[question]
                score = sign * score + 0.0 if len(pair) == 2 else score
                out.append(
                    Vote(one.listener, one.block, page, column, tuple(pair), shown.clip, score, shown.kind == "repeat")
                )
    return out
