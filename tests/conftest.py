import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Command

# One thread a process, before torch is imported: tests run on all cores, and their threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips beside the checkout; its absence skips the test."""
    if not SHARED.is_dir():
        pytest.skip("no real clips: the folder ../shared/data beside the checkout is absent")
    return SHARED


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tests/plugin_pkg installed into a folder of its own."""
    source = Path(__file__).parent / "plugin_pkg"
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("plugins")
    subprocess.run(["cp", "-r", f"{source}/.", str(copy)], check=True)
    command = "pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target"
    subprocess.run([sys.executable, "-m", *command.split(), str(target), str(copy)], check=True)
    return target


@pytest.fixture
def dubbench(plugins: Path, tmp_path: Path) -> Command:
    """Run the command line in an empty folder, with the example plugins installed."""

    def call(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dubbench", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(plugins)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call
