from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.clip import Clip
from dubbench.errors import DubbenchError
from dubbench.pipeline.pairing import load_table, pair


def clip(name: str, speaker: str, text: str) -> Clip:
    return Clip(name, "x", speaker, text, Path(f"{name}.mp4"))


CLIPS = [clip(f"{s}-{i}", s, f"say {i % 3}") for s in "ab" for i in range(6)] + [clip("c-0", "c", "alone")]

rows = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x y", "X  Y", "z"])), max_size=12)


@given(rows)
def test_setting_2_never_pairs_with_itself_or_the_same_sentence(rows: list[tuple[str, str]]) -> None:
    clips = [clip(f"{s}-{i}", s, t) for i, (s, t) in enumerate(rows)]
    by_id = {c.id: c for c in clips}
    for name, reference in pair(clips, clips, "2.0").references.items():
        if reference.problem:
            same = [c for c in clips if c.speaker == by_id[name].speaker]
            assert len({c.text.lower().replace(" ", "") for c in same}) == 1
        else:
            other = by_id[reference.clip]
            assert other.id != name
            assert other.speaker == by_id[name].speaker
            assert other.text.lower().split() != by_id[name].text.lower().split()


def test_a_pairing_is_frozen_and_local() -> None:
    table = pair(CLIPS, CLIPS, "2.0")
    assert table.digest == pair(list(reversed(CLIPS)), list(reversed(CLIPS)), "2.0").digest
    gone = table.references["a-0"].clip
    fewer = [c for c in CLIPS if c.id != gone]
    for name, reference in pair(fewer, fewer, "2.0").references.items():
        if table.references[name].clip != gone:
            assert reference == table.references[name]
    assert "there is none" in table.references["c-0"].problem
    assert pair(CLIPS, CLIPS, "1.0").digest != table.digest


def test_known_pairing_stays() -> None:
    # The frozen table: if this changes, every Setting 2.0 number ever published changes its class.
    assert pair(CLIPS, CLIPS, "2.0").digest == "6e8fbefd6fe1"


def test_setting_3_and_tables(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="--voices"):
        pair(CLIPS, CLIPS, "3.0")
    for name in ("v1.wav", "v2.flac"):
        (tmp_path / name).touch()
    assert {r.name for r in pair(CLIPS, CLIPS, "3.0", tmp_path).references.values()} == {"v1.wav", "v2.flac"}
    table = tmp_path / "theirs.csv"
    table.write_text("clip,reference\na-0,a-1\na-1,v1.wav\n")
    theirs = load_table(table, CLIPS[:3], CLIPS)
    assert theirs.setting == "table:theirs"
    assert theirs.references["a-0"].clip == "a-1"
    assert theirs.references["a-1"].name == "v1.wav"
    assert "no row" in theirs.references["a-2"].problem
    for text, message in (
        ("clip,reference\na-0,../secret.wav\n", "theirs.csv line 2: no clip and no sound file"),
        ("clip,reference\na-0,a-1\na-0,v1.wav\n", "theirs.csv line 3: clip 'a-0' has two references"),
        ("clip,reference\na-0,a-1,a-2\n", "theirs.csv line 2: 3 fields for 2 columns"),
        ("clip,voice\na-0,a-1\n", r"theirs.csv: no column reference"),
    ):
        table.write_text(text)
        with pytest.raises(DubbenchError, match=message):
            load_table(table, CLIPS, CLIPS)
    table.write_bytes(b"\xef\xbb\xbfClip;Reference\r\na-0;a-1\r\na-1;v1.wav\r\n")  # as a spreadsheet writes it
    assert load_table(table, CLIPS[:3], CLIPS).references == theirs.references
    with pytest.raises(DubbenchError, match="no setting"):
        pair(CLIPS, CLIPS, "4.0")


def test_lists_of_the_field(tmp_path: Path) -> None:
    (tmp_path / "grid" / "s31").mkdir(parents=True)
    (tmp_path / "grid" / "s31" / "pgab1a.mpg").touch()
    five, four = tmp_path / "Setting2_Refrence.txt", tmp_path / "V2C_Setting3.txt"
    five.write_text("a-0|{sil B}|a|a-1|{sil}\nz-9|{sil}|z|z-8|{sil}\na-1|{B}|a|gone|{sil}\n")
    theirs = load_table(five, CLIPS[:2], CLIPS)
    assert theirs.setting == "table:Setting2_Refrence" and theirs.references["a-0"].clip == "a-1"
    assert "line 3: no clip and no sound file beside the table named 'gone'" in theirs.references["a-1"].problem
    four.write_text("a-0|{sil}|s31-pgab1a|{P}\na-0|{sil}|s31-pgab1a|{P}\n")
    voice = load_table(four, CLIPS[:1], CLIPS, tmp_path / "grid").references["a-0"]
    assert voice.file == tmp_path / "grid" / "s31" / "pgab1a.mpg"
    assert "give --voices FOLDER" in load_table(four, CLIPS[:1], CLIPS).references["a-0"].problem
    four.write_text("a-0|{sil}|a-1|{P}\na-0|{sil}|a-2|{P}\n")
    with pytest.raises(DubbenchError, match="line 2: clip 'a-0' has two references; dubbench data import-list"):
        load_table(four, CLIPS[:1], CLIPS)
    four.write_text("a-0|a-1\n")
    with pytest.raises(DubbenchError, match="line 1: 2 columns; expected"):
        load_table(four, CLIPS[:1], CLIPS)
