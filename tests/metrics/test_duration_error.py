import numpy as np
import pytest
from pairs import pair

from dubbench.metrics.duration import DurationError, too_short


@pytest.mark.parametrize(("samples", "rate", "error"), [(48000, 16000, 0.0), (40000, 16000, 0.5), (192000, 48000, 1.0)])
def test_seconds_from_the_video(samples, rate, error):
    item = pair(np.zeros(samples, np.float32), np.zeros(48000, np.float32), rate)
    assert DurationError().score(item) == {"error_s": pytest.approx(error)}


def test_half_the_ground_truth_is_enough():
    assert too_short(1.5, 3.0) is None
    assert too_short(9.0, 3.0) is None
    assert too_short(1.49, 3.0) == "the dub (1.49 s) covers less than half of the ground truth (3.00 s)"
