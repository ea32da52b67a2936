"""From files to what the model reads."""

from types import SimpleNamespace

import numpy as np
import pytest
from synthetic_codec import FakeCodec

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.frontend import find_features, read_features, visual_features, voice_of


def test_npy_features_are_found_by_their_names(tmp_path):
    (tmp_path / "s1").mkdir()
    for name in ("s1-face-bbaf2n", "s2-face-bbaf2n", "s1/lwbs9s", "7RrOhe6SSj0-feature-7RrOhe6SSj0-001"):
        np.save(tmp_path / f"{name}.npy", np.ones((75, 4), np.float32))
    assert find_features(tmp_path, "s1-bbaf2n").stem == "s1-face-bbaf2n"
    assert find_features(tmp_path, "s1-lwbs9s").stem == "lwbs9s"
    found = find_features(tmp_path, "7RrOhe6SSj0-001", "7RrOhe6SSj0")
    assert found.stem == "7RrOhe6SSj0-feature-7RrOhe6SSj0-001"
    with pytest.raises(DubbenchError, match=r"0 \.npy files fit the clip s9-bbaf2n"):
        find_features(tmp_path, "s9-bbaf2n")


def test_npy_features_are_checked(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(12.0).reshape(1, 6, 2))
    assert read_features(path).shape == (6, 2)
    assert read_features(path, 5).shape == (5, 2) and read_features(path, 8)[-1].tolist() == [10, 11]
    with pytest.raises(DubbenchError, match="6 frames, but the clip has 75"):
        read_features(path, 75)
    np.save(path, np.full((3, 2), np.nan))
    with pytest.raises(DubbenchError, match="not numbers"):
        read_features(path)
    np.save(path, np.zeros(5, int))
    with pytest.raises(DubbenchError, match="expected floats"):
        read_features(path)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DubbenchError, match=r"not readable as a plain \.npy"):
        read_features(path)


def test_a_long_video_is_refused_before_it_is_decoded(monkeypatch, tmp_path):
    monkeypatch.setattr("dubbench.signal.clock.timeline", lambda path: SimpleNamespace(duration=200.0))
    with pytest.raises(DubbenchError, match=r"200\.0 s are more than the model's limit of 62\.5 s"):
        visual_features(tmp_path / "long.mp4", 62.5)


def test_references_of_any_length_have_a_voice():
    class Heard(FakeCodec):
        def encode(self, wav):
            self.length = len(wav)
            return super().encode(wav)

    codec = Heard()
    sound = np.sin(np.arange(60 * 16000) / 9).astype(np.float32)
    for seconds, heard in ((0.2, 1.6), (3.0, 3.0), (60.0, 20.0)):
        assert voice_of(codec, sound[: int(seconds * 16000)]).shape == (256,)
        assert codec.length == int(heard * 16000)
    with pytest.raises(DubbenchError, match="silent, so there is no voice"):
        voice_of(codec, np.zeros(16000, np.float32))
