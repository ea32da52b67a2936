"""One rule for what counts as silence, and every metric whose network would answer to it holds to that rule."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pairs import pair

from dubbench.core.metric import MetricBase, Unscored
from dubbench.metrics import avsync, emo_sim, lse, secs_dvector, secs_wavlm, utmos
from dubbench.metrics.parts.loudness import QUIET_DB, silent

Samples = NDArray[np.float32]
NETWORKS = [(avsync, avsync.AVSync), (lse, lse.LSE), (lse, lse.LSEDirect), (utmos, utmos.UTMOS)]


def hiss(db: float, seconds: float = 1.0, rate: int = 16000) -> Samples:
    """Noise of an RMS of ``db`` dBFS."""
    x = np.random.default_rng(0).normal(size=round(seconds * rate))
    return (x / np.std(x) * 10 ** (db / 20)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 48000])
def test_silence_is_a_level_without_the_mean(rate: int) -> None:
    assert silent(hiss(QUIET_DB - 0.1, rate=rate)) and not silent(hiss(QUIET_DB + 0.1, rate=rate))
    assert silent(hiss(QUIET_DB - 0.1, rate=rate) + np.float32(0.25))
    assert silent(np.full(rate, 0.3, np.float32)) and silent(np.ones(1, np.float32))
    assert not silent(hiss(-70))


@pytest.mark.parametrize(("module", "kind"), NETWORKS, ids=lambda part: getattr(part, "__name__", ""))
def test_a_silent_dub_is_unscored(module: object, kind: type[MetricBase], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "asset_digest", lambda name: "0" * 64)
    metric = kind()
    monkeypatch.setattr(metric, "load", lambda device: None)
    assert metric.info.settings["silent_below_dbfs"] == QUIET_DB
    for dub in (hiss(QUIET_DB - 0.5), np.zeros(16000, np.float32), np.full(16000, 0.5, np.float32)):
        found = metric.score(pair(dub, hiss(-20)))  # type: ignore[attr-defined]
        assert isinstance(found, Unscored) and found.reason.startswith("no sound in the dub"), found


@pytest.mark.parametrize("embed", [emo_sim.embed, secs_dvector.embed, secs_wavlm.embed])
def test_silence_has_no_embedding(embed: Callable[[None, Samples], object]) -> None:
    assert embed(None, hiss(QUIET_DB - 0.5)) == "no sound"
