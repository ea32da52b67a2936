"""StyleDubber's WER against jiwer called as its script calls it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_whisper
from hypothesis import given, settings
from hypothesis import strategies as st
from pairs import voice
from placed_weights import place
from spoken import SENTENCES, say
from test_wer_whisper import PLAIN, Deaf, item

from dubbench.core.clip import Clip
from dubbench.core.metric import Unscored
from dubbench.datasets.grid import sentence
from dubbench.errors import DubbenchError
from dubbench.metrics import wer_legacy
from dubbench.metrics.parts.normalise import styledubber
from dubbench.signal.media import read_audio
from dubbench.weights.catalogue import asset, have
from dubbench.weights.convert import convert

jiwer = pytest.importorskip("jiwer")
torch = pytest.importorskip("torch")
pytest.importorskip("whisper", reason="openai-whisper is not installed")

LINES = st.lists(st.sampled_from(["a", "b", "c", "F2", "x."]), min_size=1, max_size=6).map(" ".join)


@pytest.fixture
def metric(monkeypatch: pytest.MonkeyPatch) -> wer_legacy.LegacyWER:
    monkeypatch.setattr(wer_legacy, "asset_digest", lambda name: "0" * 64)
    return wer_legacy.LegacyWER()


def told(metric: wer_legacy.LegacyWER, transcript: str, script: str) -> Any:
    metric._model = Deaf(transcript)
    return metric.score(item(voice(), script))


@settings(max_examples=60, deadline=None)
@given(LINES, LINES)
def test_the_rate_is_jiwers_with_its_arguments_swapped(script: str, transcript: str) -> None:
    wanted = jiwer.wer(" ".join(styledubber(transcript)), " ".join(styledubber(script)))
    assert wer_legacy.swapped_rate(styledubber(script), styledubber(transcript)) == pytest.approx(wanted)


def test_swapping_deflates_what_is_too_long(metric: wer_legacy.LegacyWER) -> None:
    """2 errors: of 6 words of the script a third, of 7 recognised ones two sevenths."""
    stats = told(metric, "place blue at half nine now please", "place blue at f nine now")
    assert stats["rate"] == pytest.approx(2 / 7)


def test_empty_transcripts_are_dropped_and_counted(metric: wer_legacy.LegacyWER) -> None:
    assert told(metric, "", "a b") == told(metric, " ... ", "a b") == {"empty": 1.0}
    assert told(metric, "a b", "?!") == Unscored("the text has no word")
    assert metric.failed(Clip("c", "d", "s", "a b", Path("x"))) == {"rate": 1.0, "empty": 1.0}
    assert metric.failed(Clip("c", "d", "s", "!", Path("x"))) is None


def test_two_models_are_two_recipes(metric: wer_legacy.LegacyWER) -> None:
    base = wer_legacy.LegacyWERBase()
    assert (metric.info.recipe, base.info.recipe) == (
        "wer/legacy-styledubber/large-v3",
        "wer/legacy-styledubber/base",
    )
    assert set(metric.info.weights) == {"whisper-large-v3"} and set(base.info.weights) == {"whisper-base"}
    assert not metric.profiles
    assert metric.info.settings["decoding_temperature"] == "(0.0, 0.2, 0.4, 0.6, 0.8, 1.0)"


def test_sampling_is_the_same_whatever_came_before() -> None:
    """Noise on speech makes tiny.en doubt and sample; neighbours and torch's own state must not matter."""
    from dubbench.metrics.models.whisper import OpenAIWhisper

    model = OpenAIWhisper(tiny_whisper.openai_state())
    options = {**wer_legacy.OPTIONS, "temperature": (0.0, 1.0), "logprob_threshold": 0.0}  # doubt everything
    sound = say(SENTENCES[2])[0]
    sound = sound + np.random.default_rng(0).normal(0, 0.05, len(sound)).astype(np.float32)
    first = model.text(sound, options)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    model.text(voice(), options)
    assert model.text(sound, options) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert model.text(sound, {**options, "temperature": 0.0}) != first  # so it did sample


def test_from_openais_pickle_to_a_score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file laid out as OpenAI's, converted in its own process, found by its name, loaded and asked."""
    from dubbench.metrics.models.whisper import dimensions

    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path / "assets"))
    state = tiny_whisper.openai_state()
    torch.save({"dims": dimensions(state), "model_state_dict": state}, tmp_path / "base.pt")
    convert("state_dict", tmp_path / "base.pt", tmp_path / "base.safetensors", asset("whisper-base").options)
    place("whisper-base", tmp_path / "base.safetensors")
    metric = wer_legacy.LegacyWERBase()
    metric.load("cpu")
    stats = metric.score(item(say(PLAIN[0])[0], PLAIN[0]))
    assert not isinstance(stats, Unscored)
    assert stats["empty"] == 0 and stats["rate"] <= 0.3


def test_missing_weights_are_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    with pytest.raises(DubbenchError, match="dubbench assets fetch whisper-base"):
        wer_legacy.LegacyWERBase()


@pytest.mark.weights
@pytest.mark.skipif(not have("whisper-base"), reason="dubbench assets fetch whisper-base --convert brings the weights")
def test_ground_truth_of_grid_with_base(shared_data: Path) -> None:
    """Several papers print 22.41 % for GRID's ground truth: of this script, as far as can be told. Here two clips of
    each of twelve speakers at most, whose mean is that uncertain."""
    metric = wer_legacy.LegacyWERBase()
    metric.load("cuda" if torch.cuda.is_available() else "cpu")
    files = [f for folder in sorted((shared_data / "grid").glob("s*")) for f in sorted(folder.glob("*.mpg"))[:2]]
    assert len(files) >= 15
    found = [metric.score(item(read_audio(file), sentence(file.stem) or "")) for file in files]
    rates = [stats["rate"] for stats in found if not isinstance(stats, Unscored) and "rate" in stats]
    assert len(rates) >= 0.9 * len(files)
    assert 100 * np.mean(rates) == pytest.approx(22.41, abs=10)
