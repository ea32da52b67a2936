"""Public lists are read from a clone, known by their digest, and placed on the clips' clock."""

import json
import os
from pathlib import Path

import pytest

from dubbench.datasets import public_lists
from dubbench.datasets.public_lists import import_lists
from dubbench.errors import DubbenchError
from dubbench.pipeline.pairing import load_table
from dubbench.signal.listed_phones import PADDING, SYMBOLS, UNIT, phones_of, read_durations, read_listed, write_listed
from dubbench.signal.phone_timings import Phone

SAID = "$bˈɪn bˈaɪ ɐ tˈuː $"


def line(path: str, text: str = SAID, units: float = 4.0) -> str:
    symbols = [SYMBOLS.index(symbol) for symbol in text]
    return (
        json.dumps({"path": path, "phoneme_idx": symbols, "duration_gt": [12.0] + [units] * (len(symbols) - 1)}) + "\n"
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with three clips of Chem and two of GRID."""
    files = {
        "Data/StyleTTS_Chem_train.txt": "AAAAAAAAAAA/00/AAAAAAAAAAA-001.wav|ɪn |0\n",
        "Data/StyleTTS_Chem_val.txt": "AAAAAAAAAAA/00/AAAAAAAAAAA-002.wav|ɪn |0\n"
        "BBBBBBBBBBB/00/BBBBBBBBBBB-001.wav|ɪn |0\n",
        "dataset/Chem/Chem_duration_gt_val.json": line("AAAAAAAAAAA/00/AAAAAAAAAAA-002.wav"),
        "Data/StyleTTS_Grid_val.txt": "s6/s6-bwba2a.wav|bˈɪn |23\n",
        "dataset/GRID/GRID_duration_gt_val.json": line("s6/s6-bwba2a.wav") + line("s7/s7-bwba2n.wav"),
        "datasets/V2C/V2C_Setting2.txt": "F@A_00_0001_00|{sil}|F@A|F@A_00_0002_00|{sp}\n",
        "datasets/V2C/V2C_Setting3.txt": "F@A_00_0001_00|{sil}|s31-pgab1a|{P}\n" * 2
        + "F@A_00_0001_00|{sil}|s24-bwbzza|{P}\n",
    }
    for name, text in files.items():
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "clone" / name).write_text(text, encoding="utf-8")
    return tmp_path / "clone"


def test_symbols_become_phones() -> None:
    phones = phones_of(list(SAID), [0.1] * len(SAID))
    spoken = [(p.phone, round(p.start, 3), round(p.end, 3), p.word) for p in phones if p.phone != "sil"]
    assert spoken[:3] == [("B", 0.1, 0.2, 0), ("IH", 0.2, 0.4, 0), ("N", 0.4, 0.5, 0)]  # the stress is the vowel's
    assert [name for name, *_ in spoken] == ["B", "IH", "N", "B", "AY", "AH", "T", "UW"]
    assert [word for *_, word in spoken] == [0, 0, 0, 1, 1, 2, 3, 3]
    assert spoken[-1] == ("UW", 1.4, 1.7, 3)  # stress, vowel and length
    for symbols, durations in ((["b"], [1, 1]), (["b"], [float("inf")]), (["b"], [-1]), (["ʘ"], [1])):
        with pytest.raises(DubbenchError):
            phones_of(symbols, durations)


def test_chem_is_on_the_clips_clock(clone: Path, tmp_path: Path) -> None:
    train, test, phones = import_lists(clone, "chem", tmp_path / "chem")
    assert (train.count, test.count, phones.count) == (1, 2, 1)
    assert "another list than the published one (196 entries), with 2" in test.note
    assert test.note.endswith("2 videos, 1 of them unseen in training")
    assert (tmp_path / "chem/splits/test.txt").read_text() == "AAAAAAAAAAA-002\nBBBBBBBBBBB-001\n"
    listed = read_listed(Path(phones.file))["AAAAAAAAAAA-002"]
    first = next(p for p in listed if p.phone == "B")
    assert first.start == pytest.approx(12 * UNIT - PADDING, abs=1e-4)
    assert import_lists(clone, "chem", tmp_path / "chem")  # again: the same
    (tmp_path / "chem/splits/test.txt").write_text("mine\n")
    with pytest.raises(DubbenchError, match="holds something else"):
        import_lists(clone, "chem", tmp_path / "chem")


def test_grid_is_placed_by_its_words(clone: Path, tmp_path: Path) -> None:
    root = tmp_path / "grid"
    *_, none = import_lists(clone, "grid", root)
    assert (none.count, none.file) == (0, "") and "put the corpus's .align files below --root" in none.note
    words = [("bin", 15000, 25000), ("by", 25000, 35000), ("a", 35000, 37500), ("two", 37500, 50000)]
    (root / "align" / "s9").mkdir(parents=True)  # Zenodo's folders are swapped: the clip's name counts
    (root / "align" / "s9" / "bwba2a.align").write_text("".join(f"{a} {b} {w}\n" for w, a, b in words))
    *_, phones = import_lists(clone, "grid", root)
    assert phones.count == 1 and "1 without an .align file are left out" in phones.note
    listed = [p for p in read_listed(Path(phones.file))["s6-bwba2a"] if p.phone != "sil"]
    assert listed[0].start == pytest.approx(0.6, abs=0.15) and listed[-1].end == pytest.approx(2.0, abs=0.15)


def test_pairings_become_tables(clone: Path, tmp_path: Path) -> None:
    two, three = import_lists(clone, "v2c", tmp_path / "v2c")
    assert Path(two.file).read_text() == "clip,reference\nF@A_00_0001_00,F@A_00_0002_00\n"
    assert "1 clips, 2 references; 1 of the rows are repeated; one table a voice (2)" in three.note
    names = sorted(path.name for path in (tmp_path / "v2c/splits").glob("setting3*"))
    assert names == ["setting3-s24-bwbzza.csv", "setting3-s31-pgab1a.csv"]


def test_what_is_no_such_list(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match=r"no list for chem there .* give a clone of ZZDoog/InstructDubber@a46fbf5"):
        import_lists(tmp_path, "chem", tmp_path)
    with pytest.raises(DubbenchError, match="no public lists for 'lrs3'; there are some for chem, grid, v2c"):
        import_lists(clone, "lrs3", tmp_path)
    path = clone / "dataset/Chem/Chem_duration_gt_val.json"
    for text in ("{", "[]", '{"path": 1}', line("a.wav").replace("4.0", "1e400"), line("a.wav").replace("4.0", '"x"')):
        path.write_text(text)
        with pytest.raises(DubbenchError, match="line 1 is no list of phone durations"):
            list(read_durations(path))
    (clone / "Data/StyleTTS_Chem_val.txt").write_text("../../evil name|x|0\n")
    with pytest.raises(DubbenchError, match="holds ' '"):
        import_lists(clone, "chem", tmp_path / "chem2")


def test_phone_lists_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(write_listed({"b": [Phone("B", 0.5, 1.0, 0)], "a": [Phone("sil", 0, 1)]}))
    assert [clip for clip in read_listed(path)] == ["a", "b"]
    assert read_listed(path)["b"] == [Phone("sil", 0.0, 0.5), Phone("B", 0.5, 1.0, 0)]
    for text in ("", "{}\n", '{"clip": "a", "phones": [["B", 2, 1, 0]]}\n', '{"clip": 1, "phones": [["B", 0, 1, 0]]}\n',
                 '{"clip": "a", "phones": [["B", NaN, 1, 0]]}\n', "[" * 10**5):  # fmt: skip
        path.write_text(text)
        with pytest.raises(DubbenchError, match="phone list"):
            read_listed(path)


def test_the_published_lists() -> None:
    """Counts of the commits that the module names; run with DUBBENCH_SOURCES=FOLDER of both clones."""
    sources = os.environ.get("DUBBENCH_SOURCES")
    clones = [Path(sources) / name for name in ("InstructDubber", "DeepDubber-V1")] if sources else []
    if not clones or not all(clone.is_dir() for clone in clones):
        pytest.skip("DUBBENCH_SOURCES names no folder with clones of InstructDubber and DeepDubber-V1")
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        found = {
            Path(row.file).name: row
            for clone, name in ((clones[0], "chem"), (clones[0], "grid"), (clones[0], "v2c"), (clones[1], "v2c"))
            for row in import_lists(clone, name, Path(folder) / name)
            if row.file
        }
        for published in (*sum(public_lists.LISTS.values(), ()), *public_lists.PAIRINGS):
            name = published.becomes.replace("{voice}", "*")
            if name not in ("train.txt", "test.txt"):
                assert (found[name].count, found[name].note[:8]) == (published.count, "verified"), name
        chem = import_lists(clones[0], "chem", Path(folder) / "chem")
        assert [row.count for row in chem] == [6132, 196, 196]
        assert chem[1].note == "verified: as published; 11 videos, 10 of them unseen in training"
        table = next((Path(folder) / "v2c/splits").glob("setting3-s31*"))
        assert len(table.read_text().splitlines()) == 148 and load_table
