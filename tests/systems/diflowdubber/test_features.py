"""The cache of features."""

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic_cache import cache, features, write_cache

from dubbench.errors import DubbenchError
from dubbench.training.features import Cache, CacheInfo, hold_out, pack, with_deltas


def test_a_cache_gives_back_what_went_in(tmp_path):
    clips = [features(i) for i in range(5)]
    path = write_cache(tmp_path, 5)
    read = Cache.load(path)
    assert len(read) == 5 and read.info.problems == {"clip-99": "no face found"}
    assert read.lip_dim == 12 and read.face_dim == 5
    assert read.token_lengths.tolist() == [c.tokens.shape[1] for c in clips]
    for found, clip in zip(read, clips, strict=True):
        assert (found.clip, found.speaker, found.text, found.aligned) == (clip.clip, clip.speaker, "bin blue", "exact")
        for name in ("tokens", "phonemes", "durations", "voice"):
            np.testing.assert_array_equal(getattr(found, name), getattr(clip, name))
        assert np.abs(found.lips - with_deltas(clip.lips)).max() < 1e-4  # a hundredth of a pixel
        assert np.abs(found.face - clip.face).max() < 3e-3


def test_deltas_are_central_differences():
    x = np.array([[1.0], [2.0], [5.0], [6.0]], np.float32)
    np.testing.assert_allclose(with_deltas(x)[:, 1], [1.0, 2.0, 2.0, 1.0])
    assert with_deltas(x[:1]).tolist() == [[1.0, 0.0]]


def test_features_of_850_grid_clips_stay_under_50_mib(tmp_path):
    """At the widths of the landmark features: 144 and 75 a frame, 75 frames, 240 tokens."""
    from dubbench.signal.landmarks import FACE_FEATURES, LIP_FEATURES

    one = replace(
        features(0),
        tokens=np.zeros((6, 240), np.int16),
        lips=np.zeros((75, LIP_FEATURES), np.float32),
        face=np.zeros((75, FACE_FEATURES), np.float32),
    )
    info = CacheInfo("grid", "train", "none", "0" * 64, "landmarks")
    path = tmp_path / "grid.safetensors"
    pack([replace(one, clip=f"s1-{i}") for i in range(85)], info).save(path)
    assert path.stat().st_size * 10 < 50 * 2**20


def test_the_digest_is_of_the_content(tmp_path):
    one, two = cache(4), cache(4)
    assert one.digest == two.digest == Cache.load(write_cache(tmp_path, 4)).digest
    two.arrays["tokens"][0, 0] += 1
    assert Cache(two.info, two.arrays).digest != one.digest


def test_a_damaged_cache_is_one_clear_line(tmp_path):
    path = write_cache(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    with pytest.raises(DubbenchError, match="unreadable or cut short"):
        Cache.load(path)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(DubbenchError, match="does not fit its digest"):
        Cache.load(path)
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(DubbenchError, match="not features of dubbench"):
        Cache.load(path)
    save_file({"x": np.zeros(3)}, path, {"dubbench": json.dumps({"version": 0, "dataset": "toon"})})
    with pytest.raises(DubbenchError, match="features of version 0"):
        Cache.load(path)
    for other in (json.dumps({"codec": "world", "version": 1}), "[]"):
        save_file({"x": np.zeros(3)}, path, {"dubbench": other})
        with pytest.raises(DubbenchError, match="not features of dubbench"):
            Cache.load(path)
    save_file({"x": np.zeros(3)}, path, {"dubbench": '{"version'})
    with pytest.raises(DubbenchError, match="damaged"):
        Cache.load(path)
    with pytest.raises(DubbenchError, match="no such features"):
        Cache.load(tmp_path / "nothing")


def test_held_out_clips_stay_the_same_when_others_go():
    ids = [f"s1-{i}" for i in range(100)]
    some = hold_out(ids, 10)
    assert len(some) == 10 and some == hold_out(ids[::-1], 10)
    fewer = [clip for clip in ids if clip in some or int(clip[3:]) % 2]
    assert hold_out(fewer, 10) == some
