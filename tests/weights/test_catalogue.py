"""Weights: what is listed, locks, copied folders."""

import re
import shutil
import tomllib
from hashlib import sha256
from pathlib import Path

import pytest
from http_server import CONTENT, Server
from toy_asset import DIGEST, Make

from dubbench.core.plugins import assets_of, factory, names
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import profiles_of
from dubbench.runtime import download
from dubbench.weights.catalogue import (
    Lock,
    Part,
    asset,
    asset_digest,
    asset_path,
    assets_dir,
    folder_of,
    have,
    read_lock,
    write_lock,
)
from dubbench.weights.store import bring, verify

NAMES = (
    "syncnet-v2 s3fd whisper-large-v3 whisper-base whisper-tiny.en faster-whisper-large-v3 utmos22-strong dvector "
    "wavlm-sv emotion2vec-base av-hubert-large facodec-encoder facodec-decoder"
)


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
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert "catalogue.toml" in project["tool"]["setuptools"]["package-data"]["dubbench.weights"]


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
    server.break_after = [300_000] + [0] * download.TRIES
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
