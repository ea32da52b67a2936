"""A folder that is declared 2.0 and sounds like 1.0 is noticed, and a declared setting is held to."""

from pathlib import Path

import pytest

from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.pipeline.nearest_reference import Nearest, nearest, warning
from dubbench.pipeline.pairing import Pairing, Reference
from dubbench.pipeline.plan import _declared
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import ClipRow, DubRow, Manifest, SystemEntry
from dubbench.signal.media import read_audio, write_wav


def test_the_verdict() -> None:
    assert Nearest(24, 20, 2, 1 / 6).suspicious and not Nearest(24, 20, 6, 1 / 6).suspicious
    assert not Nearest(24, 10, 0, 1 / 6).suspicious and not Nearest(5, 5, 0, 1 / 6).suspicious
    said = warning("theirs", "2.0", Nearest(24, 20, 2, 1 / 6))
    assert said.startswith("theirs: declared 2.0, but of 24 dubs 20 sound most like the clip's own recording")
    assert warning("theirs", "2.0", Nearest(24, 3, 20, 1 / 6)) == ""


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

    own, reference = nearest(tmp_path, manifest, dubs(0)), nearest(tmp_path, manifest, dubs(1))
    assert (own.n, own.suspicious, reference.suspicious) == (8, True, False)
    assert own.own >= 7 and reference.reference >= 7 and own.chance == pytest.approx(1 / 6)


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
