import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from http_server import CONTENT, Server

from dubbench.datasets import grid_download
from dubbench.datasets.chem import ChemDataset
from dubbench.datasets.chem_lists import download_chem
from dubbench.datasets.grid import INFO, GridDataset
from dubbench.datasets.grid_download import download_grid, grid_record, unpack
from dubbench.errors import DubbenchError
from dubbench.runtime import download


def test_a_file_comes_once(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        download.fetch(server.remote(), tmp_path / "d" / "f.bin", lambda *args: told.append(args))
    assert (tmp_path / "d" / "f.bin").read_bytes() == CONTENT
    assert server.asked == [("/f.bin", None)]
    assert told[-1] == ("f.bin", len(CONTENT), len(CONTENT)) and told == sorted(told)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["f.bin"]


@pytest.mark.parametrize("ranges", [True, False])
def test_it_goes_on_where_it_broke_off(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.break_after = [300_000, 200_000]
    server.ranges = ranges
    download.fetch(server.remote(), tmp_path / "f.bin", wait=0.01)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    starts = [wanted for _, wanted in server.asked]
    assert starts == [None, "bytes=300000-", "bytes=500000-" if ranges else "bytes=200000-"]


def test_a_later_call_goes_on(server: Server, tmp_path: Path) -> None:
    server.break_after = [300_000] + [0] * download.TRIES
    with pytest.raises(DubbenchError, match=r"cannot be reached \(broken off at 300,000 of 1,024,000 bytes\)"):
        download.fetch(server.remote(), tmp_path / "f.bin", wait=0.001)
    assert not (tmp_path / "f.bin").exists() and (tmp_path / "f.bin.part").stat().st_size == 300_000
    server.break_after, server.asked = [], []
    download.fetch(server.remote(), tmp_path / "f.bin")
    assert server.asked == [("/f.bin", "bytes=300000-")] and (tmp_path / "f.bin").read_bytes() == CONTENT


def test_without_size_or_digest(server: Server, tmp_path: Path) -> None:
    server.break_after = [1000]
    download.fetch(server.remote("", 0), tmp_path / "f.bin", wait=0.01)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_a_wrong_file_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="not what was published"):
        download.fetch(server.remote("sha256:" + "0" * 64), tmp_path / "f.bin")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "f.bin").write_bytes(b"old")
    download.fetch(server.remote(), tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("old", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_a_part_of_another_file_is_thrown_away(server: Server, tmp_path: Path, old: bytes) -> None:
    (tmp_path / "f.bin.part").write_bytes(old)
    download.fetch(server.remote(), tmp_path / "f.bin")
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_busy_servers_are_asked_again_and_refusals_are_not(server: Server, tmp_path: Path) -> None:
    server.status = [503, 429]
    download.fetch(server.remote(), tmp_path / "f.bin", wait=0.001)
    server.asked, server.status = [], [403]
    with pytest.raises(DubbenchError, match="answered 403"):
        download.fetch(server.remote(), tmp_path / "g.bin")
    assert len(server.asked) == 1
    with pytest.raises(DubbenchError, match="answered 404"):
        download.read_url(f"{server.address}/nothing")


def test_no_network(server: Server, tmp_path: Path) -> None:
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DubbenchError, match=r"cannot be reached \(Connection refused\); check the network") as error:
        download.fetch(server.remote(), tmp_path / "f.bin")
    assert "\n" not in str(error.value)
    with pytest.raises(DubbenchError, match="cannot be reached"):
        download_grid(tmp_path, INFO, say=lambda _: None, address=server.address)
    with pytest.raises(DubbenchError, match="cannot be reached"):
        download.read_url("http://no-such-host.invalid/")
    with pytest.raises(DubbenchError, match="not an http address"):
        download.read_url("file:///etc/hostname")


def test_no_room(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DubbenchError, match="MB needed; make room"):
        download.fetch(server.remote(size=10**18), tmp_path / "f.bin")
    assert server.asked == []
    real = Path.open

    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *a: Full(self, "w") if mode == "wb" else real(self, mode, *a)
    )
    with pytest.raises(DubbenchError, match="the disk is full; make room and run the same command again"):
        download.fetch(server.remote(), tmp_path / "f.bin")


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def zenodo(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A record laid out as GRID's, with two speakers."""
    files = {
        "s1.zip": archive(**{"s1/bbaf2n.mpg": b"one", "s1/bbaf3s.mpg": b"two", "__MACOSX/s1/._bbaf2n.mpg": b"junk"}),
        "s22.zip": archive(**{"lwbsza.mpg": b"three", ".DS_Store": b"junk"}),
        "alignments.zip": archive(**{"alignments/s1/bbaf2n.align": b"0 74500 sil\n", "alignments/._x.align": b"junk"}),
        "audio_25k.zip": b"not wanted",
    }
    server.files |= {f"/{name}": content for name, content in files.items()}
    listing = [
        {
            "key": name,
            "size": len(content),
            "checksum": "md5:" + hashlib.md5(content).hexdigest(),
            "links": {"self": f"{server.address}/{name}?download=1"},
        }
        for name, content in files.items()
    ]
    server.files["/record"] = json.dumps({"files": listing}).encode()
    monkeypatch.setattr(grid_download, "GRID_KNOWN", {"s1.zip": listing[0]["checksum"]})
    return server


def test_grid_is_fetched_unpacked_and_resumed(zenodo: Server, tmp_path: Path) -> None:
    said: list[str] = []
    root = tmp_path / "grid"
    download_grid(root, INFO, ["s1"], said.append, address=f"{zenodo.address}/record")
    assert "CC BY 4.0" in said[0] and "2 of 2 archives" in said[1]  # the licence comes first
    data = GridDataset(root)
    assert [clip.id for clip in data.clips()] == ["s1-bbaf2n", "s1-bbaf3s"] and data.problems() == []
    assert data.alignment(data.clips()[0]) == root / "alignments/s1/bbaf2n.align"
    assert not (root / "archives").exists()
    zenodo.asked = []
    download_grid(root, INFO, None, said.append, address=f"{zenodo.address}/record")
    assert [path for path, _ in zenodo.asked] == ["/record", "/s22.zip?download=1"]
    assert [clip.id for clip in GridDataset(root).clips()] == ["s1-bbaf2n", "s1-bbaf3s", "s22-lwbsza"]
    assert {path.suffix for path in root.rglob("*") if path.is_file() and ".fetched" not in path.parts} == {
        ".mpg",
        ".align",
    }


def test_grid_speakers_and_records_that_are_wrong(
    zenodo: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{zenodo.address}/record"
    with pytest.raises(DubbenchError, match="no videos of s21, t1"):
        download_grid(tmp_path, INFO, ["s21", "s1", "t1"], lambda _: None, address=address)
    zenodo.files["/s1.zip"] = zenodo.files["/s1.zip"][:-1] + b"!"
    with pytest.raises(DubbenchError, match=r"s1\.zip.*not what was published"):
        download_grid(tmp_path, INFO, ["s1"], lambda _: None, address=address)
    assert not (tmp_path / "s1").exists()
    monkeypatch.setattr(grid_download, "GRID_KNOWN", {"s1.zip": "md5:0"})
    with pytest.raises(DubbenchError, match="the record changed"):
        grid_record(address)
    zenodo.files["/record"] = b"<html>"
    with pytest.raises(DubbenchError, match="not a Zenodo record"):
        grid_record(address)


@pytest.mark.parametrize("name", ["../evil.mpg", "s1/../../evil.mpg", "/evil.mpg", "C:\\evil.mpg", "..\\evil.mpg"])
def test_archives_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a" / "s1.zip"
    path.parent.mkdir()
    path.write_bytes(archive(**{"s1/bbaf2n.mpg": b"good", name: b"evil"}))
    with pytest.raises(DubbenchError, match=r"unsafe path .* nothing was unpacked"):
        unpack(path, tmp_path / "a" / "root", "s1")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["s1.zip"]


def test_archives_with_links_and_broken_ones(tmp_path: Path) -> None:
    path = tmp_path / "s1.zip"
    link = zipfile.ZipInfo("s1/bbaf2n.mpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(DubbenchError, match="unsafe path"):
        unpack(path, tmp_path / "root", "s1")
    path.write_bytes(archive(**{"s1/bbaf2n.mpg": b"x" * 1000})[:-30])
    with pytest.raises(DubbenchError, match="not a whole zip"):
        unpack(path, tmp_path / "root", "s1")
    assert not (tmp_path / "root").exists()


def test_chem_writes_steps_and_lists(server: Server, tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        server.files[f"/{split}.txt"] = b"AGZZGR5Otxw\n-_zinAckmQU\n"
    said: list[str] = []
    download_chem(tmp_path, ChemDataset.info, said.append, server.address)
    assert "rights of their owners" in said[0] and "dubbench data prepare chem" in said[1]
    assert "2 videos (Lip2Wav once had 16)" in said[-1]
    assert (tmp_path / "splits" / "test.txt").read_text() == "AGZZGR5Otxw\n-_zinAckmQU\n"
    assert str(tmp_path) in (tmp_path / "HOW-TO.txt").read_text("utf-8")
    server.files["/val.txt"] = b"<html>no</html>"
    with pytest.raises(DubbenchError, match=r"val\.txt: not a list of YouTube ids"):
        download_chem(tmp_path, ChemDataset.info, said.append, server.address)


def test_chem_writes_the_steps_without_a_network(server: Server, tmp_path: Path) -> None:
    server.files.clear()
    with pytest.raises(DubbenchError, match="answered 404"):
        download_chem(tmp_path, ChemDataset.info, lambda _: None, server.address)
    assert (tmp_path / "HOW-TO.txt").is_file()
