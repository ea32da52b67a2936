import json
from pathlib import Path

import pytest

from dubbench.errors import DubbenchError
from dubbench.store import DubRow, Journal, read_manifest, slug


def row(i: int) -> DubRow:
    return DubRow(system="s", clip=f"c{i}", key="k" * i, reason="é\n" * i)


def test_a_torn_line_is_dropped_and_cut(tmp_path: Path) -> None:
    book = Journal(tmp_path / "j.jsonl")
    assert list(book.read()) == []
    book.append([row(1), row(2)])
    whole = book.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[1])
    for cut in range(1, last + 1):
        book.path.write_bytes(whole[:-cut])
        assert [r["clip"] for r in book.read()] == ["c1"]
        book.append([row(3)])
        assert [r["clip"] for r in book.read()] == ["c1", "c3"]
    book.path.write_bytes(b'{"torn')
    book.append([row(4)])
    assert [r["clip"] for r in book.read()] == ["c4"]


def test_damage_in_the_middle_is_said(tmp_path: Path) -> None:
    book = Journal(tmp_path / "j.jsonl")
    book.path.write_text('{"a":1}\n{"b":\n{"c":3}\n')
    with pytest.raises(DubbenchError, match="line 2 is damaged"):
        list(book.read())


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match=r"no run\.json"):
        read_manifest(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 1}))
    with pytest.raises(DubbenchError, match="not readable by this version"):
        read_manifest(tmp_path)


def test_slug_stays_in_its_folder() -> None:
    assert slug("../../etc/passwd") == "etc_passwd"
    assert slug("delay(ms=-40)") == "delay_ms_-40"
    assert slug("..") == "system"
    assert slug("日本") == "日本"
