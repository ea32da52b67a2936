"""``dubbench check`` passes systems that behave, and refuses each that does not for the right reason."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command

from dubbench.core import plugins as found
from dubbench.core.spec import parse_spec
from dubbench.datasets.roots import open_dataset
from dubbench.errors import DubbenchError
from dubbench.pipeline.conformance import Plan, tried
from dubbench.pipeline.conformance_rules import Report, judge
from dubbench.runtime.watching import Watch

FAULTS = {
    "load": ("loads", "no weights here"),
    "close": ("loads", "the door is stuck"),
    "swallows": ("answers", "no answer for a-2"),
    "stray": ("answers", "'somebody-else', which was not asked for"),
    "twice": ("answers", "2 answers for a-"),
    "dies": ("answers", "a-2: its process died (exit code 11)"),
    "hangs": ("answers", "a-2: no answer within 2 s"),
    "raises": ("dubs", "a-2: ValueError: cannot do this clip"),
    "not-finite": ("samples", "1 of 16000 samples are NaN"),
    "silent": ("samples", "digital silence"),
    "rate": ("rate", "22050 Hz, and info.settings declares 16000 Hz"),
    "short": ("length", "0.50 s shorter than its video of 1.00 s"),
    "long": ("length", "1.00 s longer than its video of 1.00 s"),
    "unseeded": ("determinism", "other samples"),
    "order": ("order", "other samples"),
    "batch": ("batch", "other samples"),
    "deaf": ("setting", "the same samples with another reference"),
    "unharmed-only": ("failures", "a damaged video: its process died (exit code 9)"),
    "timings": ("timings", "its stages take 1000.00 s"),
    "truth": ("truth", "which holds the ground truth"),
    "writes": ("writes", "wrote the working folder/left-behind.txt"),
    "writes-unseen": ("writes", "wrote the working folder/left-behind.txt"),
    "children": ("leaves", "time.sleep(100)"),
}
ALONG = {
    "dies": {"dubs"},
    "unseeded": {"order", "failures"},
    "order": {"failures", "batch"},
    "silent": {"setting"},
}
"""Rules that a fault breaks too, since it is one of them."""


@pytest.fixture(scope="module")
def installed(plugins: Path) -> Iterator[None]:
    """The example plugins, here and in the processes started from here."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(plugins)
    sys.path.insert(0, str(plugins))
    found._entries.cache_clear()
    yield
    sys.path.remove(str(plugins))
    os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    found._entries.cache_clear()


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tones")


def checked(spec: str, tones: Path, timeout: float = 60, clips: int = 3) -> Report:
    data = open_dataset("example-tones", {"example-tones": tones})
    with tried(data, parse_spec(spec), Plan(clips, "cpu", timeout)) as trial:
        return judge(trial, spec)


def test_one_that_behaves_passes(installed: None, tones: Path) -> None:
    report = checked("example-conduct(batch=2)", tones)
    assert [(f.rule, f.state, f.seen) for f in report.findings if f.state != "ok"] == []
    assert len(report.findings) == 15 and len(report.clips) == 3


QUICK = {"load", "twice", "dies", "not-finite", "short", "unseeded", "order", "deaf", "truth", "writes"}


@pytest.mark.parametrize("fault", [f if f in QUICK else pytest.param(f, marks=pytest.mark.slow) for f in FAULTS])
def test_each_fault_is_refused_for_its_own_reason(fault: str, installed: None, tones: Path) -> None:
    rule, words = FAULTS[fault]
    batch = 2 if fault == "batch" else 1
    report = checked(f"example-conduct({fault}, batch={batch})", tones, timeout=2 if fault == "hangs" else 60)
    broken = {finding.rule: finding.seen for finding in report.faults}
    assert words in broken[rule]
    assert set(broken) - {rule} <= ALONG.get(fault, set()), broken


def test_controls_may_see_the_truth_and_nosy_systems_find_none(installed: None, tones: Path) -> None:
    for spec in ("delay", "example-nosy"):
        report = checked(spec, tones, clips=2)
        states = {finding.rule: finding.state for finding in report.findings}
        assert not report.faults, report.faults
        assert states["truth"] == ("not tried" if spec == "delay" else "ok")


def test_what_cannot_be_tried_is_told(installed: None, tones: Path) -> None:
    with pytest.raises(DubbenchError, match="no system named 'example-conduckt'; did you mean"):
        checked("example-conduckt", tones)
    with pytest.raises(DubbenchError, match="2 clips at least"):
        checked("example-conduct", tones, clips=1)


def test_the_verb(dubbench: Command, tmp_path: Path) -> None:
    where = ("--dataset", "example-tones", "--root", "tones", "--clips", "2")
    told = dubbench("check", "example-conduct(deaf)", *where, "--json")
    assert told.returncode == 3, told.stderr
    report = json.loads(told.stdout)
    assert not report["passed"] and [f["rule"] for f in report["findings"] if f["state"] == "fault"] == ["setting"]
    said = dubbench("check", "example-conduct", *where)
    assert said.returncode == 0 and said.stdout.splitlines()[-1].endswith("2 clips on cpu: no rule is broken")
    assert [p.name for p in tmp_path.iterdir()] == ["tones"]


@pytest.mark.slow
@pytest.mark.parametrize("system", ["espeak_lipspan", "diflowdubber"])
def test_ours_pass(system: str, dubbench: Command) -> None:
    told = dubbench("check", system, "--json", timeout=900)
    assert told.returncode == 0, told.stdout


def test_watching(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.wav").write_text("x")
    (tmp_path / "quiet").mkdir()
    watch = Watch([tmp_path / "secret"], [tmp_path / "quiet"])
    if not watch.works:
        pytest.skip("this system cannot watch files")
    assert not watch.seen().opened
    (tmp_path / "secret" / "a.wav").read_text()
    (tmp_path / "quiet" / "new").write_text("y")
    (tmp_path / "quiet" / "new").unlink()
    seen = watch.seen()
    watch.close()
    assert seen.opened == {tmp_path / "secret" / "a.wav"} and seen.changed == {tmp_path / "quiet" / "new": "made"}
