import json
import os
import unicodedata
from pathlib import Path

import pytest

from dubbench.datasets.folder import FolderDataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.signal.media import probe, read_audio


def folder(root: Path, table: str, *files: str, name: str = "clips.csv", encoding: str = "utf-8") -> FolderDataset:
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")
    (root / name).write_bytes(table.encode(encoding))
    return FolderDataset(root)


def said(data: FolderDataset) -> dict[str, str]:
    problems = data.problems()
    assert all("\n" not in p.clip + p.what for p in problems)
    return {p.clip: p.what for p in problems}


def test_columns_and_defaults(tmp_path: Path) -> None:
    table = (
        "clip,speaker,text,video,audio,phones,split\n"
        'a,s1,"Hello,  there",v/a.mp4,a.wav,a.csv,test\n'
        "b,,Hi,v/b.mp4,,,train\n"
        "c,s1,Ho,v/a.mp4,,,\n"
    )
    data = folder(tmp_path, table, "v/a.mp4", "v/b.mp4", "a.wav", "a.csv")
    a, b, c = data.clips()
    assert (a.id, a.dataset, a.speaker, a.text) == ("a", "folder", "s1", "Hello, there")
    assert (a.video, a.audio, a.phones) == (tmp_path / "v/a.mp4", tmp_path / "a.wav", tmp_path / "a.csv")
    assert (b.speaker, b.audio, b.phones) == ("", b.video, None)
    assert c.video == a.video
    assert (data.split("test"), data.split("train"), data.split("val")) == (["a"], ["b"], None)
    assert data.problems() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_tables_as_programs_write_them(tmp_path: Path, encoding: str, delimiter: str, newline: str) -> None:
    rows = [["Clip", " Text ", "VIDEO"], ["früh-1", "Grüß Gott", "ü.mp4"], ["", "", ""], ["朝", "おはよう", "朝.mp4"]]
    table = newline.join(delimiter.join(row) for row in rows) + newline
    data = folder(tmp_path, table, "ü.mp4", "朝.mp4", encoding=encoding)
    assert [(clip.id, clip.text) for clip in data.clips()] == [("früh-1", "Grüß Gott"), ("朝", "おはよう")]
    assert data.problems() == []


def test_tables_of_excel(tmp_path: Path) -> None:
    table = "clip\ttext\tvideo\r\na\tété\tv\\a.mp4\r\n"  # "Unicode text"
    (clip,) = folder(tmp_path / "wide", table, "v/a.mp4", encoding="utf-16").clips()
    assert (clip.text, clip.video) == ("été", tmp_path / "wide/v/a.mp4")
    table = "sep=;\r\nclip;text;video\r\na;un, deux;.\\a.mp4\r\nb;;a.mp4\r\n"
    data = folder(tmp_path / "sep", table, "a.mp4")
    assert [(clip.id, clip.text) for clip in data.clips()] == [("a", "un, deux")]
    assert said(data)["b"].startswith("clips.csv line 4: no text")
    for number, encoding in enumerate(("utf-16-le", "latin-1", "cp1252")):
        with pytest.raises(
            DubbenchError, match=r'line \d is not UTF-8; save the table as UTF-8 \(Excel: "CSV UTF-8"\)$'
        ):
            folder(tmp_path / f"{number}", "clip,text,video\na,été,a.mp4\n", "a.mp4", encoding=encoding).clips()


def test_decomposed_names_as_apple_writes_them(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "früh")
    data = folder(tmp_path, "clip,text,video\nfrüh,Hallo,früh.mp4\n", f"{apart}.mp4")
    assert [clip.id for clip in data.clips()] == ["früh"] and data.clips()[0].video.is_file()
    other = folder(tmp_path / "b", f"clip,text,video\n{apart},Hallo,{apart}.mp4\nfrüh,Ho,früh.mp4\n", "früh.mp4")
    assert "line 2 is used, clips.csv line 3 is not" in said(other)["früh"]


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"clip": 7, "speaker": "s1", "text": "seven\n lines", "video": "a.mp4"},
        {"clip": "b", "text": "", "video": "a.mp4"},
    ]
    lines = [*map(json.dumps, rows), "{broken", "[1]", "", '{"clip": "c", "text": "x\u2028y"}']
    data = folder(tmp_path, "\n".join(lines), "a.mp4", name="clips.jsonl")
    assert [(clip.id, clip.text) for clip in data.clips()] == [("7", "seven lines")]
    assert set(said(data)) == {"b", "c", "clips.jsonl line 3", "clips.jsonl line 4"}
    assert "no text" in said(data)["b"] and "no video" in said(data)["c"]


