import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.clip import Clip
from dubbench.datasets.base import Dataset, DatasetInfo, Problem, as_id, id_problem
from dubbench.datasets.grid import GridDataset
from dubbench.datasets.selection import known_id, place, select
from dubbench.errors import DubbenchError


class Fake:
    info = DatasetInfo(name="fake")
    root = Path("somewhere")

    def __init__(self, ids: list[str], **splits: list[str]) -> None:
        self.ids = ids
        self.splits = splits

    def clips(self) -> list[Clip]:
        return [Clip(i, "fake", i.split("-")[0], "text", Path(f"{i}.mp4")) for i in sorted(self.ids)]

    def problems(self) -> list[Problem]:
        return []

    def split(self, name: str) -> list[str] | None:
        return self.splits.get(name)


MANY = [f"s{speaker}-{n:03d}" for speaker in range(5) for n in range(200)]


def chosen(data: Dataset, split: str, limit: int | None = None) -> list[str]:
    return [clip.id for clip in select(data, split, limit).clips]


def test_test_is_the_list_or_else_everything() -> None:
    assert chosen(Fake(["a", "b", "c"], test=["b", "x"]), "test") == ["b"]
    assert select(Fake(["a", "b"], test=["b", "x"]), "test").missing == ["x"]
    without = select(Fake(["a", "b"]), "test")
    assert len(without.clips) == 2 and "no test list" in without.note
    absent = select(Fake(["a", "b"], test=["x", "y"]), "test")
    assert len(absent.clips) == 2 and "none of the 2 test clips is present" in absent.note
    assert absent.missing == []


def test_another_list_without_a_clip_is_an_error() -> None:
    with pytest.raises(DubbenchError, match=r"split 'train' of fake: none of its clips .* \(1 asked for, first x\)"):
        select(Fake(["a"], train=["x"]), "train")
    with pytest.raises(DubbenchError, match=r"one of all, random:SHARE:SEED, speaker:NAME, test, val"):
        select(Fake(["a"], val=["a"]), "tset")


def test_limit_is_spread_and_nested() -> None:
    data = Fake(MANY)
    ten, hundred = chosen(data, "all", 10), chosen(data, "all", 100)
    assert set(ten) < set(hundred) and ten == sorted(ten)
    assert len({clip.split("-")[0] for clip in hundred}) == 5
    assert chosen(data, "all", 5000) == MANY
    assert "10 of 1,000 clips" in select(data, "all", 10).note
    with pytest.raises(DubbenchError, match="limit of 0"):
        select(data, "all", 0)


def test_random_share_is_stable_and_has_a_rest() -> None:
    data = Fake(MANY)
    part, rest = chosen(data, "random:0.3:7"), chosen(data, "random:0.3:7:rest")
    assert sorted(part + rest) == MANY and 250 < len(part) < 350
    assert set(chosen(Fake(MANY[::2]), "random:0.3:7")) == set(part) & set(MANY[::2])
    assert part != chosen(data, "random:0.3:8")
    assert set(part) < set(chosen(data, "random:0.5:7"))
    for wrong in ("random:", "random:0.1", "random:2:0", "random:x:0", "random:0.1:a", "random:0.1:0:most"):
        with pytest.raises(DubbenchError, match="expected random:SHARE:SEED"):
            select(data, wrong)


def test_place_is_uniform() -> None:
    places = [place(clip, "salt") for clip in MANY]
    assert all(0 <= p < 1 for p in places)
    assert all(60 < sum(k / 10 <= p < (k + 1) / 10 for p in places) < 140 for k in range(10))


def test_a_file_of_ids(tmp_path: Path) -> None:
    data = Fake(["s1-a", "s1-b", "s2-a.b", "s2-ü", "plain"])
    path = tmp_path / "ids.txt"
    text = (
        "\ufeff# mine\ns1/a.mpg\ns1-b  # again\r\ns1-b.wav|IPA|3\n\ns2/s2-a.b\ns2/u\u0308.mpg\nvideo/plain.mp4\ns9-x\n"
    )
    path.write_text(text, "utf-8")
    picked = select(data, str(path))
    assert [clip.id for clip in picked.clips] == ["plain", "s1-a", "s1-b", "s2-a.b", "s2-ü"]
    assert picked.missing == ["s9-x"]
    assert "5 of 6 listed clips are present; missing: s9-x" in picked.note
    assert "1 ids are listed more than once" in picked.note
    (tmp_path / "ids.txt.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert select(data, str(tmp_path / "ids.txt.gz")).clips == picked.clips
    assert select(data, "all").clips == picked.clips
    assert select(data, "all", 4).clips != picked.clips


def test_a_file_that_is_no_list(tmp_path: Path) -> None:
    for name, content in (
        ("a.txt", b"\xff\xfe\x00"),
        ("b.txt.gz", b"not gzip"),
        ("c.txt.gz", gzip.compress(b"s1-a")[:-9]),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DubbenchError, match=f"{name}: not readable as a list of ids"):
            select(Fake(["s1-a"]), str(tmp_path / name))
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(DubbenchError, match="none of its clips"):
        select(Fake(["s1-a"]), str(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("entry", "means"),
    [
        ("s1-bbaf2n", "s1-bbaf2n"),
        ("s1/bbaf2n", "s1-bbaf2n"),
        ("s1/s1-bbaf2n.wav", "s1-bbaf2n"),
        ("data/s1/video/mpg_6000/bbaf2n.mpg", "s1-bbaf2n"),
        ("s1\\bbaf2n.MPG", "s1-bbaf2n"),
    ],
)
def test_spellings_of_an_id(entry: str, means: str) -> None:
    assert known_id(entry, {"s1-bbaf2n", "s11-bbaf2n"}) == means


@pytest.mark.parametrize("good", ["a", "s1-bbaf2n", "-AbC_12.x-013", "früh", "ночь-1", "हिन्दी", "朝-2", "A.B"])
def test_ids_of_any_script(good: str) -> None:
    assert id_problem(as_id(good)) is None


@pytest.mark.parametrize(
    "bad", ["", "..", ".", ".a", "a/b", "a\\b", "a b", "a\nb", "a:b", "é" * 80, "a\0", "\udcff", "a|b"]
)
def test_ids_that_cannot_name_a_file(bad: str) -> None:
    said = id_problem(bad)
    assert said is not None and "\n" not in said
    said.encode()


@given(st.text(max_size=30))
def test_a_good_id_names_one_file_in_its_folder(text: str) -> None:
    clip = as_id(text)
    if id_problem(clip) is None:
        path = Path("folder") / f"{clip}.wav"
        assert path.parent == Path("folder") and path.name == f"{clip}.wav"
        assert as_id(clip) == clip


def test_clips_of_some_speakers(shared_data: Path) -> None:
    grid = GridDataset(shared_data / "grid")
    assert {clip.speaker for clip in select(grid, "speaker:s2,s30").clips} == {"s2", "s30"}
    with pytest.raises(DubbenchError, match="none of its clips"):
        select(grid, "speaker:nobody")
