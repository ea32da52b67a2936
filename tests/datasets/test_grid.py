import gzip
import itertools
import os
import time
from pathlib import Path

import pytest

from dubbench.datasets.grid import GRAMMAR, GridDataset, sentence
from dubbench.datasets.grid_splits import PUBLISHED, hashed_split, list_digest
from dubbench.datasets.selection import known_id, read_ids, select
from dubbench.errors import DubbenchError
from dubbench.signal.phone_timings import read_align


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def ids(root: Path) -> list[str]:
    return [clip.id for clip in GridDataset(root).clips()]


def test_the_name_is_the_sentence() -> None:
    assert sentence("bbaf2n") == "bin blue at f two now"
    assert sentence("swwp2s") == "set white with p two soon"
    assert sentence("LGIZZA") == "lay green in z zero again"
    for wrong in ("", "bbaf2", "bbaf2nn", "xbaf2n", "bbaw2n", "bbaf0n", "bb f2n"):
        assert sentence(wrong) is None
    names = ["".join(letters) for letters in itertools.product(*GRAMMAR)]
    assert len(names) == 4 * 4 * 4 * 25 * 10 * 4
    assert len({sentence(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "layout",
    [
        ("s1/bbaf2n.mpg", "s20/lwbsza.mpg"),
        ("s1/bbaf2n.mp4", "s20/lwbsza.AVI"),
        ("s1/video/bbaf2n.mpg", "s20/video/mpg_6000/lwbsza.mpg"),
        ("video/s1/bbaf2n.mpg", "video/s20/lwbsza.mpg"),
        ("s1/s1/bbaf2n.mpg", "S20/lwbsza.mpg"),
        ("s1-bbaf2n.mp4", "s20_lwbsza.mp4"),
        ("all/s1-bbaf2n.mkv", "all/s20-lwbsza.webm"),
    ],
)
def test_layouts_that_people_have(tmp_path: Path, layout: tuple[str, ...]) -> None:
    root = touch(tmp_path / "grid", *layout)
    touch(root, "__MACOSX/s1/._bbaf2n.mpg", "s1/._bbaf3s.mpg", ".cache/s1/bbaf4p.mpg", "s1/readme.txt", "s1/bbaf2n.jpg")
    data = GridDataset(root)
    assert [clip.id for clip in data.clips()] == ["s1-bbaf2n", "s20-lwbsza"]
    assert data.problems() == []
    clip = data.clips()[0]
    assert (clip.dataset, clip.speaker, clip.text) == ("grid", "s1", "bin blue at f two now")
    assert clip.video.is_file() and clip.audio == clip.video


def test_one_speaker_as_root(tmp_path: Path) -> None:
    assert ids(touch(tmp_path / "s7", "bbaf2n.mpg")) == ["s7-bbaf2n"]


def test_bad_names_unknown_speakers_and_doubles_are_problems(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "grid",
        "s1/bbaf2n.mpg",
        "s1/holiday.mp4",
        "s1/bbaf2n.mp4",
        "s1/video/mpg_6000/bbaf2n.mpg",
        "misc/lwbsza.mpg",
        "s1/ünï.mpg",
    )
    (root / "s1" / os.fsdecode(b"\xff\xfe.mpg")).write_bytes(b"")
    data = GridDataset(root)
    assert [clip.id for clip in data.clips()] == ["s1-bbaf2n"]
    assert data.clips()[0].video == root / "s1/bbaf2n.mp4"
    said = {(p.clip, p.what) for p in data.problems()}
    assert len(said) == 6
    doubles = [what for clip, what in said if clip == "s1-bbaf2n"]
    assert sorted(what.split(" is used, ")[1].split(" is not")[0] for what in doubles) == [
        "s1/bbaf2n.mpg",
        "s1/video/mpg_6000/bbaf2n.mpg",
    ]
    assert any("s1/holiday.mp4" in clip and "no GRID sentence" in what for clip, what in said)
    assert any("misc/lwbsza.mpg" in clip and "s1 … s34" in what for clip, what in said)
    for clip, what in said:
        assert "\n" not in clip + what
        (clip + what).encode()  # printable even where the file name is not


def test_missing_empty_and_unreadable_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DubbenchError, match=r"no folder .*nowhere.*download grid"):
        GridDataset(tmp_path / "nowhere").clips()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DubbenchError, match=r"no clip in .*empty; expected videos such as s1/bbaf2n.mpg"):
        GridDataset(tmp_path / "empty").clips()
    with pytest.raises(DubbenchError, match=r"1 problems, first s1/x.mpg"):
        GridDataset(touch(tmp_path / "bad", "s1/x.mpg")).clips()

    root = touch(tmp_path / "grid", "s1/bbaf2n.mpg", "s2/lwbsza.mpg")
    real = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path) in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed = {root / "s2"}
    data = GridDataset(root)
    assert [clip.id for clip in data.clips()] == ["s1-bbaf2n"]
    assert [p.clip for p in data.problems()] == ["s2"] and "Permission denied" in data.problems()[0].what
    closed = {root}
    with pytest.raises(DubbenchError, match="cannot be read"):
        GridDataset(root).clips()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    root = touch(tmp_path / "grid", "s1/bbaf2n.mpg", "s2/lwbsza.mpg")
    (root / "s2").chmod(0)
    try:
        assert [p.clip for p in GridDataset(root).problems()] == ["s2"]
    finally:
        (root / "s2").chmod(0o755)


