from pathlib import Path

import pytest

from dubbench.datasets.selection import select
from dubbench.datasets.toon.dataset import ToonDataset


def test_the_corpus_is_made_on_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("espeakng_loader")
    pytest.importorskip("cv2")
    from dubbench.datasets.toon import script

    few = script.script()[:3]
    monkeypatch.setattr(script, "script", lambda: few)
    root = tmp_path / "toon"
    data = ToonDataset(root)
    assert not root.exists()  # only asked for, not made
    clips = data.clips()
    assert len(clips) == 3 and [clip.id for clip in clips] == sorted(clip.id for clip in clips)
    assert all(clip.video.is_file() and clip.audio is not None and clip.audio.is_file() for clip in clips)
    assert {clip.dataset for clip in clips} == {"toon"} and data.problems() == []
    assert "making the toon corpus" in capfd.readouterr().err
    made = (root / "clips.csv").stat().st_mtime_ns
    again = ToonDataset(root)
    assert again.clips() == clips and (root / "clips.csv").stat().st_mtime_ns == made
    assert "making" not in capfd.readouterr().err
    listed = {name: again.split(name) for name in ("test", "train", "other")}
    assert listed["other"] is None
    assert sorted((listed["test"] or []) + (listed["train"] or [])) == [clip.id for clip in clips]
    assert select(again).clips
