"""The checkpoint that ships: it loads from the package, keeps its promises about itself, and says what it is given."""

import json

import numpy as np
import pytest

from dubbench.core.request import Dub
from dubbench.systems.diflowdubber.codecs import CODEC_FILE, WEIGHTS, open_codec
from dubbench.systems.diflowdubber.system import DiFlowDubber
from dubbench.training import checkpoint

pytest.importorskip("mediapipe")
pytest.importorskip("espeakng_loader")
LIMIT = 20_000_000


def test_it_is_small_and_says_where_it_comes_from():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < LIMIT
    meta = checkpoint.read_meta(WEIGHTS)
    assert meta["stage"] == "dub" and meta["config"]["name"] == "small"
    assert meta["codec"]["digest"] == open_codec("world").digest
    assert {row["dataset"] for row in meta["features"]} == {"grid", "toon"}
    assert (
        json.loads((WEIGHTS / CODEC_FILE).with_suffix(".json").read_text("utf-8"))["digest"] == meta["codec"]["digest"]
    )
    assert "CC BY 4.0" in (WEIGHTS / "README.md").read_text("utf-8")
    info = DiFlowDubber().info
    assert info.trained_on == ("grid", "toon") and info.conditioned_on == ("resemblyzer",)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two clips of one voice of the embedded corpus's test list."""
    from dubbench.datasets.toon import corpus
    from dubbench.datasets.toon.script import script

    lines = [line for line in script() if line.split == "test"]
    root = tmp_path_factory.mktemp("shipped") / "toon"
    corpus.make_corpus(root, workers=1, lines=[line for line in lines if line.speaker.id == lines[0].speaker.id][:2])
    return corpus.clips(root)


def test_it_dubs_clips_that_it_never_saw(pair, tmp_path):
    from dubbench.core.request import DubRequest
    from dubbench.metrics.align import alignment_error, speech
    from dubbench.metrics.wer import count_errors, grid_words, recognise
    from dubbench.signal.media import read_audio, silent_copy

    assert not {clip.id for clip in pair} & set(checkpoint.read_meta(WEIGHTS)["held_out"])
    system = DiFlowDubber(nfe=8)
    system.load("cpu")
    for clip, other in (pair, pair[::-1]):
        silent = tmp_path / f"{clip.id}.mkv"
        silent_copy(clip.video, silent)
        truth = read_audio(clip.audio)
        request = DubRequest(clip.id, silent, clip.text, other.audio, len(truth) / 16000, 25.0, 3)
        [dub] = system.dub([request])
        [again] = system.dub([request])
        assert isinstance(dub, Dub), dub
        assert np.array_equal(dub.samples, again.samples) and len(dub.samples) == len(truth)
        heard, spoken = speech(truth), speech(dub.samples)
        assert heard is not None and spoken is not None
        # 40 ms is a frame of video. What does not follow the lips is off by 90 ms and more.
        assert alignment_error(heard, spoken) < 0.06
        words = grid_words(clip.text)
        if words is not None:
            assert count_errors(words, recognise(dub.samples)).errors <= 2
