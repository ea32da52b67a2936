"""Groups of options, and what the shared options say."""

import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from dubbench.api.run_to_board import join
from dubbench.cli.options import Clips, Voices, Work
from dubbench.errors import DubbenchError
from dubbench.runtime.option_groups import grouped


def test_groups_become_options_and_come_back_as_groups() -> None:
    seen: list[object] = []
    app = typer.Typer()

    @app.command()
    @grouped
    def verb(name: str, *, clips: Clips, seed: int = 3, work: Work, voices: Voices) -> None:
        seen.extend([name, clips, seed, work, voices])

    done = CliRunner().invoke(app, ["x", "--setting", "1", "--root", "a", "--timeout", "5", "--voices", "v"])
    assert done.exit_code == 0, done.output
    assert seen == ["x", Clips(root=["a"], setting="1.0"), 3, Work(timeout=5.0), Voices(Path("v"))]


def test_more_workers_than_cores_are_spoken_of() -> None:
    app = typer.Typer()

    @app.command()
    @grouped
    def verb(*, work: Work) -> None: ...

    cores = os.cpu_count() or 1
    assert "cores" in CliRunner().invoke(app, ["--workers", str(cores + 1)]).output
    assert not CliRunner().invoke(app, ["--workers", str(cores)]).output


def test_a_board_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "page.html").touch()
    with pytest.raises(DubbenchError, match="a board is a folder; give another --out"):
        join([tmp_path], tmp_path / "page.html")
