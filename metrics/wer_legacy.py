"""WER of the dubbing papers' scripts: StyleDubber's, which later papers share or copy numbers from.

``Dub_Metric/WER_Whisper/Setting_test.py`` of its repository: ``whisper.transcribe`` with all defaults (language
guessed, text of the window before as a prompt, sampling at rising temperatures where a result looks bad), its own
normaliser, ``jiwer.wer(transcript, script)`` with the two the wrong way round, so that errors are divided by the
*recognised* words, and the mean over clips. Clips in which nothing is recognised are dropped. So a dub that babbles is
let off (many words to divide by), and one that is cut off is charged too much or, if silent, not at all:
``WER-empty`` beside it says how many were dropped.

``wer-legacy`` has large-v3, as that script does for V2C and Chem; ``wer-legacy-base`` has base, as it does for GRID
(where the ground truth's 22.41 % of several papers comes from). These numbers are for comparison with printed ones;
they are not comparable with ``wer``.

Two things differ, so that numbers can be made again: the sampling is seeded for every clip, and the arithmetic is
float32 on a GPU too. A dub that could not be made at all counts as 100 %, as in every WER here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from dubbench.core.clip import Clip
from dubbench.core.metric import Item, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import require
from dubbench.metrics.parts.normalise import styledubber, styledubber_settings
from dubbench.metrics.wer import count_errors, percent_column
from dubbench.metrics.wer_whisper import EMPTY, RATE, as_settings, open_openai
from dubbench.runtime.provenance import versions
from dubbench.weights.catalogue import asset_digest

OPTIONS: dict[str, Any] = {
    "language": None,
    "task": "transcribe",
    "temperature": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "condition_on_previous_text": True,
    "without_timestamps": False,
    "no_speech_threshold": 0.6,
    "logprob_threshold": -1.0,
    "compression_ratio_threshold": 2.4,
}
"""The defaults of ``whisper.transcribe``."""


def swapped_rate(script: Sequence[str], transcript: Sequence[str]) -> float:
    """Word errors over recognised words; both with at least one word."""
    return count_errors(transcript, script).errors / len(transcript)


class LegacyWER(MetricBase):
    """StyleDubber's script with Whisper large-v3."""

    model = "large-v3"
    profiles: ClassVar[frozenset[str]] = frozenset()
    assets: ClassVar[tuple[str, ...]] = ("whisper-large-v3",)
    name = "wer-legacy"
    columns = (
        percent_column("WER", Mean(value="rate"), {"another_clip": "worse", "shuffled": "worse"}),
        EMPTY,
    )

    def __init__(self) -> None:
        self.info = MetricInfo(
            name=self.name,
            recipe=f"wer/legacy-styledubber/{self.model}",
            settings={
                **versions("openai-whisper", "tiktoken", "torch", "numpy", extra="whisper"),
                **versions("jiwer"),
                **styledubber_settings(),
                **{f"decoding_{key}": value for key, value in as_settings(OPTIONS).items()},
                "precision": "float32",
                "seed": "0 for each clip",
                "rate": RATE,
                "samples": "rounded to 16 bits",
                "divided_by": "recognised words",
                "aggregation": "macro",
                "empty_hypothesis": "dropped",
                "failed_dub": "100 %",
            },
            weights={self.assets[0]: asset_digest(self.assets[0])},
            needs=frozenset({"text"}),
            summary=f"Word error rate as StyleDubber's script has it, through Whisper {self.model}",
            source="Cong et al., ACL Findings 2024: Dub_Metric/WER_Whisper/Setting_test.py",
            licence="MIT (Whisper and its weights)",
        )

    def load(self, device: str) -> None:
        """Load the model onto ``device``."""
        require("jiwer", "metrics", "WER")
        self._model = open_openai(self.assets[0], device)

    def score(self, item: Item) -> Stats | Unscored:
        """``rate``, lacking where nothing is recognised, and ``empty``. Unscored where the text has no word."""
        script = styledubber(item.clip.text)
        if not script:
            return Unscored("the text has no word")
        self.ready()
        transcript = styledubber(self._model.text(item.dub.at(RATE), OPTIONS))
        if not transcript:
            return {"empty": 1.0}
        return {"rate": swapped_rate(script, transcript), "empty": 0.0}

    def failed(self, clip: Clip) -> Stats | None:
        """100 %; None where the text has no word."""
        return {"rate": 1.0, "empty": 1.0} if styledubber(clip.text) else None


class LegacyWERBase(LegacyWER):
    """StyleDubber's script with Whisper base, as it is used on GRID."""

    model = "base"
    assets: ClassVar[tuple[str, ...]] = ("whisper-base",)
    name = "wer-legacy-base"
