"""The wheel outside of the checkout: all files in it, and the main job with it."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script ``dubbench`` of a fresh environment with the wheel; other packages are this environment's."""
    source, wheels, home = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "home"))
    for name in ("dubbench", "systems", "metrics", "leaderboards"):
        shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(source)]
    subprocess.run(build, check=True, cwd=wheels)
    (wheel,) = wheels.glob("*.whl")
    venv.create(home / "env", with_pip=False)
    script = home / "env" / "bin" / "dubbench"
    python = script.with_name("python")
    find = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", find], capture_output=True, text=True, check=True).stdout.strip())
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True, cwd=home)
    # A path file, whose folder's own path files are not read: an editable dubbench there stays out of sight.
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return script


def call(script: Path, *arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env, timeout=300, check=False)


def test_the_wheel_is_whole(installed: Path, tmp_path: Path) -> None:
    python = installed.with_name("python")
    code = "import dubbench, dubbench.leaderboards as other; print(dubbench.__file__, other.__file__)"
    done = call(python, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(installed.parents[1])) for path in done.stdout.split())
    rows = json.loads(call(installed, "systems", "--json", cwd=tmp_path).stdout)
    assert {"ground_truth", "precomputed", "diflowdubber"} <= {row["name"] for row in rows}
    assert not [row for row in rows if "unusable" in row["summary"]]
    rows = json.loads(call(installed, "metrics", "--json", cwd=tmp_path).stdout)
    assert {"pitch", "wer-grammar", "duration"} <= {row["name"] for row in rows}
    package = Path(done.stdout.split()[0]).parent
    for folder, name in (
        ("dubbench", "dubbench"),
        *((n, f"dubbench/{n}") for n in ("systems", "metrics", "leaderboards")),
    ):
        mine = {p.relative_to(CHECKOUT / folder) for p in (CHECKOUT / folder).rglob("*.py")}
        theirs = package.parent / name
        assert not [str(p) for p in mine if not (theirs / p).is_file()]


def test_the_quick_suite_with_the_wheel(installed: Path, tmp_path: Path) -> None:
    """On one clip of the embedded corpus, which is made first where it is not there yet."""
    arguments = ("--suite", "quick", "--limit", 1, "-m", "duration", "-s", "silence", "--out", "quick")
    done = call(installed, "run", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "quick/board/table.csv").read_text().splitlines()[1:]
    cells = [line.split(",")[:4] for line in lines]
    assert [cell for cell in cells if cell[0] == "silence"] == [
        ["silence", "toon", "test[1]", "1.0"],
        ["silence", "toon", "test[1]", "2.0"],
    ]
    assert (tmp_path / "quick/board/index.html").read_text().startswith("<!doctype html>")
    assert "are not ranked together" in (tmp_path / "quick/board/table.md").read_text()
