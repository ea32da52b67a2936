"""A folder that is declared 2.0 and sounds like 1.0 is noticed, and a declared setting is held to."""

from pathlib import Path

import numpy as np
import pytest

from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.pipeline.nearest_reference import Traces, chance, traces, warning
from dubbench.pipeline.pairing import Pairing, Reference
from dubbench.pipeline.plan import _declared
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, SystemEntry
from dubbench.signal.media import read_audio, write_wav


def test_the_verdict() -> None:
    assert Traces(20, 0.53, 0.001).suspicious and not Traces(20, 0.01, 0.001).suspicious
    assert not Traces(20, 0.53, 0.3).suspicious and not Traces(7, 0.53, 0.001).suspicious
    assert warning("theirs", "2.0", Traces(20, 0.53, 0.001)).startswith("theirs: declared 2.0, but in 20 of its dubs")
    assert warning("theirs", "2.0", Traces(20, 0.01, 0.001)) == ""


def test_chance_is_uniform_without_a_trace_and_small_with_one() -> None:
    rng = np.random.default_rng(3)
    without = [chance([rng.standard_normal((8, 8)) + 3 * rng.standard_normal(8)]) for _ in range(60)]
    assert 0.35 < np.mean(without) < 0.65
    assert chance([rng.standard_normal((8, 8)) + 3 * np.eye(8) for _ in range(3)]) < 0.001


def test_own_recordings_are_noticed(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("resemblyzer")
    videos = sorted((shared_data / "grid" / "s1").glob("*.mp4"))[:8]
    rows = []
    for number, video in enumerate(videos):
        write_wav(sound_file(tmp_path / "work", f"d{number}"), read_audio(video), 16000)
        rows.append(
            ClipRow(
                id=f"s1-{video.stem}",
                speaker="s1",
                text="t",
                video="",
                digest=f"d{number}",
                reference_digest=f"d{(number + 1) % len(videos)}",
            )
        )
    told = {"dataset": "grid", "root": "", "split": "s", "setting": "2.0", "pairing_digest": "", "data_digest": ""}
    manifest = Manifest(**told, seed=0, profile="p", clips=tuple(rows), systems={}, metrics={})

    def dubs(shift: int) -> list[DubRow]:
        made = []
        for number, row in enumerate(rows):
            source = sound_file(tmp_path / "work", f"d{(number + shift) % len(rows)}")
            path = f"dubs/{shift}-{row.id}.wav"
            write_wav(tmp_path / path, 0.5 * read_audio(source)[:40000], 16000)
            made.append(DubRow(system="x", clip=row.id, key="", path=path))
        return made

    own, reference = traces(tmp_path, manifest, dubs(0)), traces(tmp_path, manifest, dubs(1))
    assert (own.n, reference.n) == (8, 8)
    assert own.suspicious and own.own < 0.01 < 0.2 < own.reference
    assert not reference.suspicious and reference.reference < 0.01


@pytest.mark.parametrize(
    ("declared", "run", "expected"),
    [
        ("1.0", "1.0", ""),
        ("2.0", "2.0", "references of its authors' choice"),
        ("2.0", "table:theirs", ""),
        ("", "2.0", ""),
        ("2.0", "1.0", None),
        ("1.0", "2.0", None),
        ("1.0", "table:theirs", None),
        ("2.0", "3.0", None),
    ],
)
def test_a_declared_setting(declared: str, run: str, expected: str | None) -> None:
    settings: dict[str, str | int | float | bool] = {"setting": declared} if declared else {}
    info = SystemInfo(name="precomputed", kind="precomputed", settings=settings)
    entry = SystemEntry(spec="precomputed(x)", info=info, digest="")
    pairing = Pairing(run, {"a": Reference(clip="b")})
    if expected is None:
        with pytest.raises(DubbenchError, match=f"x was made under Setting {declared}, and this run is {run}"):
            _declared("x", entry, pairing)
    else:
        assert expected in _declared("x", entry, pairing) and bool(expected) == bool(_declared("x", entry, pairing))