def test_paths_stay_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")
    root = tmp_path / "data"
    root.mkdir()
    (root / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "up").symlink_to(tmp_path)
    (root / "fine").symlink_to(root / "good.mp4")
    (root / "inner.mp4").mkdir()
    table = (
        "clip,text,video\n"
        "up,x,../secret.mp4\n"
        "middle,x,v/../../secret.mp4\n"
        f"absolute,x,{tmp_path / 'secret.mp4'}\n"
        "windows,x,C:\\secret.mp4\n"
        "backslash,x,..\\secret.mp4\n"
        "link,x,link.mp4\n"
        "linked,x,up/secret.mp4\n"
        "good,x,good.mp4\n"
        "fine,x,fine\n"
        "long,x," + "n" * 300 + ".mp4\n"
        "folder,x,inner.mp4\n"
        "rooted,x,\\secret.mp4\n"
    )
    data = folder(root, table, "good.mp4")
    assert [clip.id for clip in data.clips()] == ["fine", "good"]
    what = said(data)
    names = {"up", "middle", "absolute", "windows", "backslash", "link", "linked", "long", "folder", "rooted"}
    assert set(what) == names
    assert what["folder"].endswith("'inner.mp4' is a folder; write the path of a file")
    assert all("'..'" in what[clip] for clip in ("up", "middle", "backslash"))
    assert all("absolute" in what[clip] for clip in ("absolute", "windows", "rooted"))
    assert all("link out of" in what[clip] for clip in ("link", "linked"))


def test_rows_that_cannot_be_clips(tmp_path: Path) -> None:
    table = (
        "clip,speaker,text,video\n"
        "a,s1,first,a.mp4\n"
        "a,s2,second,a.mp4\n"
        "../../etc/x,s1,text,a.mp4\n"
        ".hidden,s1,text,a.mp4\n"
        ",s1,text,a.mp4\n"
        "mute,s1,,a.mp4\n"
        "gone,s1,text,gone.mp4\n"
        "blind,s1,text,\n"
        "comma,s1,one, two,a.mp4\n"
        "short,s1\n"
    )
    data = folder(tmp_path, table, "a.mp4")
    assert [(clip.id, clip.text) for clip in data.clips()] == [("a", "first")]
    what = said(data)
    assert what["a"].startswith("there twice: clips.csv line 2 is used, clips.csv line 3 is not")
    assert "'../../etc/x'" in what["clips.csv line 4"] and "'/'" in what["clips.csv line 4"]
    assert "dot" in what["clips.csv line 5"] and "empty" in what["clips.csv line 6"]
    assert "no text" in what["mute"] and "no file 'gone.mp4'" in what["gone"] and "no video" in what["blind"]
    assert "5 fields for 4 columns" in what["clips.csv line 10"] and "2 fields" in what["clips.csv line 11"]
    assert len(what) == 9


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="no folder given"):
        FolderDataset(None)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"x")
    with pytest.raises(DubbenchError, match=r"no table in .*videos; it needs clips.csv with the columns clip, speaker"):
        FolderDataset(tmp_path / "videos").clips()
    with pytest.raises(DubbenchError, match=r"no column text \(it has clip, video\)"):
        folder(tmp_path / "a", "clip,video\na,a.mp4\n", "a.mp4").clips()
    with pytest.raises(DubbenchError, match="line 3 is not UTF-8"):
        folder(tmp_path / "b", "clip,text,video\na,x,a.mp4\nb,ü,a.mp4\n", "a.mp4", encoding="latin-1").clips()
    with pytest.raises(DubbenchError, match="empty"):
        folder(tmp_path / "c", "\n").clips()
    with pytest.raises(DubbenchError, match="no clip in"):
        folder(tmp_path / "d", "clip,text,video\n").clips()
    with pytest.raises(DubbenchError, match="not a table row"):
        folder(tmp_path / "e", 'clip,text,video\na,"x,a.mp4\n').clips()


def test_published_dubs(shared_data: Path) -> None:
    data = FolderDataset(shared_data / "published_dubs")
    clips = data.clips()
    assert [(c.id, c.speaker, c.text) for c in clips] == [
        ("lbbt8n", "s10", "lay blue by t eight now"),
        ("swbi6p", "s1", "set white by i six please"),
    ]
    assert data.problems() == []
    chosen = select(data)
    assert chosen.clips == clips and "no test list" in chosen.note
    for clip in clips:
        assert clip.audio is not None
        assert probe(clip.video).frames == 75 and 2.9 < len(read_audio(clip.audio)) / 16000 < 3.1


def test_a_folder_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder(tmp_path / "closed", "clip,text,video\na,Hi,a.mp4\n", "a.mp4")
    real = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if path.parent == data.root:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(DubbenchError, match=r"closed/clips.csv: Permission denied; check its permissions$"):
        data.clips()