def test_a_link_to_itself_ends(tmp_path: Path) -> None:
    root = touch(tmp_path / "grid", "s1/bbaf2n.mpg")
    (root / "s1" / "loop").symlink_to(root)
    data = GridDataset(root)
    assert len(data.clips()) == 1 and data.problems() == []


def test_alignments_are_found_by_name(tmp_path: Path) -> None:
    root = touch(tmp_path / "grid", "s5/bbaf2n.mpg", "s6/lwbsza.mpg", "s1/pbia5n.mpg", "s1/sbia1a.mpg")
    align = "0 11000 sil\n11000 17500 bin\n17500 74500 sil\n"
    # as in Zenodo's archive: the folders of s5 and s6 are swapped
    for name in ("alignments/s6/bbaf2n.align", "alignments/s5/lwbsza.align", "s1/align/pbia5n.align"):
        touch(root, name)
        (root / name).write_text(align)
    data = GridDataset(root)
    found = {clip.id: data.alignment(clip) for clip in data.clips()}
    assert found == {
        "s5-bbaf2n": root / "alignments/s6/bbaf2n.align",
        "s6-lwbsza": root / "alignments/s5/lwbsza.align",
        "s1-pbia5n": root / "s1/align/pbia5n.align",
        "s1-sbia1a": None,
    }


def test_lists_that_are_not_the_published_ones_are_named(tmp_path: Path) -> None:
    root = touch(tmp_path / "grid", "s1/bbaf2n.mpg", "s1/bbaf3s.mpg", "s2/lwbsza.mpg")
    (tmp_path / "splits").mkdir()
    with gzip.open(tmp_path / "splits" / "grid_produbber_test.txt.gz", "wt") as file:
        file.write("s1-bbaf2n\ns3-sbia1a\n")
    chosen = select(GridDataset(root), "test")
    assert [clip.id for clip in chosen.clips] == ["s1-bbaf2n"] and chosen.missing == ["s3-sbia1a"]
    assert "has 2 clips, the published list 3,300: another list" in chosen.note
    train = select(GridDataset(root), "train")
    assert [clip.id for clip in train.clips] == ["s1-bbaf3s", "s2-lwbsza"]  # never what is on the test list
    assert "not on the test list" in train.note


def test_split_by_hash_where_there_is_no_list(tmp_path: Path) -> None:
    names = ["".join(letters) for letters in itertools.product("bl", "bg", "ab", "abcdefghij", "123456789", "an")]
    root = touch(tmp_path / "grid", *(f"s{n % 3 + 1}/{name}.mpg" for n, name in enumerate(names)))
    data = GridDataset(root)
    test, train = (data.split(name) for name in ("test", "train"))
    assert test is not None and train is not None
    assert sorted(test + train) == ids(root)
    assert 0.07 < len(test) / len(names) < 0.13
    fewer = test[::2] + train[::2]
    assert set(hashed_split("test", fewer)) == set(test[::2])  # a clip keeps its side when others go
    assert "not the published list" in data.split_note("test")
    assert data.split("nonsense") is None
    unseen = select(data, "unseen")
    assert {clip.speaker for clip in unseen.clips} == {"s1", "s2"}
    assert {clip.speaker for clip in select(data, "seen").clips} == {"s3"}


def test_real_clips(shared_data: Path) -> None:
    data = GridDataset(shared_data / "grid")
    clips = data.clips()
    assert len(clips) == 952 and data.problems() == []
    assert sum(clip.speaker == "s1" for clip in clips) == 938
    assert {clip.speaker for clip in clips} == {path.name for path in (shared_data / "grid").glob("s*")}
    assert len({clip.speaker for clip in clips}) == 12
    aligned = {clip.id: path for clip in clips if (path := data.alignment(clip))}
    assert len(aligned) == 939 and "s2-swwp2s" in aligned
    for clip in clips[::50]:
        if clip.id in aligned:
            words = [word.word for word in read_align(aligned[clip.id])]
            assert " ".join(words) == clip.text


def test_published_lists(shared_data: Path) -> None:
    splits = shared_data / "splits"
    lists = {name: list(read_ids(splits / f"grid_produbber_{name}.txt.gz")) for name in PUBLISHED}
    for name, published in PUBLISHED.items():
        assert (len(lists[name]), list_digest(lists[name])) == (published.count, published.digest)
    assert not set(lists["test"]) & set(lists["train"])
    data = GridDataset(shared_data / "grid")
    test = select(data, "test")
    assert "published list (3,300 clips, ProDubber), verified" in test.note
    assert sum(clip.speaker == "s1" for clip in test.clips) == 95
    assert (len(test.clips), len(test.missing)) == (98, 3202)
    train = select(data, "train")
    assert len(train.clips) + len(test.clips) == 952


def test_lists_in_the_authors_own_notation() -> None:
    assert known_id("s6/s6-bwba2a.wav") == "s6-bwba2a"


def test_a_whole_corpus_is_listed_in_seconds(tmp_path: Path) -> None:
    names = ["".join(letters) for letters in itertools.islice(itertools.product(*GRAMMAR), 300)]
    for speaker in range(1, 12):
        folder = tmp_path / f"s{speaker}"
        folder.mkdir()
        for name in names:
            (folder / f"{name}.mpg").touch()
    start = time.process_time()
    assert len(GridDataset(tmp_path).clips()) == 3300
    assert time.process_time() - start < 2.0
