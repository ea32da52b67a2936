import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command
from http_server import CONTENT, Server, serving
from toy_asset import DIGEST, Make

from dubbench.runtime import download
from dubbench.weights.catalogue import Asset, assets

# One thread a process, before torch is imported: tests run on all cores, and their threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


LONG = {"dubbench", "shared_data", "plugins"}
"""Fixtures whose tests take seconds each: processes of the command line, real clips."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as ``long`` what ``make quick`` leaves out."""
    for item in items:
        if LONG & set(getattr(item, "fixturenames", ())) and item.get_closest_marker("quick") is None:
            item.add_marker("long")


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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine; nobody waits between two tries."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    with serving() as server:
        yield server


@pytest.fixture
def make(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A weight called toy, of one file on the server, among the known ones."""
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    monkeypatch.delenv("DUBBENCH_OFFLINE", raising=False)

    def made(**changes: object) -> Asset:
        fields = {
            "name": "toy",
            "file": "toy.bin",
            "address": f"{server.address}/f.bin",
            "sha256": DIGEST,
            "size": len(CONTENT),
            "licence": "MIT",
            "commercial": True,
        }
        item = Asset.model_validate({**fields, **changes})
        monkeypatch.setitem(assets(), item.name, item)
        return item

    return made
