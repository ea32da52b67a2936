"""Fetching weights: resumed, pinned, refused."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from http_server import CONTENT, Server
from toy_asset import DIGEST, Make, lines

from dubbench.errors import DubbenchError
from dubbench.runtime import download
from dubbench.weights.catalogue import (
    asset_digest,
    asset_path,
    folder_of,
    have,
)
from dubbench.weights.store import alone, bring, verify


def test_fetched_once_and_pinned(make: Make, server: Server) -> None:
    item = make()
    said, say = lines()
    for _ in range(2):
        bring(item, say=say)
    assert asset_path("toy").read_bytes() == CONTENT and asset_digest("toy") == DIGEST
    assert server.asked == [("/f.bin", None)]
    assert said == [f"toy: toy.bin, sha256 {DIGEST[:16]}… (as published)"]
    assert verify() == [{"name": "toy", "state": "ok"}]


def test_half_a_file_is_gone_on_with(make: Make, server: Server) -> None:
    item = make()
    server.break_after = [300_000] + [0] * download.TRIES
    with pytest.raises(DubbenchError, match=r"cannot be reached \(broken off at 300,000 of 1,024,000 bytes\)"):
        bring(item)
    assert not have("toy") and (folder_of(item) / "toy.bin.part").stat().st_size == 300_000
    server.break_after, server.asked = [], []
    bring(item, say=str)
    assert server.asked == [("/f.bin", "bytes=300000-")] and have("toy")


def test_a_wrong_digest_is_refused(make: Make, server: Server) -> None:
    item = make(sha256="0" * 64)
    with pytest.raises(DubbenchError, match=r"f\.bin: what came is not what was published \(sha256:0000"):
        bring(item)
    assert not have("toy") and not (folder_of(item) / "toy.bin").exists()


def test_a_wrong_file_does_not_take_the_place_of_a_right_one(make: Make, server: Server) -> None:
    bring(make(), say=str)
    changed = make(sha256=sha256(b"new").hexdigest(), size=0)
    with pytest.raises(DubbenchError, match="not the published toy"):
        asset_path("toy")
    with pytest.raises(DubbenchError, match="not what was published"):
        bring(changed)
    assert (folder_of(changed) / "toy.bin").read_bytes() == CONTENT


def test_pinned_by_the_first_fetch_where_nobody_publishes(make: Make, server: Server) -> None:
    item = make(sha256=None, size=0)
    said, say = lines()
    bring(item, say=say)
    assert said[0].endswith("(pinned now: nobody publishes it)") and asset_digest("toy") == DIGEST
    (folder_of(item) / "toy.bin").unlink()
    server.files["/f.bin"] = b"another"
    said_where = (
        r"not what came before \(sha256:\S+, pinned in \S+/toy/lock\.json\); try again later, or delete that file"
    )
    with pytest.raises(DubbenchError, match=said_where):
        bring(item)
    server.files["/f.bin"] = CONTENT
    bring(item, say=say)
    assert said[1].endswith("(as before)") and have("toy")


@pytest.mark.parametrize("cut", [False, True])
def test_without_a_length_nothing_is_pinned(make: Make, server: Server, cut: bool) -> None:
    """What comes until the connection ends may be half a file."""
    item = make(sha256=None, size=0)
    server.length, server.break_after = "none", [300_000] if cut else []
    with pytest.raises(DubbenchError, match=r"does not say how long toy\.bin is .* dubbench assets import FILE$"):
        bring(item)
    assert not have("toy") and [file.name for file in folder_of(item).iterdir() if "lock" not in file.name] == [".busy"]
    bring(make(), say=str)  # with a digest the end is known
    assert have("toy")


VERSIONS = {"ETag": {"ETag": '"{}"'}, "date": {"ETag": 'W/"{}"', "Last-Modified": "{}"}, "nothing": {}}
OTHER = CONTENT[::-1]


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range heeded", "If-Range ignored"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("within", [True, False], ids=["in one call", "in two"])
def test_two_files_are_not_mixed(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch, version: str, heeds: bool, within: bool
) -> None:
    """The file on the server changes while half of it is here, and nobody publishes its digest."""
    item = make(sha256=None, size=0)
    server.version, server.heeds = VERSIONS[version], heeds
    server.break_after = [300_000] + ([] if within else [0] * download.TRIES)

    def change(_: float = 0) -> None:
        server.files["/f.bin"] = OTHER

    if within:
        monkeypatch.setattr(download.time, "sleep", change)
    else:
        with pytest.raises(DubbenchError, match="broken off"):
            bring(item)
        server.break_after = []
        change()
    bring(item, say=str)
    assert asset_path("toy").read_bytes() == OTHER
    assert sorted(file.name for file in folder_of(item).iterdir()) == [".busy", "lock.json", "toy.bin"]


@pytest.mark.parametrize("version", ["ETag", "date"])
def test_half_of_the_same_file_is_gone_on_with(make: Make, server: Server, version: str) -> None:
    item = make(sha256=None, size=0)
    server.version, server.break_after = VERSIONS[version], [300_000]
    bring(item, say=str)
    assert server.asked == [("/f.bin", None), ("/f.bin", "bytes=300000-")] and asset_digest("toy") == DIGEST


@pytest.mark.parametrize("published", [True, False])
def test_a_range_that_begins_elsewhere(make: Make, server: Server, published: bool) -> None:
    item = make() if published else make(sha256=None, size=0)
    server.from_zero, server.break_after = True, [300_000]
    bring(item, say=str)
    assert asset_path("toy").read_bytes() == CONTENT


@pytest.mark.parametrize("claim", ["abc", "-5"])
def test_a_senseless_length(make: Make, server: Server, claim: str) -> None:
    server.claims = claim
    with pytest.raises(DubbenchError, match=r"does not say how long toy\.bin is"):
        bring(make(sha256=None, size=0))
    bring(make(), say=str)
    assert have("toy")


def test_a_redirect_loop_is_one_line(make: Make, server: Server) -> None:
    server.moved["/f.bin"] = f"{server.address}/f.bin"
    with pytest.raises(DubbenchError, match=r"^\S+: \S+ answered 302 [^\n]+; try again later$"):
        bring(make())


def test_chunks_tell_the_end(make: Make, server: Server) -> None:
    item = make(sha256=None, size=0)
    server.length, server.break_after = "chunked", [300_000] * download.TRIES
    server.ranges = False
    with pytest.raises(DubbenchError, match="cannot be reached"):
        bring(item)
    assert not have("toy")
    bring(item, say=str)
    assert asset_digest("toy") == DIGEST


def test_no_network(make: Make) -> None:
    item = make(address="http://127.0.0.1:9/f.bin")
    with pytest.raises(DubbenchError, match=r"^\S+: 127\.0\.0\.1:9 cannot be reached \(Connection refused\); check"):
        bring(item)


def test_offline(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUBBENCH_OFFLINE", "1")
    item = make()
    with pytest.raises(DubbenchError, match="not here and DUBBENCH_OFFLINE is set; where there is a network"):
        bring(item)
    assert server.asked == []
    (folder_of(item) / "toy.bin").write_bytes(CONTENT)
    bring(item, say=str)  # it lies there and is the right one: nothing to ask
    assert have("toy") and server.asked == []


def test_no_room(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make()
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(DubbenchError, match=r"0 MB free of 1 MB needed; make room"):
        bring(item)
    monkeypatch.undo()
    assert server.asked == []


def test_a_folder_that_cannot_be_written(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = make()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "file"))
    with pytest.raises(DubbenchError, match="set DUBBENCH_ASSETS to a folder to write in"):
        bring(item)


def test_one_writer_at_a_time(make: Make) -> None:
    item = make()
    with alone(item), pytest.raises(DubbenchError, match="another dubbench is fetching it"):
        bring(item)


def test_half_a_file_of_another_address(make: Make, server: Server) -> None:
    """Two files of one version, as far as the server says."""
    server.version = {"ETag": '"1"'}
    server.files["/g.bin"] = OTHER
    server.break_after = [300_000] + [0] * download.TRIES
    with pytest.raises(DubbenchError, match="broken off"):
        bring(make(sha256=None, size=0))
    server.break_after = []
    bring(make(sha256=None, size=0, address=f"{server.address}/g.bin"), say=str)
    assert asset_path("toy").read_bytes() == OTHER
