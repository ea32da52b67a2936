"""``dubbench doctor`` and the listing verbs on parts that are not ready."""

import importlib.metadata
import json
import sys

import pytest
from commands import Command
from typer import Exit

from dubbench.cli import doctor, show
from dubbench.cli.doctor import examine, extras, healthy, missing
from dubbench.cli.listing import show_system
from dubbench.errors import DubbenchError, require
from dubbench.signal import voice_encoder


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


def test_weights_are_optional_until_one_is_strict(without: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "names", lambda group: ["duration"] if group == "metrics" else ["delay"])
    lacks = {"part": "metric lse", "state": "optional: lacks weights: syncnet-v2", "remedy": "dubbench assets fetch"}
    monkeypatch.setattr(doctor, "examine_assets", lambda: [lacks])
    assert healthy(examine())
    assert not healthy(examine(), strict=True)
    without.append("faster-whisper")  # serves weights alone
    whisper = next(row for row in examine() if row["part"] == "extra whisper")
    assert whisper["state"] == "optional: missing: faster-whisper"
    assert healthy(examine())
    without.append("jiwer")  # wer-grammar's too
    assert not healthy(examine())


def test_a_metric_of_no_profile_is_optional(without: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "names", lambda group: ["distill-mos"] if group == "metrics" else ["delay"])
    monkeypatch.setattr(doctor, "make_metric", lambda name: require("no_such_package", "mos", "Distill-MOS"))
    without.append("distillmos")
    rows = {row["part"]: row for row in examine()}
    assert rows["extra mos"]["state"].startswith("optional: missing: distillmos")
    assert rows["metric distill-mos"]["state"].startswith("optional: Distill-MOS needs the package 'no_such_package'")
    assert rows["metric distill-mos"]["remedy"] == "pip install 'dubbench[mos]'"


def test_the_exit_code_is_what_help_says(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"part": "metric lse", "state": "optional: lacks weights: syncnet-v2", "remedy": "…"}]
    monkeypatch.setattr(doctor, "examine", lambda: rows)
    for state, strict, code in (("ok", True, 0), ("optional: x", False, 0), ("optional: x", True, 1), ("x", False, 1)):
        rows[0]["state"] = state
        with pytest.raises(Exit) as caught:
            show.doctor(None, strict, json=True)
        assert caught.value.exit_code == code


def test_a_metric_that_cannot_load_names_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "names", lambda group: ["secs"] if group == "metrics" else ["espeak_meanspan"])
    monkeypatch.setitem(sys.modules, "resemblyzer", None)
    for loaded in (voice_encoder.resemblyzer, voice_encoder.voice_encoder):  # by a test before this one
        loaded.cache_clear()
    rows = {row["part"]: row for row in examine()}
    assert "resemblyzer" in rows["metric secs"]["state"]
    assert rows["metric secs"]["remedy"] == "pip install 'dubbench[metrics]'"
    assert rows["system espeak_meanspan"] == {"part": "system espeak_meanspan", "state": "ok", "remedy": ""}
    monkeypatch.setattr(doctor, "make_metric", lambda name: 1 / 0)
    assert {r["remedy"] for r in examine() if r["part"] == "metric secs"} == {"pip install 'dubbench[metrics]'"}


def test_weights_that_do_not_load_are_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of the metric's weights are here, but it cannot use them."""

    class Unusable:
        def load(self, device: str) -> None:
            raise problem

    monkeypatch.setattr(doctor, "names", lambda group: ["secs-dvector"] if group == "metrics" else [])
    monkeypatch.setattr(doctor, "lacking", lambda name: [])
    monkeypatch.setattr(doctor, "examine_assets", list)
    monkeypatch.setattr(doctor, "make_metric", lambda name: Unusable())
    for problem, start in (
        (
            DubbenchError("a.safetensors: not readable as safetensors (HeaderTooLarge)"),
            "dubbench assets verify dvector",
        ),
        (RuntimeError("Error(s) in loading state_dict"), "dubbench assets verify dvector"),
        (ModuleNotFoundError("No module named 'torch'"), "pip install 'dubbench[metrics]'"),
        (DubbenchError("it needs: pip install 'dubbench[whisper]'"), "pip install 'dubbench[whisper]'"),
    ):
        (row,) = [row for row in examine() if row["part"] == "metric secs-dvector"]
        assert row["remedy"].startswith(start), problem


def test_doctor_finds_broken_plugins(dubbench: Command) -> None:
    done = dubbench("doctor", "--json")
    assert "Traceback" not in done.stderr
    rows = {row["part"]: row for row in json.loads(done.stdout)}
    broken = rows["system example-bad-import"]
    assert "this plugin raises on import" in broken["state"]
    assert broken["remedy"] == "see the documentation of the package dubbench-example"
    assert done.returncode == 1  # for the broken plugins
    assert all(row["remedy"] for row in rows.values() if row["state"] != "ok")
    assert rows["metric pitch"]["state"] == "ok"
    assert rows["metric example-level"]["state"] == "ok"


def test_a_system_that_is_not_ready_still_says_what_it_is() -> None:
    shown = show_system("precomputed")
    assert shown["summary"] == "A folder of finished dubs."
    assert [line.split()[0] for line in shown["options"]][:2] == ["folder", "rule"]
    assert shown["state"].startswith("not ready: ")
    with pytest.raises(DubbenchError, match="'x'"):
        show_system("delay(x=4)")
    assert show_system("delay(ms=4)")["settings"] == {"ms": 4.0}
