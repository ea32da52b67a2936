import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from http_server import CONTENT, Server, serving

from dubbench import fetch
from dubbench.assets import (
    Asset,
    Lock,
    Part,
    asset,
    asset_digest,
    asset_path,
    assets,
    assets_dir,
    folder_of,
    have,
    read_lock,
    write_lock,
)
from dubbench.assets_import import take
from dubbench.assets_store import alone, bring, verify
from dubbench.errors import DubbenchError
from dubbench.registry import assets_of, factory, names, profiles_of

DIGEST = sha256(CONTENT).hexdigest()
NAMES = (
    "syncnet-v2 s3fd whisper-large-v3 whisper-base whisper-tiny.en faster-whisper-large-v3 utmos22-strong dvector "
    "wavlm-sv emotion2vec-base av-hubert-large facodec-encoder facodec-decoder"
)
Make = Callable[..., Asset]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch.time, "sleep", lambda _: None)
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


def lines() -> tuple[list[str], Callable[[str], None]]:
    said: list[str] = []
    return said, said.append


def test_what_is_listed() -> None:
    for name in NAMES.split():
        item = asset(name)
        assert item.licence and item.citation and item.summary, name
        for part in item.files:
            assert part.address.startswith("https://"), name
            assert part.sha256 is None or re.fullmatch("[0-9a-f]{64}", part.sha256), name
            branch = re.search(r"/(resolve|raw|blob)/(main|master)/", part.address)
            # A branch of the hub is turned into the commit that it is at when it is first fetched.
            assert not branch or "huggingface.co/" in part.address, name
        assert item.convert or item.file.endswith(("model.bin", ".safetensors")), f"{name}: a pickle is converted"


def test_the_list_ships() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert "assets.toml" in project["tool"]["setuptools"]["package-data"]["dubbench"]


def test_every_metric_names_weights_that_are_listed() -> None:
    for name in names("metrics"):
        for weight in assets_of(name):
            assert asset(weight), f"{name}: {weight}"
        assert "offline" not in profiles_of(name) or not assets_of(name), f"{name}: offline needs no download"


@pytest.mark.parametrize("profile", ["offline", "paper"])
def test_no_profile_gives_a_column_twice(profile: str) -> None:
    members = [factory("metrics", name) for name in names("metrics") if profile in profiles_of(name)]
    columns = [column.name for member in members for column in member.columns]
    assert columns and len(columns) == len(set(columns))


def test_an_unknown_name_suggests() -> None:
    with pytest.raises(DubbenchError, match=r"no weight named 'synknet-v2'; did you mean 'syncnet-v2'\?"):
        asset("synknet-v2")


def test_missing_names_the_command(make: Make) -> None:
    make(licence="CC BY-NC 4.0", commercial=False)
    said = r"^toy is not here; dubbench assets fetch toy brings it \(1 MB, CC BY-NC 4.0, not for commercial use\)$"
    with pytest.raises(DubbenchError, match=said):
        asset_digest("toy")
    assert not have("toy") and not assets_dir().exists()


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
    server.break_after = [300_000] + [0] * fetch.TRIES
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
    server.break_after = [300_000] + ([] if within else [0] * fetch.TRIES)

    def change(_: float = 0) -> None:
        server.files["/f.bin"] = OTHER

    if within:
        monkeypatch.setattr(fetch.time, "sleep", change)
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
    server.length, server.break_after = "chunked", [300_000] * fetch.TRIES
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
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
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


def test_a_folder_of_several_files(make: Make, server: Server) -> None:
    server.files["/g.json"] = b"{}"
    more = Part(file="g.json", address=f"{server.address}/g.json", sha256=sha256(b"{}").hexdigest(), size=2)
    item = make(parts=(more,))
    bring(item, say=str)
    assert asset_path("toy") == folder_of(item) and item.total == len(CONTENT) + 2
    before = asset_digest("toy")
    (folder_of(item) / "g.json").write_bytes(b"[]")
    with pytest.raises(DubbenchError, match="its digest changed"):
        asset_path("toy")
    assert verify() == [
        {"name": "toy", "state": "g.json is not the published file; dubbench assets fetch toy brings it again"}
    ]
    server.asked = []
    bring(item, say=str)
    assert server.asked == [("/g.json", None)] and asset_digest("toy") == before != DIGEST


