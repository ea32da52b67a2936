"""Distill-MOS against the package whose network it runs; the package is not in every install."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pairs import awkward, pair, voice
from spoken import SENTENCES, say

from dubbench.core.metric import Unscored
from dubbench.errors import DubbenchError
from dubbench.metrics import distill_mos
from dubbench.metrics.distill_mos import DistillMOS, opinion
from dubbench.pipeline.components import make_metric
from dubbench.runtime.package_files import package_folder
from dubbench.signal.media import read_audio

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def installed() -> None:
    try:
        DistillMOS()
    except DubbenchError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("seconds", [1.5, 9.4])
def test_it_is_what_the_package_gives(seconds: float) -> None:
    """A sound that is filled up, and three windows of a long one."""
    distill_mos._network()  # the package is imported now, without torchaudio
    model = sys.modules["distillmos"].ConvTransformerSQAModel().eval()
    sound = np.tile(say(SENTENCES[0])[0], 8)[: round(seconds * 16000)]
    with torch.inference_mode():
        wanted = model(torch.from_numpy(sound)[None]).item()
    assert opinion(sound) == pytest.approx(wanted, abs=1e-4)
    assert 1 < wanted < 5


def test_the_recipe_names_the_published_weights() -> None:
    info = make_metric("distill-mos").info
    assert info.weights == {"distill-mos-v7": "b18b3ac60227267cfb91e5d00ce22cc7b73716fd92f269484da1446e27031a40"}
    assert info.settings["distillmos"] and info.settings["xls-r-sqa"]
    assert [column.name for column in DistillMOS.columns] == ["Distill-MOS"]


@pytest.mark.parametrize("real", [None, ModuleType("torchaudio")])
def test_torchaudio_is_left_as_it_was(real: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in ("distillmos", "torchaudio")]:
        monkeypatch.delitem(sys.modules, name)
    if real is not None:
        monkeypatch.setitem(sys.modules, "torchaudio", real)
    distill_mos._network.cache_clear()
    distill_mos._network()
    assert sys.modules.get("torchaudio") is real


def test_the_same_digits_again_whatever_came_between_and_at_any_level() -> None:
    sounds = [say(text)[0] for text in SENTENCES[:2]]
    metric = DistillMOS()
    first = metric.score(pair(sounds[0], sounds[0]))
    other = metric.score(pair(sounds[1], sounds[0]))
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert metric.score(pair(sounds[0], sounds[0])) == first != other
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert metric.score(pair(np.float32(0.05) * sounds[0], sounds[0])) == pytest.approx(first, abs=1e-3)


def test_nothing_spoken_is_unscored() -> None:
    rng = np.random.default_rng(0)
    t = np.arange(48000) / 16000
    white = rng.normal(0, 0.1, 48000)
    for sound, reason in (
        (np.zeros(48000), "no sound"),
        (np.full(48000, 0.3), "no sound"),
        (1e-6 * white, "no sound"),
        (white, "no speech"),
        (np.cumsum(white - white.mean()) / 100, "no speech"),
        (0.1 * np.sin(2 * np.pi * 100 * t), "no speech"),
        (white[:4000], "shorter"),
    ):
        stats = DistillMOS().score(pair(sound.astype(np.float32), voice()))
        assert isinstance(stats, Unscored) and reason in stats.reason, (reason, stats)


def test_awkward_dubs_give_an_opinion_or_a_reason() -> None:
    short = voice()
    for name, (dub, rate) in awkward(short).items():
        stats = DistillMOS().score(pair(dub, short, rate))
        assert isinstance(stats, Unscored) or 0.9 < stats["mos"] < 5.1, (name, stats)


def test_a_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distillmos", None)
    distill_mos._network.cache_clear()
    with pytest.raises(DubbenchError, match=r"dubbench\[mos\]"):
        DistillMOS().load("cpu")
    package_folder.cache_clear()
    with pytest.raises(DubbenchError, match=r"'no_such_package' is not installed; pip install 'dubbench\[mos\]'"):
        package_folder("no_such_package", "mos")


def test_noise_is_heard_in_speech(shared_data: Path) -> None:
    sound = read_audio(shared_data / "grid" / "s1" / "bbaf3s.mp4")
    noise = np.random.default_rng(0).normal(0, 0.3 * sound.std(), len(sound)).astype(np.float32)
    clean, noisy = (DistillMOS().score(pair(x, sound)) for x in (sound, sound + noise))
    assert not isinstance(clean, Unscored) and not isinstance(noisy, Unscored)
    assert 3 < clean["mos"] < 4.5
    assert noisy["mos"] < clean["mos"] - 0.5
