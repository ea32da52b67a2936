"""What recipes and identities are made of: the versions that may change a number, and no others."""

import importlib.metadata
import subprocess
from pathlib import Path

import pytest

from dubbench.core.identity import info_digest, signature
from dubbench.core.metric import MetricInfo
from dubbench.core.spec import parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_metric, make_system
from dubbench.runtime import provenance
from dubbench.signal import media

MEDIA = ("soxr", "av", "soundfile")
METRICS = {
    "wer-grammar": ("pocketsphinx", "jiwer"),
    "secs": ("Resemblyzer", "webrtcvad", "librosa", "torch", "numpy"),
    "dnsmos": ("onnxruntime", "librosa", "numpy"),
    "pitch": ("pyworld",),
    "mcd": ("pyworld", "scipy", "numpy"),
    "align": ("numpy",),
    "phones": ("pocketsphinx",),
    "duration": (),
}
SYSTEMS = {
    "espeak_meanspan": ("espeakng-loader", "soxr", "pyworld"),
    "espeak_lipspan": ("espeakng-loader", "soxr", "pyworld", "mediapipe", "av"),
    "other_voice": ("pyworld",),
    "wrong_video(espeak_meanspan)": ("espeakng-loader", "soxr", "pyworld"),
    "delay": (),
}


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch):
    """Pretend that a package was upgraded."""

    def upgrade(name: str) -> None:
        real = importlib.metadata.version
        monkeypatch.setattr(provenance, "version", lambda asked: "99.0" if asked == name else real(asked))
        provenance.package_version.cache_clear()
        media._recipe.cache_clear()

    yield upgrade
    monkeypatch.undo()
    provenance.package_version.cache_clear()
    media._recipe.cache_clear()


@pytest.mark.parametrize("package", ["pyworld", "jiwer", "onnxruntime", "torch", "pocketsphinx", *MEDIA])
def test_an_upgrade_changes_the_signatures_that_it_may_change(newer, package: str) -> None:
    before = {name: signature(make_metric(name).info) for name in METRICS}
    newer(package)
    after = {name: signature(make_metric(name).info) for name in METRICS}
    changed = {name for name in METRICS if before[name] != after[name]}
    assert changed == {name for name, needs in METRICS.items() if package in (*MEDIA, *needs)}


@pytest.mark.parametrize("package", ["pyworld", "espeakng-loader", "mediapipe", "soxr"])
def test_an_upgrade_changes_the_systems_that_it_may_change(newer, package: str) -> None:
    before = {spec: info_digest(make_system(parse_spec(spec)).info) for spec in SYSTEMS}
    newer(package)
    after = {spec: info_digest(make_system(parse_spec(spec)).info) for spec in SYSTEMS}
    assert {s for s in SYSTEMS if before[s] != after[s]} == {s for s, needs in SYSTEMS.items() if package in needs}


def test_every_metric_carries_the_way_of_the_media() -> None:
    assert MetricInfo(name="theirs", recipe="theirs/x").media == media.recipe()
    assert set(MEDIA) < set(media.recipe()) and media.recipe()["resampler"] == "soxr HQ"


def test_builds_of_one_version_are_one() -> None:
    assert provenance.versions("torch")["torch"] == importlib.metadata.version("torch").partition("+")[0]


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(DubbenchError, match=r"'no-such' is not installed; pip install 'dubbench\[face\]'"):
        provenance.versions("numpy", "no-such", extra="face")


def test_source_that_git_does_not_know_is_dirty(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "mine.py").write_text("1\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "all")
    assert not provenance._changed(tmp_path)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "metrics" / "x.log").touch()
    assert not provenance._changed(tmp_path)
    (tmp_path / "metrics" / "new.py").touch()
    assert provenance._changed(tmp_path)
    (tmp_path / "metrics" / "new.py").unlink()
    (tmp_path / "metrics" / "mine.py").write_text("2\n")
    assert provenance._changed(tmp_path)
