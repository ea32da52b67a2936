"""Phone-boundary error: arithmetic by hand, known delays, and what must stay unscored."""

from pathlib import Path

import numpy as np
import pytest
from pairs import awkward, voice
from spoken import SENTENCES, say

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.datasets.grid import sentence
from dubbench.metrics.phones import PhoneBoundaries, align_truth, boundary_errors, pronounced
from dubbench.signal.forced_alignment import SILENCE, Phone
from dubbench.signal.listed_phones import write_listed
from dubbench.signal.media import read_audio
from dubbench.signal.sound import Sound

TEXT = SENTENCES[0]


def item(dub: np.ndarray, truth: np.ndarray, text: str = TEXT, rate: int = 16000) -> Item:
    clip = Clip("c", "grid", "s1", text, Path("none.mp4"))
    return Item(clip, Sound(dub.astype(np.float32), rate), Sound(truth, 16000), None, len(truth) / 16000, 25.0)


def error(dub: np.ndarray, truth: np.ndarray, text: str = TEXT) -> float:
    stats = PhoneBoundaries().score(item(dub, truth, text))
    assert not isinstance(stats, Unscored), stats
    return stats["error_ms"]


def test_boundaries_by_hand() -> None:
    truth = [Phone(SILENCE, 0, 0.1), Phone("B", 0.1, 0.2, 0), Phone("IH", 0.2, 0.4, 0)]
    dub = [Phone("B", 0.0, 0.25, 0), Phone(SILENCE, 0.25, 0.3), Phone("IH", 0.3, 0.4, 0)]
    np.testing.assert_allclose(boundary_errors(truth, dub), [[-0.1, 0.05], [0.1, 0.0]])
    with pytest.raises(ValueError, match="different phones"):
        boundary_errors(truth, dub[:1])


def test_the_chosen_pronunciations() -> None:
    phones = [Phone(SILENCE, 0, 1), Phone("Z", 1, 2, 0), Phone("EH", 2, 3, 0), Phone("D", 3, 4, 0), Phone("B", 4, 5, 1)]
    assert pronounced(phones) == [(("Z", "EH", "D"),), (("B",),)]


def test_itself_is_perfect_and_a_delay_is_seen_in_full() -> None:
    sound = say(TEXT)[0]
    room = sound[:3200]
    assert error(sound, sound) == 0.0
    assert error(np.float32(0.25) * sound, sound) == 0.0
    for ms in (50, 200):
        late = np.concatenate([room[: 16 * ms], sound])
        assert error(late, sound) == pytest.approx(ms, abs=10.1)
    assert error(sound[1600:], sound) == pytest.approx(100, abs=10.1)


def test_another_voice_in_time_is_near_and_the_same_voice_out_of_time_is_not() -> None:
    sound, other = say(TEXT)[0], say(TEXT, "en-us+f3")[0]
    slow = np.interp(np.arange(0, len(sound), 0.8), np.arange(len(sound)), sound).astype(np.float32)
    assert error(other, sound) <= 30
    assert error(slow, sound) > 60


def test_the_truth_is_aligned_once_and_as_the_dub_will_be(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Sound(say(TEXT)[0], 16000)
    first = align_truth(sound, TEXT)
    monkeypatch.setattr("dubbench.signal.forced_alignment.align_words_phones", None)
    assert align_truth(sound, TEXT) is first


def test_what_cannot_be_aligned_is_unscored_with_its_side() -> None:
    sound = say(TEXT)[0]
    metric = PhoneBoundaries()
    noise = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    for dub, truth, text, side in (
        (noise, sound, TEXT, "dub: "),
        (sound, noise, TEXT, "ground truth: "),
        (sound, sound, "set qwxyzzy soon", "ground truth: the word 'qwxyzzy'"),
        (np.zeros(16000), sound, TEXT, "dub: there is no sound"),
        (np.zeros(61 * 16000), sound, TEXT, "longer than 60 s"),
    ):
        stats = metric.score(item(dub, truth, text))
        assert isinstance(stats, Unscored)
        assert stats.reason.startswith(side)


def test_awkward_dubs() -> None:
    sound = say(TEXT)[0]
    for name, (dub, rate) in awkward(voice()).items():
        stats = PhoneBoundaries().score(item(dub, sound, TEXT, rate))
        assert isinstance(stats, Unscored) or stats["error_ms"] >= 0, name


def test_real_clips_are_aligned_and_another_sentence_is_far(shared_data: Path) -> None:
    files = sorted((shared_data / "grid" / "s1").glob("*.m*"))[::120]
    sounds = [read_audio(file) for file in files]
    texts = [sentence(file.stem) or "" for file in files]
    assert [error(x, x, t) for x, t in zip(sounds, texts, strict=True)] == [0.0] * len(files)
    others = [PhoneBoundaries().score(item(sounds[i - 1], sounds[i], texts[i])) for i in range(len(files))]
    far = [stats["error_ms"] for stats in others if not isinstance(stats, Unscored)]
    assert len(far) >= 4
    assert np.median(far) > 60


def test_against_a_list(tmp_path: Path) -> None:
    sound = say(TEXT)[0]
    path = tmp_path / "phones.jsonl"
    path.write_text(write_listed({"c": align_truth(Sound(sound, 16000), TEXT)}))
    metric = PhoneBoundaries(durations=str(path))
    assert metric.info.recipe == "phones/listed" and metric.info.needs == {"text"}
    assert "ground_truth" not in metric.columns[0].expects and metric.columns[0].best is None
    same = metric.score(item(sound, sound))
    late = metric.score(item(np.concatenate([sound[:1600], sound]), sound))
    assert not isinstance(same, Unscored) and same["error_ms"] <= 10
    assert not isinstance(late, Unscored) and late["error_ms"] == pytest.approx(100, abs=10.1)
    path.write_text(write_listed({"other": [Phone("B", 0, 1, 0)]}))
    assert PhoneBoundaries(durations=str(path)).score(item(sound, sound)) == Unscored(
        "ground truth: the clip is not in the list of phone durations"
    )
