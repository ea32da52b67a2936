"""Weights from a file or folder of another machine."""

from pathlib import Path

import pytest
from http_server import CONTENT
from toy_asset import DIGEST, Make

from dubbench.errors import DubbenchError
from dubbench.weights.catalogue import (
    asset_digest,
    asset_path,
    assets_dir,
    folder_of,
)
from dubbench.weights.importing import take
from dubbench.weights.store import bring


def test_import_of_a_file(make: Make, tmp_path: Path) -> None:
    make()
    (tmp_path / "renamed").write_bytes(CONTENT)
    assert take(tmp_path / "renamed", say=str) == ["toy"]
    assert asset_digest("toy") == DIGEST and (tmp_path / "renamed").exists()


def test_import_beside_a_broken_lock(make: Make, tmp_path: Path) -> None:
    """It is another weight's, or its own: then it is written anew."""
    (tmp_path / "toy.bin").write_bytes(CONTENT)
    for broken in (make(name="before", file="b.bin", sha256="0" * 64), make()):
        folder_of(broken).mkdir(parents=True)
        (folder_of(broken) / "lock.json").write_text("{")
    assert take(tmp_path / "toy.bin", say=str) == ["toy"] and asset_digest("toy") == DIGEST


def test_import_of_a_wrong_file(make: Make, tmp_path: Path) -> None:
    item = make()
    bring(item, say=str)
    (tmp_path / "toy.bin").write_bytes(b"something else")
    with pytest.raises(DubbenchError, match=r"toy\.bin: not the published toy; its digest differs"):
        take(tmp_path / "toy.bin")
    assert asset_path("toy").read_bytes() == CONTENT
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(DubbenchError, match="other: nothing that dubbench knows; it knows "):
        take(tmp_path / "other")
    with pytest.raises(DubbenchError, match="no such file or folder"):
        take(tmp_path / "absent")


def test_import_of_another_machines_folder(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(make(sha256=None, size=0), say=str)
    there = assets_dir()
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "second"))
    monkeypatch.setenv("DUBBENCH_OFFLINE", "1")
    assert take(there, say=str) == ["toy"]
    assert asset_digest("toy") == DIGEST and asset_path("toy").is_relative_to(tmp_path / "second")
    (there / "toy" / "toy.bin").write_bytes(b"other")
    with pytest.raises(DubbenchError, match="nothing that dubbench knows"):
        take(there)  # pinned here by now
    assert asset_path("toy").read_bytes() == CONTENT


def test_import_without_a_published_digest_goes_by_name(make: Make, tmp_path: Path) -> None:
    make(sha256=None, size=0)
    (tmp_path / "whatever").write_bytes(CONTENT)
    with pytest.raises(DubbenchError, match="nothing that dubbench knows"):
        take(tmp_path / "whatever")
    assert take(tmp_path / "whatever", name="toy", say=str) == ["toy"] and asset_digest("toy") == DIGEST


def test_import_of_a_folder_takes_no_other_file(make: Make, tmp_path: Path) -> None:
    item, folder = make(sha256=None, size=0), tmp_path / "folder"
    folder.mkdir()
    (folder / "a-licence").write_text("words")
    (folder / "whatever").write_bytes(CONTENT)
    with pytest.raises(DubbenchError, match="nothing that dubbench knows"):
        take(folder, name="toy", say=str)
    (folder / "whatever").rename(folder / item.file)
    assert take(folder, name="toy", say=str) == ["toy"] and asset_digest("toy") == DIGEST
