"""The command line: mistakes in it, its version, and what its options mean."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dubbench
from dubbench.api.run_to_board import default_folder
from dubbench.cli import main
from dubbench.datasets.roots import roots_of
from dubbench.errors import DubbenchError
from dubbench.pipeline.cell import Cell


def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dubbench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "message", "help_of"),
    [
        (("--nope",), "No such option: --nope", "dubbench"),
        (("run", "--sytem", "delay"), "--system", "dubbench run"),
        (("rum",), "Did you mean 'run'?", "dubbench"),
        (("data", "chek"), "Did you mean 'check'?", "dubbench data"),
        (("run", "--limit", "many"), "'--limit'", "dubbench run"),
        (("run", "--limit", "0"), "'--limit'", "dubbench run"),
        (("run", "--out"), "'--out' requires an argument", "dubbench"),
        (("board",), "Missing argument", "dubbench board"),
        (("run", "unasked"), "unasked", "dubbench run"),
        (("train", "tts", "--nope"), "--nope", "dubbench train tts"),
    ],
)
def test_mistakes_on_the_command_line_get_one_line(arguments: tuple[str, ...], message: str, help_of: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("dubbench: ")
    assert message in line
    assert line.endswith(f"See: {help_of} --help")


def test_a_board_that_cannot_be_written_needs_another_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for code, todo in ((errno.EEXIST, "give another place"), (errno.ENOSPC, "the same command goes on from here")):

        def refuse(*_: object, code: int = code, **__: object) -> None:
            raise OSError(code, os.strerror(code), "board")

        monkeypatch.setattr(main, "app", refuse)
        with pytest.raises(SystemExit) as caught:
            main.main()
        assert caught.value.code == 2
        assert capsys.readouterr().err == f"dubbench: board: {os.strerror(code)}; what was done is kept, {todo}\n"


def test_version_and_help() -> None:
    assert call("--version").stdout == f"dubbench {dubbench.__version__}\n"
    for verb in ((), ("data",), ("train",), ("codec",)):
        done = call(*verb)
        assert done.returncode == 2
        told = done.stdout + done.stderr
        assert "Usage:" in told and ("Commands:" if verb else "Run and score:") in told
        assert call(*verb, "--help").returncode == 0


def test_roots() -> None:
    assert roots_of(["DIR"], "grid") == {"grid": Path("DIR")}
    assert roots_of(["chem=A", "grid=B=C"], "chem", "grid") == {"chem": Path("A"), "grid": Path("B=C")}
    assert roots_of(None, "grid") == {}
    with pytest.raises(DubbenchError, match="say whose folder it is, for example --root chem=DIR"):
        roots_of(["DIR"], "chem", "grid")
    with pytest.raises(DubbenchError, match="no data set 'gird' is used here, but chem and grid"):
        roots_of(["gird=DIR"], "chem", "grid")
    with pytest.raises(DubbenchError, match="two folders for grid"):
        roots_of(["A", "grid=B"], "grid")
    with pytest.raises(DubbenchError, match="--root DIR: no data set is used here"):
        roots_of(["DIR"])


def test_a_folder_with_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b").mkdir()
    assert roots_of(["a=b"], "grid") == {"grid": Path("a=b")}


def test_a_run_without_out_goes_where_no_other_data_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def where(dataset: str, **roots: Path) -> str:
        return default_folder(Cell(dataset, limit=5), roots).as_posix()

    assert where("toon") == "runs/toon-test-5-2.0-offline"
    assert where("grid", grid=tmp_path / "GRID") == where("grid") == "runs/grid-test-5-2.0-offline"
    one, two = (where("folder", folder=tmp_path / place / "my clips") for place in ("a", "b"))
    assert one != two
    assert re.fullmatch(r"runs/folder-my_clips-[0-9a-f]{6}-test-5-2\.0-offline", one)
    (tmp_path / "a" / "my clips").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    assert where("folder", folder=Path("my clips")) == one  # however it is written
    monkeypatch.chdir("my clips")
    assert where("folder", folder=Path()) == one


def test_help_is_instant() -> None:
    """Under half a second of processor time, whatever else the machine does; nothing heavy is imported."""
    before = os.times()
    assert call("--help").returncode == 0
    after = os.times()
    spent = after.children_user - before.children_user + after.children_system - before.children_system
    assert spent < 0.5
    heavy = ("numpy", "torch", "pydantic", "av", "rich")
    code = f"import sys, dubbench.cli.main; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
