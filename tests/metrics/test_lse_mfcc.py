"""The cepstra of SyncNet against the package that the original imports."""

import numpy as np
import pytest

from dubbench.metrics.parts.filterbank import pcm16
from dubbench.metrics.syncnet.mfcc import mfcc


def noise(count: int, scale: int = 8000) -> np.ndarray:
    return np.random.default_rng(count).integers(-scale, scale, count).astype(np.int16)


@pytest.mark.parametrize("count", [1, 399, 400, 401, 560, 561, 48000, 700 * 160])
def test_agrees_with_python_speech_features(count: int) -> None:
    package = pytest.importorskip("python_speech_features", reason="python_speech_features is not installed")
    np.testing.assert_allclose(mfcc(noise(count)), package.mfcc(noise(count), 16000), atol=1e-6)


@pytest.mark.parametrize("pcm", [np.zeros(3200, np.int16), np.full(3200, 100, np.int16), noise(3200, 32767)])
def test_agrees_on_silence_a_constant_and_full_scale(pcm: np.ndarray) -> None:
    package = pytest.importorskip("python_speech_features", reason="python_speech_features is not installed")
    np.testing.assert_allclose(mfcc(pcm), package.mfcc(pcm, 16000), atol=1e-6)


def test_75_frames_are_299_columns() -> None:
    assert mfcc(noise(48000)).shape == (299, 13)


def test_the_level_moves_coefficient_0_alone() -> None:
    loud, soft = mfcc(2 * noise(16000)), mfcc(noise(16000))
    np.testing.assert_allclose((loud - soft)[:, 0], np.log(4), atol=1e-9)
    np.testing.assert_allclose(loud[:, 1:], soft[:, 1:], atol=1e-8)


def test_long_sound_is_as_short_sound() -> None:
    whole = noise(5000 * 160)
    np.testing.assert_allclose(mfcc(whole)[4000:4900], mfcc(whole[3990 * 160 :])[10:910], atol=1e-9)


def test_rounds_and_clips_to_16_bits() -> None:
    samples = np.array([0, 1, -1, 2, -2, 0.5, 1.5 / 32768, 2.5 / 32768], np.float32)
    assert pcm16(samples).tolist() == [0, 32767, -32768, 32767, -32768, 16384, 2, 2]
