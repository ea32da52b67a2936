"""Pixels come back from a PNG as they went in."""

import numpy as np
import pytest

from dubbench.signal.png import png


@pytest.mark.parametrize("shape", [(64, 301), (1, 1), (3, 1000)])
def test_pixels_come_back(shape: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape, np.uint8)
    palette = rng.integers(0, 256, (256, 3), np.uint8)
    grey, coloured = png(pixels), png(pixels, palette)
    assert np.array_equal(cv2.imdecode(np.frombuffer(grey, np.uint8), cv2.IMREAD_UNCHANGED), pixels)
    assert np.array_equal(cv2.imdecode(np.frombuffer(coloured, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], palette[pixels])
    assert grey == png(pixels) and coloured == png(pixels, palette)
