"""Time-scale modification of speech at constant pitch: WSOLA along any time map.

W. Verhelst and M. Roelands, "An overlap-add technique based on waveform similarity (WSOLA) for high quality time-scale
modification of speech", ICASSP 1993.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dubbench.errors import DubbenchError

Samples = NDArray[np.float32]

_WINDOW = 0.032  # seconds; two periods of a low male voice
_SEARCH = 0.010  # seconds to each side; with the window's own overlap one period of 50 Hz


def wsola(samples: Samples, source: NDArray[np.float64], rate: int) -> Samples:
    """Read ``samples`` along ``source``: (N,) out, where output sample n comes from within 10 ms of ``source[n]``.

    Windows of 32 ms that overlap by half; each is taken where it best continues the one before (normalised
    cross-correlation). Where ``source`` is the identity, the output is the input, exactly.

    Args:
        samples: (T,).
        source: (N,) positions in samples, not decreasing.
        rate: in Hz.

    Raises:
        DubbenchError: ``source`` decreases.
    """
    if len(source) and np.any(np.diff(source) < 0):
        raise DubbenchError("a time map must not run backwards")
    hop = round(_WINDOW * rate / 2)
    size, reach = 2 * hop, round(_SEARCH * rate)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(size) + 0.5) / size)
    count = -(-len(source) // hop) + 1
    # Window k covers the output from (k - 1) * hop on; its middle is at k * hop.
    middles = np.interp(np.arange(count) * hop, np.arange(len(source)), source) if len(source) else np.zeros(count)
    extra = max(0, (count - 1) * hop - (len(source) - 1))  # the last middle lies beyond the output's end
    middles[-1] += extra
    margin = size + reach + hop
    padded = np.concatenate([np.zeros(margin), samples.astype(np.float64), np.zeros(2 * margin)])
    output = np.zeros((count + 1) * hop)
    at = -1
    for k in range(count):
        ideal = min(max(round(middles[k]) - hop + margin, reach), len(padded) - size - reach - 1)
        if at >= 0:
            ideal = _best(padded, min(at + hop, len(padded) - size), ideal, size, reach)
        output[k * hop : k * hop + size] += window * padded[ideal : ideal + size]
        at = ideal
    return output[hop : hop + len(source)].astype(np.float32)


def _best(padded: NDArray[np.float64], natural: int, ideal: int, size: int, reach: int) -> int:
    """The start within ``reach`` of ``ideal`` whose window is most like the one at ``natural``."""
    if natural == ideal:
        return ideal
    target = padded[natural : natural + size]
    region = padded[ideal - reach : ideal + reach + size]
    likeness = np.correlate(region, target)
    power = np.concatenate([[0.0], np.cumsum(region**2)])
    norms = np.sqrt(np.maximum(power[size:] - power[:-size], 0.0))
    scores = likeness / (norms + 1e-6 * (np.sqrt(np.sum(target**2)) + 1e-12))
    best = int(np.argmax(scores))
    return ideal - reach + best if scores[best] > 0 else ideal


def stretch(samples: Samples, length: int, rate: int) -> Samples:
    """``samples`` (T,) in ``length`` samples at an even pace, pitch kept.

    Raises:
        DubbenchError: nothing to stretch, or onto nothing.
    """
    if length < 1 or not len(samples):
        raise DubbenchError(f"{len(samples)} samples cannot be stretched onto {length}")
    if length == len(samples):
        return samples
    return wsola(samples, np.asarray(np.linspace(0, len(samples) - 1, length), np.float64), rate)
