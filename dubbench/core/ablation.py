"""The parts that can be taken out of a system, as the system declares them to a harness that knows no system.

A system's class may have two static methods, both optional::

    class MySystem(SystemBase):
        @staticmethod
        def ablation(order: Order) -> Recipe: ...          # for: dubbench ablate
        @staticmethod
        def published(option: str) -> Published | None: ...  # for: dubbench sweep
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dubbench.core.spec import Spec


@dataclass(frozen=True)
class Row:
    """One configuration of an ablation: the whole system, or the system with one thing changed.

    Attributes:
        name: short, as on the command line: ``no-ctc``.
        title: as a table prints it: ``w/o L_CTC``.
        group: heading that it stands under; may be empty.
    """

    name: str
    title: str
    group: str = ""


@dataclass(frozen=True)
class Published:
    """A table as a paper prints it.

    Attributes:
        source: which table of which paper, and on what it was measured.
        columns: name -> ``up`` or ``down`` (which is better), in the table's order.
        rows: name of our row -> column -> printed value.
        stand_ins: column -> columns of ours, the first choice first, that measure the same aspect by another recipe
            where the column itself was not measured. Only signs can be held against each other then.
        options: of the system, for it to work as it did for the table.
    """

    source: str
    columns: Mapping[str, str]
    rows: Mapping[str, Mapping[str, float]]
    stand_ins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainOn:
    """Clips to train on: a data set by name, where it lies (None: its own place), a split, and at most how many."""

    dataset: str
    root: Path | None = None
    split: str = "train"
    limit: int | None = None


@dataclass(frozen=True)
class Order:
    """What a user asks an ablation to be. A recipe raises `DubbenchError` for what it cannot do.

    Attributes:
        folder: for everything that training makes.
        data: to train on.
        seeds: of training; one is one training of every row.
        rows: names; empty for all. The whole system is always among them.
        size: named size of the system; empty for the recipe's own choice.
        settings: ``key=value`` each, changed in every row.
        steps: of every row's training; 0 for the size's own.
        checkpoints: (row, path), in the order of the seeds: taken instead of trained.
        options: further ``key -> value`` that a recipe may know; it lists them in `Recipe.options`.
        device: ``auto``, ``cpu``, ``cuda`` …
        workers: processes for features; 0 for one a core.
    """

    folder: Path
    data: tuple[TrainOn, ...]
    seeds: tuple[int, ...] = (0,)
    rows: tuple[str, ...] = ()
    size: str = ""
    settings: tuple[str, ...] = ()
    steps: int = 0
    checkpoints: tuple[tuple[str, Path], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    workers: int = 0


@dataclass(frozen=True)
class Step:
    """One piece of work that is kept when it is done and goes on where it was when it is given again.

    Attributes:
        name: for people: ``train no-ctc, seed 1``.
        seed: whose row's dubs wait for it; None for what all share.
        done: whether nothing is left to do.
        work: does it.
        seconds: how long it takes here, about; called for a plan only.
    """

    name: str
    seed: int | None
    done: Callable[[], bool]
    work: Callable[[], None]
    seconds: Callable[[], float]


class Recipe(Protocol):
    """What a system's ``ablation`` returns.

    Attributes:
        title: of the whole: ``Table 3 of DiFlowDubber at size tiny``.
        rows: the whole system first.
        published: the paper's table; None if there is none.
        options: key -> value in use, of what `Order.options` may set.
        notes: what a reader of the table must know, a line each.
    """

    title: str
    rows: Sequence[Row]
    published: Published | None
    options: Mapping[str, str]
    notes: Sequence[str]

    def steps(self) -> Sequence[Step]:
        """All training, in order: what is shared, then seed by seed."""
        ...

    def spec(self, row: Row, seed: int) -> Spec:
        """The trained system, without a label."""
        ...
