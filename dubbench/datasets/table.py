"""Tables that users write: CSV, TSV and JSONL as rows of text, each with the place to point at."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dubbench.datasets.base import Problem
from dubbench.errors import DubbenchError


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``where`` is the file's name and line; ``cells`` has every column, trimmed, "" where it is empty."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without byte order mark, or in UTF-16 with one (Excel's "Unicode text").

    Raises:
        DubbenchError: unreadable or in another encoding.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DubbenchError(
            f"{path}: cannot be read ({error.strerror}); check what it is, and its permissions"
        ) from error
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
        at = text.index("\0") if "\0" in text else None
    except UnicodeDecodeError as error:
        text, at = error.object.decode("latin-1"), error.start
    if at is None:
        return text
    line = text[:at].count("\n") + 1
    raise DubbenchError(f'{path}: line {line} is not UTF-8; save the table as UTF-8 (Excel: "CSV UTF-8")')


def read_table(path: Path, required: Iterable[str]) -> tuple[list[Row], list[Problem]]:
    """Rows of a table, and the rows that are broken.

    ``.jsonl`` has one object a line; anything else has a header line and columns separated by tabs, semicolons or
    commas (whichever the header has most of). Column names are lower-cased; a first line ``sep=;`` (Excel) is passed
    over.

    Raises:
        DubbenchError: unreadable, not UTF-8, not a table, or without one of the ``required`` columns.
    """
    text = read_text(path)
    if path.suffix.lower() == ".jsonl":
        return _json_lines(path, text)
    return _separated(path, text, set(required))


_SEPARATOR = re.compile(r'\A"?sep=."?\r?\n', re.IGNORECASE)


def _separated(path: Path, text: str, required: set[str]) -> tuple[list[Row], list[Problem]]:
    text = _SEPARATOR.sub("\n", text, count=1)  # the number of each line stays
    header = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    problems: list[Problem] = []
    columns: list[str] = []
    try:
        for fields in reader:
            where = f"{path.name} line {reader.line_num}"
            if not any(field.strip() for field in fields):
                continue
            if not columns:
                columns = [field.strip().lower() for field in fields]
                absent = sorted(required - set(columns))
                if absent:
                    raise DubbenchError(f"{path}: no column {', '.join(absent)} (it has {', '.join(columns)})")
            elif len(fields) != len(columns):
                problems.append(
                    Problem(
                        where, f"{len(fields)} fields for {len(columns)} columns; quote a text that holds {delimiter!r}"
                    )
                )
            else:
                rows.append(Row(where, dict(zip(columns, map(str.strip, fields), strict=True))))
    except csv.Error as error:
        raise DubbenchError(f"{path}: line {reader.line_num} is not a table row ({error})") from error
    if not columns:
        raise DubbenchError(f"{path}: the table is empty; it needs the columns {', '.join(sorted(required))}")
    return rows, problems


def _json_lines(path: Path, text: str) -> tuple[list[Row], list[Problem]]:
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            problems.append(Problem(where, f"not JSON ({error}); write one object a line"))
            continue
        if not isinstance(value, dict):
            problems.append(Problem(where, "not a JSON object; write one object a line"))
            continue
        cells = {key.lower(): str(cell).strip() for key, cell in value.items() if isinstance(cell, (str, int, float))}
        rows.append(Row(where, cells))
    return rows, problems


def pair_columns(line: str, where: str) -> tuple[str, str]:
    """Clip and reference of a line of the field's pairing lists, which are separated by ``|``.

    Five columns are ``clip|phones|speaker|reference|its phones`` (V2C and GRID under Setting 2.0), four are
    ``clip|phones|reference|its phones`` (Setting 3.0, and EmoDubber's Chem list).

    Raises:
        DubbenchError: another number of columns, or an empty one.
    """
    fields = [field.strip() for field in line.split("|")]
    if len(fields) not in (4, 5) or not fields[0] or not fields[-2]:
        raise DubbenchError(
            f"{where}: {len(fields)} columns; expected clip|phones|speaker|reference|phones or "
            "clip|phones|reference|phones"
        )
    return fields[0], fields[-2]
