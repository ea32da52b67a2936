import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import awkward, pair, voice

from dubbench.core.metric import Unscored
from dubbench.metrics.pitch import FrameErrors, Pitch, frame_errors, pitch, statistics
from dubbench.signal.media import read_audio

TRACK = st.lists(st.sampled_from([0.0, 0.0, 80.0, 100.0, 119.0, 120.0, 121.0, 200.0]), min_size=1, max_size=40)


def tone(f0, seconds=1.0):
    t = np.arange(round(seconds * 16000)) / 16000
    return sum(np.sin(2 * np.pi * f0 * k * t) / k for k in range(1, 8)).astype(np.float32) * 0.1


def by_hand(ref, dub):
    """The definition, one frame at a time."""
    gross = both = voicing = 0
    pairs = list(zip(ref, dub, strict=False))
    for f, g in pairs:
        if f > 0 and g > 0:
            both += 1
            gross += not 0.8 * f <= g <= 1.2 * f
        voicing += (f > 0) != (g > 0)
    return FrameErrors(gross, both, voicing, len(pairs))


@given(TRACK, TRACK)
@settings(max_examples=200, deadline=None)
def test_counts_and_the_identity(ref, dub):
    errors = frame_errors(np.array(ref), np.array(dub))
    assert errors == by_hand(ref, dub)
    stats = statistics(errors)
    both = errors.both_voiced / errors.frames
    assert abs(stats["ffe"] - (stats["vde"] + stats.get("gpe", 0.0) * both)) < 1e-12
    assert ("gpe" in stats) == (errors.both_voiced > 0)


def test_twenty_percent_exactly_is_not_gross():
    ref = np.array([100.0, 150.0, 200.0, 250.0])
    assert frame_errors(ref, 1.2 * ref).gross == 0
    assert frame_errors(ref, 0.8 * ref).gross == 0
    assert frame_errors(ref, 1.201 * ref).gross == 4
    assert frame_errors(ref, 0.799 * ref).gross == 4


def test_the_ground_truth_is_the_denominator():
    low, high = np.array([100.0]), np.array([122.0])
    assert (frame_errors(low, high).gross, frame_errors(high, low).gross) == (1, 0)


def test_two_seconds_are_401_frames_and_a_tone_keeps_its_pitch():
    f0 = pitch(tone(150, 2.0))
    assert f0.shape == (401,)
    assert np.median(f0[f0 > 0]) == pytest.approx(150, rel=0.01)


@pytest.mark.parametrize(("factor", "gross"), [(0.85, 0), (1.1, 0), (1.25, 1), (0.7, 1), (2.0, 1)])
def test_a_transposed_tone(factor, gross):
    stats = Pitch().score(pair(tone(150 * factor), tone(150)))
    assert stats["gpe"] == pytest.approx(gross, abs=0.02)
    assert stats["vde"] < 0.05


def test_half_a_tone_is_half_unvoiced():
    x = tone(150, 2.0)
    half = np.where(np.arange(len(x)) < len(x) // 2, x, 0).astype(np.float32)
    stats = Pitch().score(pair(half, x))
    assert stats["vde"] == pytest.approx(0.5, abs=0.03)
    assert stats["gpe"] == 0


def test_awkward_dubs():
    truth = voice()
    for name, (dub, rate) in awkward(truth).items():
        result = Pitch().score(pair(dub, truth, rate))
        short = name in ("one sample", "ten samples", "a quarter")
        assert isinstance(result, Unscored) == short, name
        if isinstance(result, Unscored):
            assert "less than half" in result.reason
            continue
        assert all(np.isfinite(v) for v in result.values()), name
        if name == "digital silence":
            assert "gpe" not in result and "both_voiced" not in result
            assert result["ffe"] == result["vde"] > 0.2


def test_level_changes_nothing_and_a_real_clip_is_perfect_against_itself(shared_data):
    x = read_audio(shared_data / "grid" / "s1" / "bbaf3s.mp4")
    same = Pitch().score(pair(x.copy(), x))
    assert (same["gpe"], same["vde"], same["ffe"]) == (0, 0, 0)
    assert same["both_voiced"] > 50
    quiet = Pitch().score(pair((x * np.float32(0.25)), x))
    assert quiet["ffe"] == 0


def test_published_dubs_score_as_measured_independently(shared_data):
    folder = shared_data / "published_dubs"
    clips = {"lbbt8n": "lbbt8n.mp4", "swbi6p": "swbi6p.mpg"}
    truth = {clip: read_audio(folder / "video" / name) for clip, name in clips.items()}

    def ffe(system):
        return np.mean([Pitch().score(pair(read_audio(folder / system / f"{c}.flac"), truth[c]))["ffe"] for c in clips])

    assert ffe("ground_truth") < 0.02
    assert ffe("diflowdubber") == pytest.approx(0.13, abs=0.01)
    assert ffe("emodubber") == pytest.approx(0.23, abs=0.01)
    for system in ("v2cnet", "zeroshot_tts", "hpmdubbing", "styledubber", "speaker2dubber", "produbber"):
        assert 0.40 < ffe(system) < 0.58, system
