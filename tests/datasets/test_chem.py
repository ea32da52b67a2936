from pathlib import Path

import pytest

from dubbench.datasets.chem import ChemDataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError

A, B = "AGZZGR5Otxw", "-_zinAckmQU"


def chem(root: Path, videos: list[str], **tables: str) -> ChemDataset:
    for video in videos:
        path = root / video
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for name, table in tables.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(table, "utf-8")
    return ChemDataset(root)


def texts(data: ChemDataset) -> dict[str, str]:
    return {clip.id: clip.text for clip in data.clips()}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("transcripts_dot_csv", f'id,text\n{A}-013,"so, two moles"\n{B}-001,of water\n'),
        ("transcripts_dot_tsv", f"id\ttext\n{A}-013\tso, two  moles\n{B}-001\tof water\n"),
        ("transcripts_dot_jsonl", f'{{"id":"{A}-013","text":"so, two moles"}}\n{{"id":"{B}-001","text":"of water"}}\n'),
        ("data_splits__test_dot_txt", f"{A}-013|so, two moles\n{B}-001|of water\n"),
        ("splits__val_dot_txt", f"{A}-013|chem|{{S OW1 T UW1}}|so, two moles\n{B}-001|chem|{{AH1}}|of water\n"),
        ("transcripts_dot_txt", f"{A}-013.mp4|so, two moles\n\n{B}-001|of water"),
    ],
)
def test_transcripts_as_people_have_them(tmp_path: Path, name: str, table: str) -> None:
    data = chem(tmp_path, [f"{A}-013.mp4", f"clips/{B}-001.mp4"], **{name: table})
    assert texts(data) == {f"{A}-013": "so, two moles", f"{B}-001": "of water"}
    assert data.problems() == []
    assert {clip.speaker for clip in data.clips()} == {"chem"}


def test_splits_by_clip_and_by_video(tmp_path: Path) -> None:
    table = "id,text\n" + "".join(f"{v}-{n:03d},text\n" for v in (A, B) for n in range(3))
    videos = [f"{v}-{n:03d}.mp4" for v in (A, B) for n in range(3)]
    data = chem(
        tmp_path,
        videos,
        transcripts_dot_csv=table,
        splits__test_dot_txt=f"{A}\nwrgnaV-cVrs\n",
        splits__val_dot_txt=f"{B}-001\n{B}-099\n",
    )
    test = select(data, "test")
    assert [clip.id for clip in test.clips] == [f"{A}-{n:03d}" for n in range(3)]
    assert "1 of 2 have clips here" in test.note
    val = select(data, "val")
    assert ([clip.id for clip in val.clips], val.missing) == ([f"{B}-001"], [f"{B}-099"])
    assert data.split("train") is None


def test_what_cannot_become_a_clip(tmp_path: Path) -> None:
    table = f"id,text\n{A}-000,one\n{A}-000,one\n{A}-000,other\n{A}-001,\nshort-1,text\n{A}-002,gone\n"
    data = chem(
        tmp_path,
        [f"{A}-000.mp4", f"{A}-001.mp4", f"{A}-009.mp4", "holiday.mp4", f"videos/{A}.mp4", f"intervals/{A}/cut-0.mp4"],
        transcripts_dot_csv=table,
        train_dot_txt=f"{A}-003|x|y\n",
    )
    assert texts(data) == {f"{A}-000": "one"}
    what = sorted((p.clip, p.what.split(";")[0]) for p in data.problems())
    assert what == sorted(
        [
            (f"{A}-000", "transcripts.csv line 2 and transcripts.csv line 4 give different texts"),
            (f"{A}-001", "transcripts.csv line 5: no text"),
            (f"{A}-001", f"no text for {A}-001.mp4"),
            (f"{A}-009", f"no text for {A}-009.mp4"),
            (f"{A}-002", f"transcripts.csv line 7: no video {A}-002.mp4"),
            ("transcripts.csv line 6", "'short-1' is no clip id such as AGZZGR5Otxw-013"),
            ("train.txt line 1", "3 fields"),
            ("'holiday.mp4'", "no name such as AGZZGR5Otxw-013.mp4"),
        ]
    )


def test_segments_alone_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="dubbench data prepare chem"):
        chem(tmp_path, [f"intervals/{A}/cut-0.mp4"]).clips()
