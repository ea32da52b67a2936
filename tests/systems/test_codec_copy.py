"""The codec copy: close to the truth, as long as it, and said to be conditioned on the encoder it uses."""

import numpy as np
import pytest

from dubbench.core.request import Dub, DubRequest, Failure, Truth
from dubbench.core.spec import parse_spec
from dubbench.pipeline.components import make_system
from dubbench.signal.media import RATE, write_wav

pytest.importorskip("pyworld")
pytest.importorskip("resemblyzer")


def speech(seconds: float) -> np.ndarray:
    """Vowels on a falling pitch, between pauses."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(140 - 20 * t / seconds) / RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.1 * voice * (np.sin(2 * np.pi * t / seconds * 2) > 0)).astype(np.float32)


def request(tmp_path, truth) -> DubRequest:
    return DubRequest("c", tmp_path / "v.mkv", "text", tmp_path / "r.wav", 1.0, 25.0, 0, truth=truth)


def test_copy_keeps_length_and_pitch(tmp_path):
    from dubbench.metrics.pitch import frame_errors, pitch

    truth = speech(1.003)
    write_wav(tmp_path / "t.wav", truth, RATE)
    made = make_system(parse_spec("codec_copy"))
    assert made.info.kind == "control" and made.info.conditioned_on == ("resemblyzer",)
    assert made.info.weights["codec"] == made.codec.digest
    made.load("cpu")
    [dub] = made.dub([request(tmp_path, Truth(tmp_path / "t.wav"))])
    assert isinstance(dub, Dub) and dub.samples.shape == truth.shape
    errors = frame_errors(pitch(truth), pitch(dub.samples))
    assert (errors.gross + errors.voicing_errors) / errors.frames < 0.15
    assert not np.array_equal(dub.samples, truth)


def test_no_truth_is_a_failure(tmp_path):
    [answer] = make_system(parse_spec("codec_copy")).dub([request(tmp_path, None)])
    assert isinstance(answer, Failure) and "no ground-truth" in answer.reason
