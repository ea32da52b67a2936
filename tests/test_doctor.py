"""``dubbench doctor`` and the listing verbs on parts that are not ready."""

import importlib.metadata
import json
import sys

import pytest
from commands import Command

from dubbench import doctor
from dubbench.doctor import examine, extras, missing
from dubbench.errors import DubbenchError
from dubbench.listing import show_system
from dubbench.metrics import secs


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of distributions that are made to look absent."""
    hidden: list[str] = []
    real = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        if name in hidden:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor, "distribution", distribution)
    return hidden


def test_extras_are_the_packages(without: list[str]) -> None:
    assert {"toon", "face", "metrics", "diflowdubber"} <= set(extras())
    assert not {"all", "dev"} & set(extras())
    assert missing("metrics") == []
    without += ["onnxruntime", "webrtcvad", "mediapipe"]
    assert [name for name in missing("metrics") if name in ("onnxruntime", "webrtcvad (of Resemblyzer)")] == [
        "onnxruntime",
        "webrtcvad (of Resemblyzer)",
    ]
    assert "mediapipe" in missing("diflowdubber")  # through the extra face
    assert "mediapipe" not in missing("toon")


def test_a_metric_that_cannot_load_names_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "names", lambda group: ["secs"] if group == "metrics" else ["espeak-meanspan"])
    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    for loaded in (secs._resemblyzer, secs._encoder):  # by a test before this one
        loaded.cache_clear()
    rows = {row["part"]: row for row in examine()}
    assert "resemblyzer" in rows["metric secs"]["state"]
    assert rows["metric secs"]["remedy"] == "pip install 'dubbench[metrics]'"
    assert rows["system espeak-meanspan"] == {"part": "system espeak-meanspan", "state": "ok", "remedy": ""}
    monkeypatch.setattr(doctor, "make_metric", lambda name: 1 / 0)
    assert {r["remedy"] for r in examine() if r["part"] == "metric secs"} == {"pip install 'dubbench[metrics]'"}


def test_doctor_finds_broken_plugins(dubbench: Command) -> None:
    done = dubbench("doctor", "--json")
    assert "Traceback" not in done.stderr
    rows = {row["part"]: row for row in json.loads(done.stdout)}
    broken = rows["system example-bad-import"]
    assert "this plugin raises on import" in broken["state"]
    assert broken["remedy"] == "see the documentation of the package dubbench-example"
    assert done.returncode == 1
    assert all(row["remedy"] for row in rows.values() if row["state"] != "ok")
    assert rows["metric pitch"]["state"] == "ok"
    assert rows["metric example-level"]["state"] == "ok"


def test_a_system_that_is_not_ready_still_says_what_it_is() -> None:
    shown = show_system("precomputed")
    assert shown["summary"] == "A folder of finished dubs."
    assert "folder" in shown["options"]
    assert "rule" in shown["options"]
    assert shown["state"].startswith("not ready: ")
    with pytest.raises(DubbenchError, match="'x'"):
        show_system("delay(x=4)")
    assert show_system("delay(ms=4)")["settings"] == {"ms": 4.0}
