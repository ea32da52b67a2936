from pathlib import Path

import numpy as np
import pytest
import soundfile

from dubbench.errors import DubbenchError
from dubbench.request import Dub, DubRequest, Failure
from dubbench.systems.precomputed import Precomputed, stem


def request(clip: str) -> DubRequest:
    return DubRequest(clip, Path("v.mkv"), "text", Path("r.wav"), 1.0, 25.0, 0)


def answer(system: Precomputed, clip: str) -> Dub | Failure:
    return next(iter(system.dub([request(clip)])))


def put(path: Path, rate: int = 16000, value: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(rate, value), rate)


@pytest.mark.parametrize(
    "name", ["s1-abc.wav", "abc.flac", "wav_pred_s1-abc.wav", "wav_pred_abc.ogg", "s1/abc.wav", "s1/s1-abc.WAV"]
)
def test_usual_names_are_found(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, 22050)
    dub = answer(Precomputed(str(tmp_path)), "s1-abc")
    assert isinstance(dub, Dub)
    assert (dub.sample_rate, len(dub.samples)) == (22050, 22050)


def test_a_rule_of_ones_own(tmp_path: Path) -> None:
    put(tmp_path / "out" / "s1" / "step3_abc.v2.wav")
    assert isinstance(answer(Precomputed(str(tmp_path), "out/{speaker}/step3_{name}.v2"), "s1-abc"), Dub)
    assert isinstance(answer(Precomputed(str(tmp_path), "out/{speaker}/step3_{name}.v2.wav"), "s1-abc"), Dub)
    for rule in ("{clip}", "fixed", "{id}{0}"):
        with pytest.raises(DubbenchError, match="name the file with"):
            Precomputed(str(tmp_path), rule)


def test_missing_double_and_broken_files_fail_alone(tmp_path: Path) -> None:
    put(tmp_path / "s1-a.wav")
    put(tmp_path / "s1-b.wav")
    put(tmp_path / "wav_pred_s1-b.wav")
    (tmp_path / "s1-c.wav").write_bytes(b"RIFF")
    (tmp_path / "s1-d.wav").write_bytes(b"")
    system = Precomputed(str(tmp_path))
    assert isinstance(answer(system, "s1-a"), Dub)
    reasons = {}
    for clip in ("s1-b", "s1-c", "s1-d", "s1-e"):
        failure = answer(system, clip)
        assert isinstance(failure, Failure)
        reasons[clip] = failure.reason
    assert "both fit" in reasons["s1-b"]
    assert "not readable" in reasons["s1-c"]
    assert "empty" in reasons["s1-d"]
    assert "no file for the clip" in reasons["s1-e"]
    assert all("\n" not in reason for reason in reasons.values())


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "secret.wav")
    put(tmp_path / "dubs" / "s1-a.wav")
    (tmp_path / "dubs" / "s1-b.wav").symlink_to(tmp_path / "secret.wav")
    system = Precomputed(str(tmp_path / "dubs"))
    assert isinstance(answer(system, "s1-b"), Failure)
    assert isinstance(answer(system, "../secret"), Failure)


def test_no_folder_no_sound(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="no such folder"):
        Precomputed(str(tmp_path / "absent"))
    with pytest.raises(DubbenchError, match="no sound there"):
        Precomputed(str(tmp_path)).find("s1-a")


def test_stem() -> None:
    assert stem("wav_pred_{name}.wav", "s1-a-b") == "wav_pred_a-b"
    assert stem("{speaker}/{id}", "lone") == "lone/lone"
