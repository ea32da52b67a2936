"""Reading the data files of published numbers.

A file is one source::

    title, address, measured_by = "…"
    kind = "paper"        # or draft (unpublished), readme, second-hand
    note = "…"            # optional
    apart = ["LSE-D"]     # optional: columns on another scale than other sources', never shown beside them
    ratings = 600         # optional: how many ratings a system's MOS rests on, as the source says

    [protocol]            # column -> the recipe, as far as the source tells
    WER = "…"

    [[table]]             # one table under one setting
    where, dataset, setting = "…"
    columns = "LSE-C LSE-D"
    rows = '''
    System            | 8.12 6.59
    System; a variant | 8.12 -
    Rated system      | 4.34±0.18 -
    '''

    [trained_on]          # system -> the data that the source says it was trained on
    System = "LibriTTS"

    [seen]                # optional: data set -> system -> contamination flag, where the source allows one
    chem = { System = "test speaker" }

    [[counts]]            # clips that a source says it trains and tests on
    where, dataset = "…"
    train, validation, test, exist = 1, 1, 1, 3   # exist: how many there are at all, why: who says so

Cells keep the digits that were printed; ``-`` is a cell that the source leaves empty.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from dubbench.errors import DubbenchError

KINDS = ("paper", "draft", "readme", "second-hand")
MARKS = {"draft": "unpublished draft", "second-hand": "second-hand", "readme": "README", "paper": ""}
"""Kind of source -> what a table writes beside its rows."""

TRUTH = "Ground Truth"
NUMBER = re.compile(r"(\d*\.?\d+)(M?)(?:±(\d*\.?\d+))?")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many clips a source says it trains, validates and tests on; ``exist`` is how many there are, if known."""

    where: str
    dataset: str
    train: int
    test: int
    validation: int = 0
    exist: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where numbers were printed.

    Attributes:
        kind: one of `KINDS`. measured_by: who took the numbers, as far as is known.
        ratings: how many ratings a system's MOS rests on, 0 if the source does not say.
        apart: columns on another scale than other sources' columns of that name; never shown beside them.
        protocol: column -> the recipe, as far as the source tells.
        trained_on: system -> the training data that it names. seen: data set -> system -> contamination flag
            (`dubbench.leaderboards.paper.training.Seen`) that follows from what it says.
    """

    id: str
    title: str
    address: str
    kind: str
    measured_by: str
    note: str = ""
    ratings: int = 0
    apart: tuple[str, ...] = ()
    protocol: Mapping[str, str] = field(default_factory=dict, hash=False)
    counts: tuple[Counts, ...] = ()
    trained_on: Mapping[str, str] = field(default_factory=dict, hash=False)
    seen: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)

    @property
    def mark(self) -> str:
        """``unpublished draft``, ``second-hand`` or ``README``; empty for a paper."""
        return MARKS[self.kind]


@dataclass(frozen=True, slots=True)
class Published:
    """One printed number.

    Attributes:
        source: where it stands. where: the table in it.
        dataset, setting: lower case, as dubbench names them where it knows them.
        system: name, the same in all sources. variant: of the system, empty for the system itself.
        column: as the source names it, in our spelling. text: the digits as printed.
        value: the number on the source's own scale. spread: half the printed interval (after ±), None without one.
    """

    source: Source
    where: str
    dataset: str
    setting: str
    system: str
    variant: str
    column: str
    text: str
    value: float
    spread: float | None

    @property
    def protocol(self) -> str:
        """The recipe as far as the source tells; empty if it tells nothing."""
        return self.source.protocol.get(self.column, "")

    @property
    def place(self) -> str:
        """Source and table."""
        return f"{self.source.id}, {self.where}"


def published() -> tuple[Published, ...]:
    """Every published number that dubbench ships, in the order of the files and of the tables in them."""
    return tuple(number for _, numbers in _all() for number in numbers)


def sources() -> tuple[Source, ...]:
    """Every source, also those that bring counts alone."""
    return tuple(source for source, _ in _all())


def _all() -> Iterator[tuple[Source, tuple[Published, ...]]]:
    folder = files("dubbench.leaderboards.published") / "data"
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".toml"):
            yield parse(path.name.removesuffix(".toml"), _text(path))


def _text(path: Traversable) -> str:
    return path.read_text(encoding="utf-8")


def parse(name: str, text: str) -> tuple[Source, tuple[Published, ...]]:
    """One data file.

    Args:
        name: of the source, which becomes its id.
        text: the file's TOML.

    Raises:
        DubbenchError: not TOML, a field missing, or a row with another number of cells than the table has columns.
    """
    try:
        told = tomllib.loads(text)
        counts = tuple(Counts(**row) for row in told.get("counts", ()))
        needed = {key: told[key] for key in ("title", "address", "kind", "measured_by")}
        source = Source(name, **needed, **_optional(told), protocol=told.get("protocol", {}), counts=counts)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DubbenchError(f"published numbers of {name}: {error}; see published/rows.py for the form") from error
    if source.kind not in KINDS:
        raise DubbenchError(f"published numbers of {name}: kind {source.kind!r} is none of {', '.join(KINDS)}")
    return source, tuple(number for table in told.get("table", ()) for number in _table(source, table))


def _optional(told: Mapping[str, Any]) -> dict[str, Any]:
    out = {key: told[key] for key in ("note", "ratings", "trained_on", "seen") if key in told}
    return {**out, "apart": tuple(told.get("apart", ()))}


def _table(source: Source, table: Mapping[str, Any]) -> Iterator[Published]:
    columns = table["columns"].split()
    for line in table["rows"].strip().splitlines():
        name, _, rest = line.partition("|")
        system, _, variant = (part.strip() for part in name.partition(";"))
        cells = rest.split()
        where = f"published numbers of {source.id}, {table['where']}, {name.strip()}"
        if len(cells) != len(columns):
            raise DubbenchError(f"{where}: {len(cells)} cells for {len(columns)} columns")
        for column, cell in zip(columns, cells, strict=True):
            if cell == "-":
                continue
            found = NUMBER.fullmatch(cell)
            if found is None:
                raise DubbenchError(f"{where}: {column} {cell!r} is no number")
            spread = float(found[3]) if found[3] else None
            yield Published(
                *(source, table["where"], table["dataset"], table["setting"], system, variant, column, cell),
                *(float(found[1]), spread),
            )
