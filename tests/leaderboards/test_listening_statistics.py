import numpy as np
import pytest

from dubbench.leaderboards.listening.alpha import alpha
from dubbench.leaderboards.listening.answers import Vote
from dubbench.leaderboards.listening.crossed import estimated, means, spread
from dubbench.leaderboards.listening.power import Components, components, needed, plan
from dubbench.leaderboards.listening.preference import fit

KRIPPENDORFF = {  # Computing Krippendorff's alpha-reliability (2011), section C: four observers, twelve units
    1: [1, 1, 1],
    2: [2, 2, 3, 2],
    3: [3, 3, 3, 3],
    4: [3, 3, 3, 3],
    5: [2, 2, 2, 2],
    6: [1, 2, 3, 4],
    7: [4, 4, 4, 4],
    8: [1, 1, 2, 1],
    9: [2, 2, 2, 2],
    10: [5, 5, 5],
    11: [1, 1],
    12: [3],
}


@pytest.mark.parametrize(("scale", "value"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_that_of_krippendorffs_example(scale: str, value: float) -> None:
    found = alpha(KRIPPENDORFF, scale)  # type: ignore[arg-type]
    assert found.value == pytest.approx(value, abs=0.0005)
    assert found.n == 40
    assert found.low is not None and found.high is not None and found.low < value < found.high


def test_alpha_without_anything_to_compare() -> None:
    assert alpha({1: [3], 2: [4]}, "ordinal").value is None
    assert alpha({1: [3, 3], 2: [3, 3]}, "ordinal").value is None


def _votes(rng: np.random.Generator, listeners: int, clips: int, systems: int, parts: Components) -> list[Vote]:
    strict, bias = rng.normal(0, parts.listener, listeners), rng.normal(0, parts.listener_system, (listeners, systems))
    hard, fit_ = rng.normal(0, parts.clip, clips), rng.normal(0, parts.clip_system, (clips, systems))
    out = []
    for i in range(listeners):
        for c in range(clips):
            s = (i + c) % systems
            score = strict[i] + bias[i, s] + hard[c] + fit_[c, s] + rng.normal(0, parts.rest)
            out.append(Vote(f"l{i}", 0, c, "MOS-N", (f"s{s}",), f"c{c}", score))
    return out


def test_crossed_intervals_cover() -> None:
    """95 % intervals of means and of differences hold the truth in 93 % of cases or more; plain ones do not."""
    rng = np.random.default_rng(0)
    parts, times = Components(0.5, 0.2, 0.3, 0.2, 0.7), 300
    held = apart = plain = 0
    for _ in range(times):
        votes = _votes(rng, 20, 30, 5, parts)
        scores = np.array([vote.score for vote in votes])
        groups = [int(vote.condition[0][1:]) for vote in votes]
        value, influence = means(scores, groups, 5)
        wide = spread(influence, [v.listener for v in votes], [v.clip for v in votes])
        one = np.eye(5)
        held += abs(value[0]) <= (wide.half(one[0]) or 0)
        apart += abs(value[0] - value[1]) <= (wide.half(one[0] - one[1]) or 0)
        own = scores[np.array(groups) == 0]
        plain += abs(value[0]) <= 1.96 * own.std(ddof=1) / np.sqrt(own.size)
    print(f"means {held / times:.3f}, differences {apart / times:.3f}, as if independent {plain / times:.3f}")
    assert 0.93 <= held / times <= 0.99
    assert apart / times >= 0.93
    assert plain / times < 0.8


def test_few_clips_are_taken_as_they_are() -> None:
    votes = _votes(np.random.default_rng(1), 8, 2, 2, Components())
    _, influence = means(np.array([v.score for v in votes]), [int(v.condition[0][1:]) for v in votes], 2)
    assert spread(influence, [v.listener for v in votes], [v.clip for v in votes]).unit == "listener"
    assert spread(influence[:4], ["a", "b", "a", "b"], ["c", "c", "d", "d"]).unit == ""


def test_equal_votes_have_no_interval() -> None:
    value, influence = means(np.full(30, 4.0), [0] * 30, 1)
    wide = spread(influence, [f"l{i % 6}" for i in range(30)], [f"c{i % 5}" for i in range(30)])
    assert estimated(value[0], wide.half(np.ones(1)), 30).low is None


def test_bradley_terry_of_two_systems_is_the_log_of_the_odds() -> None:
    score = np.array([-1.0] * 300 + [1.0] * 100)
    found = fit(np.zeros(400, np.intp), np.ones(400, np.intp), score, 2)
    assert found.theta[0] - found.theta[1] == pytest.approx(np.log(3), abs=0.01)
    assert np.allclose(found.influence.sum(1), 0)


def test_bradley_terry_finds_strengths_and_ties() -> None:
    rng = np.random.default_rng(2)
    truth, nu = np.array([1.0, 0.2, -0.3, -0.9]), 0.7
    first, second, score = [], [], []
    for _ in range(6000):
        i, j = rng.permutation(4)[:2]
        a, b = np.exp(truth[i]), np.exp(truth[j])
        shares = np.array([a, nu * np.sqrt(a * b), b])
        first.append(i)
        second.append(j)
        score.append(rng.choice([-1.0, 0.0, 1.0], p=shares / shares.sum()))
    found = fit(np.array(first), np.array(second), np.array(score), 4)
    assert found.theta == pytest.approx(truth, abs=0.1)
    assert np.exp(found.log_nu) == pytest.approx(nu, abs=0.06)


def test_a_system_that_never_loses_stays_finite() -> None:
    found = fit(np.zeros(20, np.intp), np.ones(20, np.intp), np.full(20, -1.0), 2)
    assert np.isfinite(found.theta).all() and found.theta[0] > 1


def test_components_of_simulated_votes() -> None:
    truth = Components(0.5, 0.3, 0.4, 0.2, 0.8)
    rng = np.random.default_rng(3)
    found = [components(_votes(rng, 60, 60, 4, truth)) for _ in range(4)]
    for name in ("listener", "listener_system", "clip", "clip_system", "rest"):
        mean = np.sqrt(np.mean([getattr(one, name) ** 2 for one in found]))
        assert mean == pytest.approx(getattr(truth, name), abs=0.12), name


def test_plan_says_how_many_listeners_and_when_none_suffice() -> None:
    parts = Components()
    enough = needed(parts, 0.3, "mean", 6, 30, 30)
    assert enough is not None and enough.mean <= 0.3 < plan(parts, enough.listeners - 1, 6, 30, 30).mean
    assert needed(parts, 0.2, "mean", 6, 4, 30) is None  # four clips alone leave more
