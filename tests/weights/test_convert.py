"""Pickles: read in another process, and never run."""

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from http_server import Server, serving

from dubbench.errors import DubbenchError
from dubbench.weights.catalogue import Asset, asset_digest, asset_path, assets, assets_dir, have, target_of
from dubbench.weights.convert import convert, plain_values, state_dict, tensor_names, torchscript, write_tensors
from dubbench.weights.importing import take
from dubbench.weights.inert_pickle import Inert
from dubbench.weights.store import bring, verify

torch = pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.torch").load_file


class Evil:
    """Unpickled in the ordinary way, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


def small() -> dict[str, Any]:
    torch.manual_seed(0)
    return {"model": torch.nn.Linear(3, 4).state_dict(), "dims": {"n_mels": 80}, "step": 7}


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Asset]]:
    """A file becomes a published pickle called toy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))

    with serving() as server:

        def published(file: Path, **options: str | bool) -> Asset:
            return _published(server, file, options, monkeypatch)

        yield published


def _published(server: Server, file: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Asset:
    content = file.read_bytes()
    server.files["/toy.pt"] = content
    item = Asset(
        name="toy",
        file="toy.pt",
        address=f"{server.address}/toy.pt",
        sha256=sha256(content).hexdigest(),
        size=len(content),
        licence="MIT",
        commercial=True,
        convert="state_dict",
        options=options,
    )
    monkeypatch.setitem(assets(), "toy", item)
    return item


def test_a_state_dict_becomes_safetensors(serve: Callable[..., Asset], tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    item = serve(tmp_path / "toy.pt", key="model")
    with pytest.raises(DubbenchError, match="here but not converted: it comes as a pickle; give --convert"):
        bring(item, say=str)
    with pytest.raises(DubbenchError, match="fetched but not converted yet; dubbench assets fetch toy --convert"):
        asset_path("toy")
    bring(item, convert_too=True, say=str)
    path = asset_path("toy")
    assert path.name == "toy.pt.safetensors" and asset_digest("toy") == item.sha256
    tensors = load_file(path)
    assert set(tensors) == {"weight", "bias"}
    assert all(torch.equal(tensors[name], value) for name, value in small()["model"].items())
    assert plain_values(path) == {"dims": {"n_mels": 80}, "step": 7}


def malicious(tmp_path: Path, zipped: bool = True) -> Path:
    """The mark that the pickle in tmp_path/toy.pt leaves when it is read in the ordinary way."""
    mark = tmp_path / "ran"
    content = {**small(), "settings": Evil(mark)}
    torch.save(content, tmp_path / "toy.pt", _use_new_zipfile_serialization=zipped)
    torch.load(tmp_path / "toy.pt", weights_only=False)
    assert mark.exists(), "the pickle is malicious indeed"
    mark.unlink()
    return mark


def test_a_malicious_pickle_does_not_run(serve: Callable[..., Asset], tmp_path: Path) -> None:
    mark = malicious(tmp_path)
    item = serve(tmp_path / "toy.pt", key="model")
    with pytest.raises(DubbenchError, match=r"toy\.pt: cannot be converted: it holds \w+\.system and not just tensors"):
        bring(item, convert_too=True, say=str)
    assert not mark.exists() and not have("toy")
    bring(serve(tmp_path / "toy.pt", key="model", inert=True), convert_too=True, say=str)
    assert not mark.exists()
    assert torch.equal(load_file(asset_path("toy"))["weight"], small()["model"]["weight"])
    assert plain_values(asset_path("toy")) == {"dims": {"n_mels": 80}, "step": 7}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
def test_neither_reader_runs_it(tmp_path: Path, zipped: bool) -> None:
    mark = malicious(tmp_path, zipped)
    with pytest.raises(DubbenchError, match=r"it holds \w+\.system and not just tensors; nothing in it was run"):
        state_dict(tmp_path / "toy.pt", key="model")
    tensors, beside = state_dict(tmp_path / "toy.pt", key="model", inert=True)
    assert not mark.exists() and set(tensors) == {"weight", "bias"}
    assert torch.equal(tensors["weight"], small()["model"]["weight"]) and isinstance(beside["settings"], Inert)


class Writes(torch.nn.Module):
    """Loaded by TorchScript, it makes a file: its ``__setstate__`` is run."""

    def __init__(self, mark: str) -> None:
        super().__init__()
        self.mark, self.weight = mark, torch.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    @torch.jit.export
    def __getstate__(self) -> tuple[str, torch.Tensor, bool]:
        return (self.mark, self.weight, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, torch.Tensor, bool]) -> None:
        self.mark, self.training = state[0], state[2]
        self.weight = state[1] + torch.from_file(state[0], True, 4, dtype=torch.uint8).fill_(65).sum()


class Nested(torch.nn.Module):
    """A small module of several kinds of layers; tied, transposed and empty tensors."""

    def __init__(self, inner: torch.nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.norm = torch.nn.LSTM(3, 4, num_layers=2), torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 3)
        self.head.weight = torch.nn.Parameter(torch.randn(4, 3).T)
        self.tied, self.inner = self.head, inner or torch.nn.Identity()
        self.register_buffer("nothing", torch.zeros(0))
        self.register_buffer("short", torch.arange(3, dtype=torch.float16))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_gives_its_parameters(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(Nested()), tmp_path / "toy.pt")
    expected = torch.jit.load(tmp_path / "toy.pt").state_dict()
    tensors, beside = torchscript(tmp_path / "toy.pt")
    assert not beside and set(tensors) == set(expected) and len(tensors) == 8 + 5 + 2 + 2 + 2
    assert all(torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in expected.items())
    assert set(torchscript(tmp_path / "toy.pt", "head.")[0]) == {"weight", "bias"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_reader_runs_torchscript(tmp_path: Path) -> None:
    mark, source = tmp_path / "ran", tmp_path / "toy.pt"
    mark.write_bytes(b"old!")
    torch.jit.save(torch.jit.script(Nested(Writes(str(mark)))), source)
    torch.jit.load(source)
    assert mark.read_bytes() == b"AAAA", "it writes where it likes, indeed"
    mark.unlink()
    for inert in (False, True):
        with pytest.raises(DubbenchError, match="it is a TorchScript archive, which holds programs"):
            state_dict(source, inert=inert)
    with pytest.raises(DubbenchError, match="a module that wants to run code to be read; nothing in it was run"):
        torchscript(source)
    assert not mark.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
def test_torchscript_reads_no_other_pickle(tmp_path: Path, zipped: bool) -> None:
    mark = malicious(tmp_path, zipped)
    with pytest.raises(DubbenchError, match=r"it holds \w+\.system and not just modules|not a TorchScript archive"):
        torchscript(tmp_path / "toy.pt")
    assert not mark.exists()


def test_torchscript_stays_inside_its_records(tmp_path: Path) -> None:
    """A tensor that claims more numbers than its record holds would be made of foreign memory."""
    torch.save(torch.zeros(4).as_strided((2, 2), (2, 1)), tmp_path / "toy.pt")
    content = (tmp_path / "toy.pt").read_bytes()
    old = b"K\x02K\x02\x86"  # the size (2, 2)
    assert content.count(old) == 1
    (tmp_path / "toy.pt").write_bytes(content.replace(old, b"K\x09K\x02\x86"))
    with pytest.raises(DubbenchError, match="not a TorchScript archive"):
        torchscript(tmp_path / "toy.pt")


def test_tied_and_sliced_tensors(tmp_path: Path) -> None:
    big = torch.arange(12.0).reshape(3, 4)
    torch.save({"m.a": big, "m.tied": big, "m.column": big[:, 1], "n.b": big}, tmp_path / "toy.pt")
    for name in ("one", "two"):
        write_tensors(*state_dict(tmp_path / "toy.pt", prefix="m."), tmp_path / name)
    tensors = load_file(tmp_path / "one")
    assert sorted(tensors) == sorted(tensor_names(tmp_path / "one")) == ["a", "column", "tied"]
    assert torch.equal(tensors["tied"], big) and tensors["column"].tolist() == [1.0, 5.0, 9.0]
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_files_of_another_kind(tmp_path: Path) -> None:
    source = tmp_path / "toy.pt"
    source.write_bytes(b"hello")
    with pytest.raises(DubbenchError, match=r"not a file of torch\.save"):
        state_dict(source)
    with pytest.raises(DubbenchError, match="not a TorchScript archive"):
        torchscript(source)
    with pytest.raises(DubbenchError, match=r"^\S+toy\.pt: cannot be converted: .*No module named 'absent'[^\n]*$"):
        convert("absent:read", source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["toy.pt"]


def test_nothing_is_imported_from_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    (tmp_path / "torch.py").write_text("raise SystemExit('the torch.py of this folder was run')")
    monkeypatch.chdir(tmp_path)
    convert("state_dict", tmp_path / "toy.pt", tmp_path / "out", {"key": "model"})
    assert set(tensor_names(tmp_path / "out")) == {"weight", "bias"}
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text("import torch\ndef read(source): return {'a': torch.ones(1)}, {}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "own"))
    convert("mine:read", tmp_path / "toy.pt", tmp_path / "out")
    assert tensor_names(tmp_path / "out") == ["a"]


def test_an_absent_entry_and_no_tensors(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    with pytest.raises(DubbenchError, match="it has no entry 'state'"):
        state_dict(tmp_path / "toy.pt", "state")
    with pytest.raises(DubbenchError, match="holds no tensors"):
        convert("state_dict", tmp_path / "toy.pt", tmp_path / "out", {"key": "dims"})
    assert [path.name for path in tmp_path.iterdir()] == ["toy.pt"]


def test_what_never_was_the_weight_is_not_kept(
    serve: Callable[..., Asset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page to log in is what comes first, and nobody publishes the weight's digest."""
    (tmp_path / "page").write_bytes(b"<html>log in</html>")
    torch.save(small(), tmp_path / "toy.pt")

    def unpublished(file: Path) -> Asset:
        item = serve(file, key="model").model_copy(update={"sha256": None, "size": 0})
        monkeypatch.setitem(assets(), "toy", item)
        return item

    said = r"not a file of torch\.save.* it was dropped, and its pin in \S+/toy/lock\.json; if that was not the weight"
    with pytest.raises(DubbenchError, match=said):
        bring(unpublished(tmp_path / "page"), convert_too=True, say=str)
    item = unpublished(tmp_path / "toy.pt")
    bring(item, convert_too=True, say=str)
    assert have("toy")
    pinned = asset_digest("toy")
    target_of(item).unlink()
    item = item.model_copy(update={"options": {"key": "absent"}})  # it was good once: that stays
    with pytest.raises(DubbenchError, match=r"it has no entry 'absent'$"):
        bring(item, convert_too=True, say=str)
    bring(unpublished(tmp_path / "toy.pt"), convert_too=True, say=str)
    assert asset_digest("toy") == pinned


def test_a_machine_that_cannot_convert_loses_nothing(
    serve: Callable[..., Asset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    item = serve(tmp_path / "toy.pt", key="model").model_copy(update={"sha256": None, "convert": "absent:read"})
    monkeypatch.setitem(assets(), "toy", item)
    with pytest.raises(DubbenchError, match=r"No module named 'absent'$"):
        bring(item, convert_too=True, say=str)
    assert (assets_dir() / "toy" / "toy.pt").read_bytes() == (tmp_path / "toy.pt").read_bytes()


def test_a_damaged_conversion_is_made_again(serve: Callable[..., Asset], tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    item = serve(tmp_path / "toy.pt", key="model")
    bring(item, convert_too=True, say=str)
    good = asset_path("toy").read_bytes()
    target_of(item).write_bytes(good[:-1] + b"x")
    with pytest.raises(DubbenchError, match="its digest changed"):
        asset_path("toy")
    assert "damaged; dubbench assets fetch toy --convert makes it again" in verify()[0]["state"]
    bring(item, convert_too=True, say=str)
    assert asset_path("toy").read_bytes() == good and verify() == [{"name": "toy", "state": "ok"}]


def test_the_pickle_may_be_deleted_and_left_behind(
    serve: Callable[..., Asset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(small(), tmp_path / "toy.pt")
    item = serve(tmp_path / "toy.pt", key="model")
    bring(item, convert_too=True, say=str)
    there, digest = assets_dir(), asset_digest("toy")
    (there / "toy" / "toy.pt").unlink()
    monkeypatch.setenv("DUBBENCH_OFFLINE", "1")
    bring(item, say=str)  # nothing to fetch, nothing to convert
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "second"))
    shutil.copytree(there, tmp_path / "stick" / "carried")
    assert take(tmp_path / "stick", say=str) == ["toy"]
    assert asset_digest("toy") == digest == item.sha256 and "weight" in load_file(asset_path("toy"))
    assert not (tmp_path / "second" / "toy" / "toy.pt").exists()
