"""What a metric needs and a clip lacks."""

from pathlib import Path

import numpy as np
import pytest

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, MetricInfo, lacking
from dubbench.signal.sound import Sound

SOUND = Sound(np.ones(16, np.float32), 16000)


def item(tmp_path: Path, **changes: object) -> Item:
    video = tmp_path / "a.mkv"
    video.write_bytes(b"pictures")
    text = changes.pop("text", "bin blue")
    clip = Clip(id="a", dataset="d", speaker="s", text=str(text), video=video)
    told: dict[str, object] = {"truth": SOUND, "reference": SOUND, "duration": 3.0, "fps": 25.0, **changes}
    return Item(clip, SOUND, **told)  # type: ignore[arg-type]


def info(*needs: str) -> MetricInfo:
    return MetricInfo(name="m", recipe="m/x", needs=frozenset(needs))  # type: ignore[arg-type]


ALL = ("truth", "reference", "video", "text")


def test_nothing_is_lacking(tmp_path: Path) -> None:
    assert lacking(info(*ALL), item(tmp_path)) == ""


@pytest.mark.parametrize(
    ("need", "changes", "reason"),
    [
        ("truth", {"truth": None}, "no ground truth: silent film"),
        ("reference", {"reference": None}, "no reference voice"),
        ("video", {"duration": 0.0}, "no video"),
        ("text", {"text": " \n"}, "no text"),
    ],
)
def test_what_is_lacking_is_named(tmp_path: Path, need: str, changes: dict[str, object], reason: str) -> None:
    without = item(tmp_path, **changes)
    assert lacking(info(need), without, "silent film") == reason
    assert lacking(info(*ALL), without, "silent film") == reason
    assert lacking(info(*(n for n in ALL if n != need)), without) == ""


def test_a_video_that_is_gone(tmp_path: Path) -> None:
    without = item(tmp_path)
    without.clip.video.unlink()
    assert lacking(info("video"), without) == "no video"
