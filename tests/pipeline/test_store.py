import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from dubbench.errors import DubbenchError
from dubbench.pipeline.store import DubRow, read_manifest, slug
from dubbench.runtime import files
from dubbench.runtime.files import Journal, held, write_text


def row(i: int) -> DubRow:
    return DubRow(system="s", clip=f"c{i}", key="k" * i, reason="é\n" * i)


def clips(book: Journal[DubRow]) -> list[str]:
    return [row.clip for row in book.read()]


def test_a_torn_line_is_dropped_and_cut(tmp_path: Path) -> None:
    book = Journal(tmp_path / "j.jsonl", DubRow)
    assert clips(book) == []
    book.append([row(1), row(2)])
    whole = book.path.read_bytes()
    last = len(whole.splitlines(keepends=True)[1])
    for cut in range(1, last + 1):
        book.path.write_bytes(whole[:-cut])
        assert clips(book) == ["c1"]
        book.append([row(3)])
        assert clips(book) == ["c1", "c3"]
    book.path.write_bytes(b'{"torn')
    book.append([row(4)])
    assert clips(book) == ["c4"]


def test_damage_in_the_middle_is_named_and_the_rest_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = Journal(tmp_path / "j.jsonl", DubRow)
    book.append([row(1), row(2), row(3)])
    first, second, third = book.path.read_bytes().splitlines(keepends=True)
    bad = [
        (second[:-9] + b"\n", "JSON"),
        (second.replace(b'"c2"', b"2"), "clip: "),
        (second.replace(b'"key":"kk"', b'"kay":"kk"'), "key: "),
        (second.replace(b'"path":""', b'"path":"dubs/x.wav"'), "a dub has a path, a failure a reason"),
        (b"\xff\xfe\n", ""),
        (b"\n", ""),
    ]
    for line, what in bad:
        book.path.write_bytes(first + line + third)
        assert clips(book) == ["c1", "c3"]
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{book.path}: line 2 is damaged" in said
        assert what in said


@pytest.mark.parametrize(("path", "reason"), [("", ""), ("dubs/s/c.wav", "it broke")])
def test_a_dub_has_a_path_or_a_reason(path: str, reason: str) -> None:
    with pytest.raises(ValidationError, match="no row both or neither"):
        DubRow(system="s", clip="c", key="k", path=path, reason=reason)


def test_one_process_holds_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    code = (
        "import sys, time; from pathlib import Path; from dubbench.runtime.files import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(run)], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(DubbenchError, match=rf"in use by process {other.pid} on .+ since \d{{4}}-.+ another --out"):
        held(run).__enter__()
    other.kill()  # leaves the lock file as it is
    other.wait()
    assert str(other.pid) in (run / "lock").read_text()
    with held(run):
        (run / "run.json").touch()
    with held(run):
        pass
    with pytest.raises(DubbenchError, match="a mistake"), held(tmp_path / "new"):
        raise DubbenchError("a mistake")
    assert not (tmp_path / "new").exists()
    assert (run / "run.json").exists()


def test_a_file_is_no_run_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(DubbenchError, match="a file has that name; give another --out"), held(place):
            pass
    with (
        pytest.raises(DubbenchError, match=r"cannot be written \(File name too long\); give another"),
        held(tmp_path / ("x" * 300)),
    ):
        pass


@pytest.mark.parametrize("place", ["mkdir", "open"])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int) -> None:
    def refuse(self: object, *_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(*((Path, place) if place == "mkdir" else (files, place)), refuse, raising=False)
    kind = OSError if code == errno.ENOSPC else DubbenchError  # a full disk is another matter: what is there is kept
    with pytest.raises(kind) as caught, held(tmp_path / "run"):
        pass
    if kind is DubbenchError:
        assert str(caught.value) == f"{tmp_path / 'run'} cannot be written ({os.strerror(code)}); give another --out"


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    video = tmp_path / "dubs" / "x"
    video.mkdir(parents=True)
    left = [tmp_path / ".run.json.ab_c1234.json", video / ".s1-bbaf2n.wav.abcdefgh.wav"]
    stays = [tmp_path / ".gitignore", tmp_path / "run.json", video / "s1-bbaf2n.abcdefgh.wav"]
    for path in (*left, *stays):
        path.touch()
    with held(tmp_path):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in stays)


def test_a_full_disk_costs_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = Journal(tmp_path / "j.jsonl", DubRow)
    book.append([row(1)])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_text(tmp_path / "t", "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_text(tmp_path / "t", "new")
    assert (tmp_path / "t").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["j.jsonl", "t"]
    assert clips(book) == ["c1"]


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match=r"no run\.json"):
        read_manifest(tmp_path)
    for text, message in (
        ("", "not a manifest"),
        ("[]", "not a manifest"),
        (json.dumps({"schema_version": 1}), "not readable by this version of dubbench .dataset"),
        (json.dumps({"schema_version": 7, "code": {"dubbench": "9.1"}}), "schema 7, made by dubbench 9.1; .* reads"),
        (json.dumps({"schema_version": "1"}), r"schema 1, made by dubbench \?; this"),
    ):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(DubbenchError, match=message):
            read_manifest(tmp_path)


def test_slug_stays_in_its_folder() -> None:
    assert slug("../../etc/passwd") == "etc_passwd"
    assert slug("delay(ms=-40)") == "delay_ms_-40"
    assert slug("..") == "system"
    assert slug("日本") == "日本"
