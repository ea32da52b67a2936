"""The assignment of clips to listeners: balanced incomplete blocks of (condition, clip). Pure and seeded.

A condition is a system, or a pair of systems with its sides. No listener hears everything; every listener hears every
condition equally often (± 1) and, while there are clips enough, no clip twice; every (condition, clip) is heard by
equally many listeners, and conditions meet in the same block equally often. The blocks are filled one place after
another with the cell that the counts so far want most, ties by lot, so that missing dubs are no obstacle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to be rated: indices of the condition and the clip; ``swapped`` shows a pair's second system as A."""

    condition: int
    clip: int
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """One page of a block. ``kind`` is ``rated``, ``catch`` or ``repeat``; ``of`` is the page that is repeated."""

    cell: Cell
    kind: str = "rated"
    of: int | None = None


def blocks(able: NDArray[np.bool_], listeners: int, pages: int, rng: np.random.Generator) -> list[list[Cell]]:
    """``pages`` cells for each of ``listeners``, of the (conditions, clips) that are ``able``, each cell at most once.

    Raises:
        DubbenchError: a listener cannot be given that many different cells.
    """
    conditions, clips = able.shape
    if not able.any():
        raise DubbenchError("no clip has a dub of any system; nothing can be heard")
    most = int(able.sum())
    if pages > most:
        raise DubbenchError(f"{pages} pages a listener, and only {most} different ones; give --pages {most} or fewer")
    heard = np.zeros(able.shape)
    met = np.zeros((conditions, conditions))
    sides = np.zeros((conditions, 2), int)
    out: list[list[Cell]] = []
    for _ in range(listeners):
        own, seen = np.zeros(conditions), np.zeros(clips)
        free = able.copy()
        block: list[Cell] = []
        for _ in range(pages):
            with_all = met[:, [cell.condition for cell in block]].sum(1) if block else np.zeros(conditions)
            order = (seen[None], own[:, None], heard, heard.sum(1)[:, None], with_all[:, None], rng.random(able.shape))
            condition, clip = _least(free, order)
            swapped = bool(sides[condition, 1] < sides[condition, 0])
            sides[condition, int(swapped)] += 1
            block.append(Cell(condition, clip, swapped))
            free[condition, clip] = False
            heard[condition, clip] += 1
            own[condition] += 1
            seen[clip] += 1
        for a in block:
            for b in block:
                met[a.condition, b.condition] += a is not b
        out.append(block)
    return out


def _least(free: NDArray[np.bool_], order: Sequence[NDArray[np.float64]]) -> tuple[int, int]:
    """The free cell that is smallest in the first of ``order``, among equals in the second, and so on."""
    left = free
    for part in order:
        values = np.where(left, np.broadcast_to(part, free.shape), np.inf)
        left = left & (values <= values.min())
    condition, clip = np.argwhere(left)[0]
    return int(condition), int(clip)


def arrange(block: Sequence[Cell], catches: Sequence[Cell], repeats: int, rng: np.random.Generator) -> list[Place]:
    """The pages of a block in the order they are heard.

    Rated cells are shuffled so that one clip does not follow itself; ``repeats`` of the first half come again in the
    last third; catch trials stand anywhere but first.
    """
    order = _apart([block[i] for i in rng.permutation(len(block))])
    places = [Place(cell) for cell in order]
    half = max(1, len(order) // 2)
    for i in sorted(rng.permutation(half)[:repeats].tolist()):
        at = int(rng.integers(len(order) * 2 // 3, len(order) + 1)) + len(places) - len(order)
        places.insert(min(max(at, half), len(places)), Place(order[i], "repeat"))
    for cell in catches:
        places.insert(int(rng.integers(1, len(places) + 1)), Place(cell, "catch"))
    first = {place.cell: i for i, place in reversed(list(enumerate(places))) if place.kind == "rated"}
    return [Place(p.cell, p.kind, first[p.cell]) if p.kind == "repeat" else p for p in places]


def _apart(cells: list[Cell]) -> list[Cell]:
    """The cells with neighbours of one clip moved apart where that can be done."""
    out: list[Cell] = []
    rest = list(cells)
    while rest:
        pick = next((i for i, cell in enumerate(rest) if not out or cell.clip != out[-1].clip), 0)
        out.append(rest.pop(pick))
    return out


def balance(plan: Sequence[Sequence[Cell]], able: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    """Least and most: ratings of a cell, ratings of a condition, pages of one condition in one block, A sides."""
    heard = np.zeros(able.shape, int)
    per_block = []
    side = np.zeros((able.shape[0], 2), int)
    for block in plan:
        own = np.zeros(able.shape[0], int)
        for cell in block:
            heard[cell.condition, cell.clip] += 1
            own[cell.condition] += 1
            side[cell.condition, int(cell.swapped)] += 1
        per_block.append(own)
    every = np.stack(per_block)[:, able.any(1)]
    used = heard[able]
    apart = np.abs(side[:, 0] - side[:, 1])
    return {
        "ratings of a cell": (int(used.min()), int(used.max())),
        "ratings of a condition": (int(heard.sum(1)[able.any(1)].min()), int(heard.sum(1).max())),
        "pages of one condition in a block": (int(every.min()), int(every.max())),
        "difference of sides": (int(apart.min()), int(apart.max())),
    }
