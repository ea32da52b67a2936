import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from http_server import CONTENT, Server, serving
from typer.testing import CliRunner

from dubbench.cli.assets import assets_app
from dubbench.cli.doctor import examine
from dubbench.errors import DubbenchError
from dubbench.pipeline import components
from dubbench.weights import needs
from dubbench.weights.catalogue import Asset, assets, have
from dubbench.weights.needs import examine_assets

Run = Callable[..., str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """Three weights are known: free, limited (research only) and pickled."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    with serving() as server:
        for name in ("free", "limited", "pickled"):
            item = Asset(
                name=name,
                file=f"{name}.bin",
                address=f"{server.address}/f.bin",
                sha256=sha256(CONTENT).hexdigest(),
                size=len(CONTENT),
                licence="MIT" if name != "limited" else "CC BY-NC 4.0",
                commercial=name != "limited",
                citation="Someone 2024",
                convert="state_dict" if name == "pickled" else None,
            )
            monkeypatch.setitem(assets(), name, item)
        yield server


@pytest.fixture
def run(server: Server) -> Run:
    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(assets_app, list(arguments))
        if isinstance(result.exception, DubbenchError):
            assert code == 2, result.exception
            return f"{result.output}dubbench: {result.exception}"
        assert result.exit_code == code, result.output + repr(result.exception)
        return result.output

    return call


def test_licence_and_size_are_said_before_a_fetch(run: Run, server: Server) -> None:
    said = run("fetch", "free", code=2)
    assert said.startswith("free: 1 MB, licence: MIT; Someone 2024\nin all 1 MB, into ")
    assert said.endswith("dubbench: nobody is here to agree to the licences; give --yes")
    assert server.asked == []
    run("fetch", "free", "--yes")
    assert have("free") and run("fetch", "free", "--yes") == "free: here already\n"


def test_non_commercial_needs_a_word(run: Run, server: Server) -> None:
    said = run("fetch", "free", "limited", "--yes", code=2)
    assert "licence: CC BY-NC 4.0; not for commercial use" in said
    assert "limited: not for commercial use; give --non-commercial" in said and server.asked == []
    run("fetch", "limited", "--yes", "--non-commercial")
    assert have("limited")


def test_the_risk_is_said_and_the_others_are_fetched(run: Run) -> None:
    said = run("fetch", "pickled", "free", "--yes", code=2)
    assert "pickled.bin is a pickle or TorchScript file, a format that can hold programs" in said
    assert "dubbench: pickled is here but not converted" in said and have("free") and not have("pickled")
    said = run("fetch", "pickled", "--yes", "--convert", code=2)
    assert "cannot be converted: not a file of torch.save" in said


def test_list(run: Run) -> None:
    run("fetch", "free", "--yes")
    rows = {row["name"]: row for row in json.loads(run("list", "--json"))}
    assert rows["free"]["state"] == "here" and rows["limited"]["state"] == "missing"
    assert rows["limited"]["commercial"] is False and rows["syncnet-v2"]["files"][0]["sha256"].startswith("961e8696")
    assert rows["av-hubert-large"]["files"][0]["sha256"] == "pinned on the first fetch"
    table = run("list")
    assert "CC BY-NC 4.0" in table and "folder: " in table


def test_verify(run: Run, tmp_path: Path) -> None:
    assert run("verify").startswith("no weights are in ")
    run("fetch", "free", "--yes")
    assert run("verify").splitlines()[-1].split() == ["free", "ok"]
    (tmp_path / "free" / "free.bin").write_bytes(b"x")
    assert json.loads(run("verify", "--json", code=3))[0]["state"].startswith("free.bin is not the published file")


def test_import(run: Run, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "f").write_bytes(CONTENT)
    said = run("import", str(tmp_path / "stick" / "f"), "--as", "limited")
    assert said.splitlines()[-1] == f"1 brought into {tmp_path}" and have("limited")


def test_a_profile_brings_what_its_metrics_load(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = {"one": ("free",), "two": ("limited", "pickled")}
    monkeypatch.setattr(needs, "names", lambda _: ["one", "two"])
    monkeypatch.setattr(needs, "assets_of", lambda metric: weights[metric])
    monkeypatch.setattr(components, "names", lambda _: ["one", "two"])
    monkeypatch.setattr(components, "profiles_of", lambda metric: {"paper"} if metric == "one" else {"offline"})
    run("fetch", "--profile", "paper", "--yes")
    assert have("free") and not have("limited")
    assert "no metric of profile 'none' loads weights" in run("fetch", "--profile", "none", code=2)
    assert "say which" in run("fetch", code=2)
    rows = {row["name"]: row["used_by"] for row in json.loads(run("list", "--json"))}
    assert rows["free"] == "one" and rows["limited"] == "two" and rows["s3fd"] == ""
    assert examine_assets() == [
        {
            "part": "metric two",
            "state": "optional: lacks weights: limited, pickled",
            "remedy": "dubbench assets fetch limited pickled --convert",
        }
    ]


def test_doctor_says_it(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "names", lambda _: ["one"])
    monkeypatch.setattr(needs, "assets_of", lambda metric: ("free",) if metric == "one" else ())
    monkeypatch.setattr("dubbench.cli.doctor.names", lambda group: ["one"] if group == "metrics" else [])
    rows = [row for row in examine() if row["part"].startswith("metric")]
    assert rows == [
        {"part": "metric one", "state": "optional: lacks weights: free", "remedy": "dubbench assets fetch free"},
    ]
