"""Answers out of files: the page's own, lines that listeners pasted, and results of webMUSHRA and pymushra."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening import codes
from dubbench.leaderboards.listening.answers import Answered
from dubbench.leaderboards.listening.key import Key
from dubbench.leaderboards.listening.protocol import Value

LARGEST = 20_000_000
"""Most bytes of a file of answers."""


def read_answers(key: Key, paths: Sequence[Path]) -> tuple[list[Answered], list[str]]:
    """All answers in files and folders of files (``.json``, ``.csv``, ``.txt``), and a line for each that has none.

    Raises:
        DubbenchError: a path that is not there, or a folder without such files.
    """
    found: list[Answered] = []
    problems: list[str] = []
    for path in _files(paths):
        try:
            if path.stat().st_size > LARGEST:
                raise DubbenchError(f"{path.stat().st_size} bytes are no answers")
            text = path.read_text(encoding="utf-8-sig")
            got = list(_json(path, text) if path.suffix == ".json" else _lines(key, path, text, problems))
            if not got:
                raise DubbenchError("no answers in it")
            found += got
        except (DubbenchError, ValueError, OSError) as error:
            why = "torn or no answers of dubbench" if isinstance(error, ValueError) else str(error)
            problems.append(f"{path.name}: {why}; left out, ask for it again if it should count")
    return found, problems


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix in (".json", ".csv", ".txt") and p.is_file())
            if not inside:
                raise DubbenchError(f"{path}: no answers in it (.json, .csv or .txt); put them there")
            yield from inside
        elif path.is_file():
            yield path
        else:
            raise DubbenchError(f"{path}: no such file; give the answers' files or their folder")


def _json(path: Path, text: str) -> Iterator[Answered]:
    told: Any = json.loads(text)
    if not isinstance(told, dict) or told.get("format") != "dubbench-answers-1":
        raise DubbenchError("no answers of dubbench's page")
    try:
        answers: dict[int, dict[str, Value]] = {
            int(page): dict(one["answers"]) for page, one in told["answers"].items() if one["answers"]
        }
        listener = plain(told.get("participant") or told["listener"])
        yield Answered(path.name, str(told["export"]), listener, int(told["block"]) - 1, answers)
    except (KeyError, TypeError, AttributeError) as error:
        raise DubbenchError(f"no answers of dubbench's page ({type(error).__name__} {error})") from error


def plain(text: object) -> str:
    """A listener's name as tables hold it."""
    return re.sub(r"[^\w-]", "", str(text))[:60] or "nameless"


def _lines(key: Key, path: Path, text: str, problems: list[str]) -> Iterator[Answered]:
    """A table: of webMUSHRA's results, or of anything with answer codes in it."""
    first = text.partition("\n")[0]
    rows = list(csv.reader(text.splitlines(), delimiter=";" if first.count(";") > first.count(",") else ","))
    head = rows[0] if rows else []
    if "trial_id" in head:
        yield from _webmushra(key, path, head, rows[1:])
    elif "wm_id" in head and "responses_stimulusRating" in head:
        yield from _pymushra(key, path, head, rows[1:])
    else:
        yield from _pasted(key, path, rows, problems)


def _pasted(key: Key, path: Path, rows: list[list[str]], problems: list[str]) -> Iterator[Answered]:
    for number, row in enumerate(rows, 1):
        for cell in row:
            if not cell.strip().startswith("DB1."):
                continue
            try:
                export, block, listener, picks = codes.decode(cell)
                answers = _picked(key, block - 1, picks) if export == key.export else {}
            except DubbenchError as error:
                problems.append(f"{path.name}, line {number}: {error}; left out")
                continue
            yield Answered(f"{path.name}, line {number}", export, plain(listener), block - 1, answers)


def _picked(key: Key, block: int, picks: Sequence[int | None]) -> dict[int, dict[str, Value]]:
    """Places among the choices to values, page after page."""
    if not 0 <= block < len(key.blocks):
        return {}
    asked = [
        (page, question)
        for page, shown in enumerate(key.blocks[block])
        for question in key.tests[shown.test].protocol.questions
    ]
    if len(asked) != len(picks):
        raise DubbenchError(f"{len(picks)} answers where the block asks {len(asked)}; it is of another export")
    out: dict[int, dict[str, Value]] = {}
    for (page, question), pick in zip(asked, picks, strict=True):
        if pick is not None and pick < len(question.choices):
            out.setdefault(page, {})[question.name] = question.choices[pick][0]
    return out


def _webmushra(key: Key, path: Path, head: list[str], rows: list[list[str]]) -> Iterator[Answered]:
    """``lss.csv`` of webMUSHRA. Its rows may have more ratings than its header, which is the first page's."""
    at = head.index("trial_id")
    sessions = [(row[0], "-".join(row[1:at]), row[at], row[at + 1 : -2]) for row in rows if len(row) > at + 3]
    yield from _trials(key, path, sessions)


def _pymushra(key: Key, path: Path, head: list[str], rows: list[list[str]]) -> Iterator[Answered]:
    """A CSV that pymushra's ``/admin/download`` gives."""
    columns = {name: i for i, name in enumerate(head)}
    who, named = columns["questionaire_uuid"], columns.get("questionaire_listener")
    sessions = []
    for row in rows:
        ratings = re.findall(r"c\d+|NA", row[columns["responses_stimulusRating"]])
        listener = (row[named] if named is not None else "") or row[who]
        sessions.append((row[columns["wm_testId"]], listener, row[columns["wm_id"]], ratings))
    yield from _trials(key, path, sessions)


def _trials(key: Key, path: Path, trials: Sequence[tuple[str, str, str, list[str]]]) -> Iterator[Answered]:
    """(test id, listener, page id, ratings) of webMUSHRA to answers."""
    out: dict[tuple[str, str, int], dict[int, dict[str, Value]]] = {}
    for test, listener, ident, ratings in trials:
        where = re.fullmatch(r"b(\d+)p(\d+)", ident)
        if where is None:
            continue
        block, page = int(where[1]) - 1, int(where[2]) - 1
        export = test.lower().removeprefix("dubbench-")
        given = out.setdefault((export, plain(listener), block), {}).setdefault(page, {})
        if export != key.export or not (0 <= block < len(key.blocks) and 0 <= page < len(key.blocks[block])):
            continue
        questions = key.tests[key.blocks[block][page].test].protocol.questions
        for question, rating in zip(questions, ratings, strict=False):
            pick = int(rating[1:]) if re.fullmatch(r"c\d+", rating) else len(question.choices)
            if pick < len(question.choices):
                given[question.name] = question.choices[pick][0]
    for (export, listener, block), answers in out.items():
        yield Answered(path.name, export, listener, block, {page: given for page, given in answers.items() if given})