def test_a_copied_folder_works(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(make(), say=str)
    shutil.copytree(assets_dir(), tmp_path / "copy", copy_function=shutil.copyfile)
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "copy"))
    monkeypatch.setenv("DUBBENCH_OFFLINE", "1")
    assert asset_path("toy").parent.parent == tmp_path / "copy" and asset_digest("toy") == DIGEST
    lock = read_lock(asset("toy"))
    assert lock.files["toy.bin"].modified == asset_path("toy").stat().st_mtime_ns  # not read again next time


def test_a_damaged_file_is_found(make: Make) -> None:
    item = make()
    bring(item, say=str)
    path = asset_path("toy")
    path.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(DubbenchError, match=r"not the file that was fetched .* dubbench assets fetch toy brings it"):
        asset_path("toy")
    assert verify()[0]["state"].startswith("toy.bin is not the published file")
    bring(item, say=str)
    assert verify() == [{"name": "toy", "state": "ok"}]


def test_a_broken_lock_is_mended(make: Make, server: Server) -> None:
    item = make()
    bring(item, say=str)
    (folder_of(item) / "lock.json").write_text("{")
    said = r"not readable as a lock; dubbench assets fetch toy writes it anew"
    with pytest.raises(DubbenchError, match=said):
        asset_path("toy")
    assert re.search(said, verify()[0]["state"])
    server.asked = []
    bring(item, say=str)
    assert have("toy") and server.asked == []


def test_a_branch_of_the_hub_becomes_its_commit(make: Make, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.files |= {
        "/api/models/org/toy/revision/main": b'{"sha": "abc123"}',
        "/org/toy/resolve/abc123/toy.bin": CONTENT,
        "/org/toy/resolve/def456/toy.bin": b"moved",
    }
    item = make(address="https://huggingface.co/org/toy/resolve/main/toy.bin", sha256=None, size=0)
    server.break_after = [300_000] + [0] * fetch.TRIES
    with pytest.raises(DubbenchError, match="broken off"):
        bring(item)
    server.break_after = []
    server.files["/api/models/org/toy/revision/main"] = b'{"sha": "def456"}'
    bring(item, say=str)  # the rest comes from the commit of the first half
    assert read_lock(item).addresses == {"toy.bin": "https://huggingface.co/org/toy/resolve/abc123/toy.bin"}
    asset_path("toy").unlink()
    server.files["/api/models/org/toy/revision/main"] = b'{"sha": "def456"}'
    bring(item, say=str)
    assert asset_path("toy").read_bytes() == CONTENT
    server.files["/api/models/org/toy/revision/main"] = b"<html>"
    shutil.rmtree(folder_of(item))
    with pytest.raises(DubbenchError, match="the hub does not say which commit its main branch is at"):
        bring(item)


def test_a_corrected_address_counts(make: Make, server: Server) -> None:
    with pytest.raises(DubbenchError, match="cannot be reached"):
        bring(make(address="http://127.0.0.1:9/old.bin"))
    bring(make(), say=str)
    assert have("toy") and read_lock(asset("toy")).addresses == {"toy.bin": f"{server.address}/f.bin"}


@pytest.mark.parametrize(
    "forged",
    ["http://127.0.0.1:9/{}", "https://huggingface.co/org/toy/resolve/../../x/{}", "https://huggingface.co/{}"],
)
def test_a_lock_does_not_say_where_to_fetch(
    make: Make, server: Server, monkeypatch: pytest.MonkeyPatch, forged: str
) -> None:
    """But for the commit of a hub's branch: it may have come from anywhere, with an imported folder."""
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.files |= {
        "/api/models/org/toy/revision/main": b'{"sha": "abc123"}',
        "/org/toy/resolve/abc123/toy.bin": CONTENT,
    }
    item = make(address="https://huggingface.co/org/toy/resolve/main/toy.bin", sha256=None, size=0)
    folder_of(item).mkdir(parents=True)
    write_lock(item, Lock(addresses={"toy.bin": forged.format("toy.bin")}))
    bring(item, say=str)
    assert read_lock(item).addresses == {"toy.bin": "https://huggingface.co/org/toy/resolve/abc123/toy.bin"}


def test_half_a_file_of_another_address(make: Make, server: Server) -> None:
    """Two files of one version, as far as the server says."""
    server.version = {"ETag": '"1"'}
    server.files["/g.bin"] = OTHER
    server.break_after = [300_000] + [0] * fetch.TRIES
    with pytest.raises(DubbenchError, match="broken off"):
        bring(make(sha256=None, size=0))
    server.break_after = []
    bring(make(sha256=None, size=0, address=f"{server.address}/g.bin"), say=str)
    assert asset_path("toy").read_bytes() == OTHER


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
