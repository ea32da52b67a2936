"""DNSMOS against the package whose networks it runs."""

from pathlib import Path

import numpy as np
import pytest
from pairs import awkward, pair, voice
from spoken import SENTENCES, say

from dubbench.core.metric import Unscored
from dubbench.metrics.dnsmos import DNSMOS, LEVEL_DB, opinion
from dubbench.metrics.parts.loudness import at_level
from dubbench.signal.media import read_audio


@pytest.mark.parametrize("seconds", [1.5, 10.2])
def test_it_is_what_speechmos_gives(seconds: float) -> None:
    """One window of a short sound doubled three times, and two windows of a long one."""
    from speechmos import dnsmos

    sound = say(SENTENCES[0])[0]
    sound = np.clip(np.tile(sound, 8)[: round(seconds * 16000)], -1, 1)
    wanted = dnsmos.run(sound, 16000)
    found = opinion(sound)
    assert found.ovrl == pytest.approx(wanted["ovrl_mos"], abs=1e-4)
    assert found.sig == pytest.approx(wanted["sig_mos"], abs=1e-4)
    assert found.bak == pytest.approx(wanted["bak_mos"], abs=1e-4)
    assert found.p808 == pytest.approx(wanted["p808_mos"], abs=1e-4)


def test_level_is_taken_out_before() -> None:
    sound = say(SENTENCES[1])[0][:24000]
    metric = DNSMOS()
    levelled = at_level(sound, LEVEL_DB)
    assert levelled is not None
    wanted = opinion(levelled)._asdict()
    assert metric.score(pair(sound, sound)) == wanted
    quiet = metric.score(pair(np.float32(0.05) * sound, sound))
    assert quiet == pytest.approx(wanted, abs=1e-3)


def test_awkward_dubs_give_opinions_or_a_reason() -> None:
    reasons = {"one sample": "shorter", "ten samples": "shorter", "a quarter": "shorter"}
    reasons |= {"digital silence": "no sound", "constant": "no sound"}
    short = voice()
    chosen = {k: v for k, v in awkward(short).items() if k in reasons or k in ("noise", "8 kHz", "one click")}
    for name, (dub, rate) in chosen.items():
        stats = DNSMOS().score(pair(dub, short, rate))
        if isinstance(stats, Unscored):
            assert reasons[name] in stats.reason
        else:
            assert name not in reasons
            assert all(0.5 < value < 5 for value in stats.values()), (name, stats)


def test_noise_is_heard(shared_data: Path) -> None:
    sound = read_audio(shared_data / "grid" / "s1" / "bbaf3s.mp4")
    noise = np.random.default_rng(0).normal(0, 0.3 * sound.std(), len(sound)).astype(np.float32)
    clean, noisy = (DNSMOS().score(pair(x, sound)) for x in (sound, sound + noise))
    assert not isinstance(clean, Unscored) and not isinstance(noisy, Unscored)
    assert 2.3 < clean["ovrl"] < 3.8
    assert noisy["ovrl"] < clean["ovrl"] - 0.3
    assert noisy["bak"] < clean["bak"] - 0.5
