"""AV-HuBERT's filterbanks against python_speech_features, where it is installed, and by what must hold."""

import numpy as np
import pytest
from pairs import voice

from dubbench.metrics.parts.filterbank import log_filterbank, stacked


@pytest.mark.parametrize("count", [1, 399, 400, 401, 560, 561, 8000, 24000])
def test_against_python_speech_features(count: int) -> None:
    original = pytest.importorskip("python_speech_features")
    x = 0.3 * voice()[:count]
    wanted = original.logfbank(np.rint(x.astype(float) * 32768).astype(np.int16), 16000)
    np.testing.assert_allclose(log_filterbank(x), wanted, atol=1e-9)


def test_silence_and_clipping() -> None:
    assert (log_filterbank(np.zeros(800)) == np.log(np.finfo(float).eps)).all()
    np.testing.assert_array_equal(
        log_filterbank(50 * voice()), log_filterbank(np.clip(50 * voice(), -1, 32767 / 32768))
    )


def test_four_frames_side_by_side_cut_or_filled_to_the_video() -> None:
    bands = np.random.default_rng(0).normal(size=(10, 26))
    rows = stacked(bands, 5)
    assert rows.shape == (5, 104)
    first = bands[:4].ravel()
    np.testing.assert_allclose(rows[0], (first - first.mean()) / first.std(), atol=1e-4)
    third = np.concatenate([bands[8:].ravel(), np.zeros(52)])
    np.testing.assert_allclose(rows[2], (third - third.mean()) / third.std(), atol=1e-4)
    assert not rows[3:].any()
    np.testing.assert_array_equal(stacked(bands, 2), rows[:2])


def test_level_leaves_no_trace() -> None:
    """But for the rounding to 16 bits, which alone is left of a quiet room."""
    room = np.random.default_rng(0).normal(0, 0.01, 24000).astype(np.float32)
    loud, quiet = (stacked(log_filterbank(gain * (0.3 * voice() + room)), 30) for gain in (1.0, 0.25))
    assert np.abs(loud - quiet).mean() < 0.01
