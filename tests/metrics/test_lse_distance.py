"""The formula of LSE: published values, invariants, and what is known of its quirks."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from dubbench.metrics.syncnet.distance import REACH, mean_distances, sync


def walk(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 1024)).astype(np.float32)


def published(lips: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The curve as torch's own functions give it."""
    padded = functional.pad(torch.from_numpy(sound), (0, 0, REACH, REACH))
    rows = [
        functional.pairwise_distance(torch.from_numpy(lips[i : i + 1]), padded[i : i + 2 * REACH + 1])
        for i in range(len(lips))
    ]
    return torch.stack(rows).mean(0).numpy()


@pytest.mark.parametrize("count", [1, 2, 6, 31, 70])
def test_agrees_with_pairwise_distance(count: int) -> None:
    lips, sound = walk(count), walk(count, 1)
    np.testing.assert_allclose(mean_distances(lips, sound), published(lips, sound), rtol=2e-6)


def test_of_identical_features_is_the_epsilon_alone() -> None:
    found = sync(walk(70), walk(70))
    assert found.offset == 0
    assert found.distance == pytest.approx(1e-6 * np.sqrt(1024), rel=1e-6)  # 3.2e-5
    assert found.distance_at_zero == found.distance
    assert found.windows == 70


@pytest.mark.parametrize("late", [-15, -7, -1, 1, 8, 15])
def test_delaying_the_sound_lowers_the_offset(late: int) -> None:
    features = walk(160)
    found = sync(features[40:110], features[40 - late : 110 - late])
    assert found.offset == -late
    assert found.distance_at_zero > found.distance + 10


def test_beyond_the_reach_nothing_stands_out() -> None:
    features = walk(160)
    far, near = sync(features[40:110], features[20:90]), sync(features[40:110], features[30:100])
    assert abs(far.offset) == REACH
    assert far.confidence < 0.2 * near.confidence


def test_unrelated_features_have_little_confidence() -> None:
    features = walk(70)
    assert sync(features, walk(70, 1)).confidence < 0.3 * sync(features, features).confidence


def test_confidence_grows_with_length_at_equal_distance() -> None:
    """Because of the zeros around the sound; so sets of different length cannot be held against each other."""
    noise = 0.05 * walk(600, 2)
    found = [sync(walk(600)[:n], (walk(600) + noise)[:n]) for n in (6, 20, 70, 600)]
    confidences = [f.confidence for f in found]
    assert confidences == sorted(confidences)
    assert confidences[-1] > 1.3 * confidences[0]
    assert np.ptp([f.distance for f in found]) < 0.05 * found[0].distance


def test_the_median_is_over_all_31_places() -> None:
    curve = mean_distances(walk(6), walk(6, 1))
    found = sync(walk(6), walk(6, 1))
    assert len(curve) == 31
    assert found.confidence == pytest.approx(sorted(curve)[15] - min(curve))


@pytest.mark.parametrize("shapes", [((0, 1024), (0, 1024)), ((3, 1024), (4, 1024))])
def test_refuses_what_does_not_fit(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="shapes"):
        sync(np.zeros(shapes[0]), np.zeros(shapes[1]))
