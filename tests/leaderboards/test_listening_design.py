import numpy as np
import pytest

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening.design import Cell, arrange, balance, blocks


def test_the_papers_size_is_balanced() -> None:
    able = np.ones((5, 30), bool)
    plan = blocks(able, 20, 30, np.random.default_rng(0))
    reached = balance(plan, able)
    assert reached["ratings of a cell"] == (4, 4) or np.ptp(reached["ratings of a cell"]) <= 2
    assert reached["ratings of a condition"] == (120, 120)
    assert reached["pages of one condition in a block"] == (6, 6)
    assert all(len({cell.clip for cell in block}) == 30 for block in plan)


def test_small_blocks_meet_every_pair_of_conditions_alike() -> None:
    plan = blocks(np.ones((6, 8), bool), 30, 3, np.random.default_rng(1))
    met = np.zeros((6, 6))
    for block in plan:
        for a in block:
            for b in block:
                met[a.condition, b.condition] += a is not b
    pairs = met[~np.eye(6, dtype=bool)]
    assert pairs.min() >= 4 and pairs.max() <= 8  # 30 blocks of 3 pairs over 15 pairs: 6 each


def test_missing_dubs_are_never_asked_for() -> None:
    able = np.ones((4, 10), bool)
    able[2, :6] = able[0, 9] = False
    plan = blocks(able, 12, 12, np.random.default_rng(2))
    assert all(able[cell.condition, cell.clip] for block in plan for cell in block)
    assert all(len(set((cell.condition, cell.clip) for cell in block)) == 12 for block in plan)
    own = balance(plan, able)["pages of one condition in a block"]
    assert own[1] - own[0] <= 1


def test_the_same_seed_gives_the_same_blocks() -> None:
    able = np.ones((3, 5), bool)
    assert blocks(able, 4, 5, np.random.default_rng(3)) == blocks(able, 4, 5, np.random.default_rng(3))
    assert blocks(able, 4, 5, np.random.default_rng(3)) != blocks(able, 4, 5, np.random.default_rng(4))


def test_too_many_pages_are_refused() -> None:
    with pytest.raises(DubbenchError, match="--pages 6 or fewer"):
        blocks(np.ones((2, 3), bool), 1, 7, np.random.default_rng(0))
    with pytest.raises(DubbenchError, match="nothing can be heard"):
        blocks(np.zeros((2, 3), bool), 1, 1, np.random.default_rng(0))


def test_repeats_come_late_and_catches_never_first() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        block = [Cell(i % 3, i) for i in range(12)]
        places = arrange(block, [Cell(-1, 0), Cell(-1, 1)], 2, rng)
        kinds = [place.kind for place in places]
        assert kinds.count("catch") == 2 and kinds.count("repeat") == 2 and kinds[0] == "rated"
        for at, place in enumerate(places):
            if place.kind == "repeat":
                assert place.of is not None and at - place.of >= 3
                assert places[place.of].cell == place.cell and places[place.of].kind == "rated"
