"""One real clip through everything, from a folder to a data frame: part of ``make quick``."""

import shutil
from pathlib import Path

import pytest

import dubbench
from dubbench.signal.media import read_audio, write_wav

pytest.importorskip("pyworld")


@pytest.mark.quick
def test_one_clip_through_everything(shared_data: Path, tmp_path: Path) -> None:
    video = next((shared_data / "grid" / "s1").glob("bbal8p.mpg"))
    clips, dubs = tmp_path / "clips", tmp_path / "dubs"
    clips.mkdir()
    shutil.copy(video, clips)
    (clips / "clips.csv").write_text(f"clip,speaker,text,video\nbbal8p,s1,bin blue at l eight please,{video.name}\n")
    dubs.mkdir()
    write_wav(dubs / "bbal8p.wav", read_audio(video), 16000)
    scores = dubbench.score(
        dubs, root=clips, setting="1.0", metrics=["pitch", "align", "duration"], out=tmp_path / "run"
    )
    rows = scores.to_pandas().set_index(["system", "column"])["value"]
    assert rows["dubs", "FFE"] == 0 and rows["dubs", "align-ms"] == 0
    assert (tmp_path / "run" / "board" / "index.html").is_file()
    assert set(scores.table()["system"]) == {"ground_truth", "dubs"}
    assert scores.dubs["reason"].eq("").all() and list(scores.timings["system"]) == ["dubs", "ground_truth"]
