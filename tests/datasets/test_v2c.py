"""V2C in the layout of its authors' tool, and flat."""

from pathlib import Path

import pytest

from dubbench.datasets.selection import select
from dubbench.datasets.v2c import V2CDataset
from dubbench.errors import DubbenchError


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_tools_layout(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{
            "Up/Up_videos/Carl/0347.mp4": "",
            "Up/Up_videos/Carl/0348.mp4": "",
            "Up/Up_speeches/Carl/00/Carl-00-0347.normalized.txt": "I have\nnever been  here\n",
            "Up/Up_speeches/Carl/00/Carl-00-0347.wav": "",
            "Up/Up_videos/Carl/poster.mp4": "",
            "splits/test.txt": "Up@Carl_00_0347_00\nUp@Carl_00_0999_00\n",
        },
    )
    data = V2CDataset(tmp_path)
    (clip,) = data.clips()
    assert (clip.id, clip.speaker, clip.text) == ("Up@Carl_00_0347_00", "Up@Carl", "I have never been here")
    assert clip.audio is not None and clip.audio.name == "Carl-00-0347.wav"
    said = {p.clip: p.what for p in data.problems()}
    assert "add Up/Up_speeches/Carl/00/Carl-00-0348.normalized.txt" in said["Up@Carl_00_0348_00"]
    assert len(said) == 2
    chosen = select(data, "test")
    assert [c.id for c in chosen.clips] == [clip.id] and chosen.missing == ["Up@Carl_00_0999_00"]


def test_flat(tmp_path: Path) -> None:
    put(tmp_path, **{"a/Up@Carl_00_0347_00.mp4": "", "a/Up@Carl_00_0347_00.lab": "hello"})
    data = V2CDataset(tmp_path)
    (clip,) = data.clips()
    assert clip.audio == clip.video and clip.text == "hello"
    assert data.split("test") is None and "import-list" in data.split_note("test")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match=r"v2c: no clip in .*toolkit_data.py"):
        V2CDataset(tmp_path).clips()
