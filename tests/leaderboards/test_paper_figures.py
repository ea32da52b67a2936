"""Figures: from real files to files that open, the same bytes again, and bad input in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_run import Fake, build, fakes, tone

from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.leaderboards.paper.build import Slot
from dubbench.leaderboards.paper.figures import attention, mel, numbers, warp
from dubbench.leaderboards.paper.figures.numbers import Timed, front
from dubbench.leaderboards.paper.figures.voices import Heard, Voice, heard
from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.leaderboards.statistics import Estimate
from dubbench.pipeline.store import ClipRow, Run

pytest.importorskip("matplotlib")

STARTS = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}
NAMES = ("$x_1$ & <b>", "系统 \\frac", "plain")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    systems = {"ground_truth": fakes()["ground_truth"]}
    for at, name in enumerate(NAMES):
        info = SystemInfo(name="flow", settings={"nfe": 2**at})
        systems[name] = Fake(info, f"flow(nfe={2**at})", cosine=0.5 + at / 10, mos=2.5 + at / 4)
    return build(tmp_path_factory.mktemp("figures") / "run", clips=8, systems=systems)


@pytest.fixture(scope="module")
def sheet(run: Run) -> Sheet:
    return sheets([run])[0]


def opens(path: Path) -> bool:
    return path.read_bytes().startswith(STARTS[path.suffix]) and path.stat().st_size > 2000


@pytest.mark.parametrize("suffix", list(STARTS))
def test_mel_is_drawn_in_every_format_and_the_same_again(sheet: Sheet, tmp_path: Path, suffix: str) -> None:
    found = heard(sheet, sheet.clips[0].id)
    assert [voice.name for voice in found.dubs] == list(NAMES) and found.problems == ()
    boxes = [mel.parse_box("0.1-0.2"), mel.parse_box("plain=0.1-0.3@200-3000")]
    for name in ("a", "b"):
        mel.draw(found, boxes, tmp_path / f"{name}{suffix}", automatic=True)
    assert opens(tmp_path / f"a{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_svg_holds_no_markup_of_names(sheet: Sheet, tmp_path: Path) -> None:
    mel.draw(heard(sheet, sheet.clips[0].id), [], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert "<b>" not in text and "<script" not in text


def test_the_box_lies_where_the_dub_differs() -> None:
    sound = tone(140, 2.0)
    broken = sound.copy()
    broken[int(1.2 * 16000) : int(1.5 * 16000)] = 0
    box = mel.farthest(Voice("truth", sound), Voice("dub", broken))
    assert box.start <= 1.2 + 0.02 and box.end >= 1.5 - 0.02 and box.system == "dub"


@pytest.mark.parametrize("text", ["", "1-", "a-b", "2-1", "0.1-0.2@300", "0.1-0.2@400-300", "-1-2"])
def test_a_bad_box_is_named(text: str) -> None:
    with pytest.raises(DubbenchError, match="box"):
        mel.parse_box(text)


def test_missing_wavs_are_named_and_the_rest_is_drawn(tmp_path: Path) -> None:
    run = build(tmp_path / "run", clips=6)
    clip = run.manifest.clips[1].id
    (tmp_path / "run" / next(d.path for d in run.dubs if (d.system, d.clip) == ("model-a", clip))).unlink()
    found = heard(sheets([run])[0], clip)
    assert "model-a" not in [v.name for v in found.dubs] and "model-b" in [v.name for v in found.dubs]
    assert any(line.startswith("model-a:") for line in found.problems)
    assert any(line.startswith("paper wavs:") and "MemoryError" in line for line in found.problems)
    mel.draw(found, [], tmp_path / "a.png")
    assert opens(tmp_path / "a.png")


def test_a_ledger_that_leads_out_of_the_run_is_refused(run: Run, tmp_path: Path) -> None:
    dubs = tuple(replace_path(row, "../../../etc/hostname") if row.system == "plain" else row for row in run.dubs)
    found = heard(sheets([run.model_copy(update={"dubs": dubs})])[0], run.manifest.clips[0].id)
    assert any("leads out of the run folder" in line for line in found.problems)


def replace_path(row, path):  # type: ignore[no-untyped-def]
    return row.model_copy(update={"path": path})


def test_unknown_clip_system_column_and_suffix(sheet: Sheet, tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="no clip 'nope'"):
        heard(sheet, "nope")
    with pytest.raises(DubbenchError, match="no system 'nope'"):
        heard(sheet, sheet.clips[0].id, ["nope"])
    with pytest.raises(DubbenchError, match="no column 'UTMOS'"):
        numbers.chosen(Slot(sheet), ["UTMOS"])
    with pytest.raises(DubbenchError, match=r"\.pdf"):
        mel.draw(heard(sheet, sheet.clips[0].id), [], tmp_path / "a.gif")


def spoken(shift: float, name: str) -> Voice:
    """A few syllables that begin ``shift`` seconds late."""
    sound = np.zeros(32000, np.float32)
    for at, hertz in ((0.3, 120), (0.6, 180), (1.0, 140)):
        start = int((at + shift) * 16000)
        sound[start : start + 3200] = tone(hertz, 0.2)
    return Voice(name, sound + 1e-4 * np.random.default_rng(1).standard_normal(32000).astype(np.float32))


def test_the_warping_path_shows_a_delay(tmp_path: Path) -> None:
    clip = ClipRow(id="c", speaker="s", text="t", video=str(tmp_path / "absent.mp4"), duration=2.0, fps=25.0)
    found = Heard(clip, spoken(0, "Ground Truth"), (spoken(0.2, "late"),), ())
    problems = warp.draw(found, tmp_path / "a.svg")
    assert opens(tmp_path / "a.svg") and len(problems) == 1 and "no lips" in problems[0]
    assert "late: median 200 ms off" in (tmp_path / "a.svg").read_text()
    with pytest.raises(DubbenchError, match="no speech in silent"):
        warp.draw(replace(found, dubs=(Voice("silent", np.zeros(32000, np.float32)),)), tmp_path / "b.svg")
    with pytest.raises(DubbenchError, match="needs ground truth and dub"):
        warp.draw(replace(found, dubs=()), tmp_path / "b.svg")


def test_numbers_are_drawn(sheet: Sheet, tmp_path: Path) -> None:
    slot = Slot(sheet)
    measures = numbers.chosen(slot, [])
    numbers.intervals(slot, measures, tmp_path / "i.pdf")
    numbers.by_nfe(slot, measures, tmp_path / "n.pdf")
    numbers.pareto(slot, numbers.chosen(slot, ["DNSMOS"])[0], tmp_path / "p.pdf")
    assert all(opens(tmp_path / f"{name}.pdf") for name in "inp")


def test_the_front_holds_who_is_beaten_by_none() -> None:
    def row(rtf: float, quality: float) -> Timed:
        return Timed("x", Estimate(rtf, None, None, 1), Estimate(quality, None, None, 1))

    rows = [row(0.4, 4.0), row(0.1, 3.0), row(0.2, 2.9), row(0.3, 3.5), row(0.3, 3.4)]
    assert front(rows, up=True) == [1, 3, 0]
    assert front(rows, up=False) == [1, 2]


def test_one_nfe_is_no_figure(tmp_path: Path) -> None:
    slot = Slot(sheets([build(tmp_path / "run", clips=3, media=False)])[0])
    with pytest.raises(DubbenchError, match="two NFE"):
        numbers.by_nfe(slot, numbers.chosen(slot, []), tmp_path / "a.pdf")


def test_few_clips_and_equal_scores_are_drawn_without_intervals(tmp_path: Path) -> None:
    slot = Slot(sheets([build(tmp_path / "run", clips=1, speakers=1, media=False)])[0])
    numbers.intervals(slot, numbers.chosen(slot, []), tmp_path / "a.png")
    assert opens(tmp_path / "a.png")


def test_attention_is_drawn(tmp_path: Path) -> None:
    maps = np.eye(5, dtype=np.float32)
    attention.draw([*"abcd", "$e$"], maps[np.arange(20) % 5], maps[np.arange(64) % 5], tmp_path / "a.pdf")
    assert opens(tmp_path / "a.pdf")


def test_attention_of_a_real_clip(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("mediapipe")
    from dubbench.core.request import DubRequest
    from dubbench.signal.media import read_audio, write_wav
    from dubbench.systems.diflowdubber.attention import attention as maps
    from dubbench.systems.diflowdubber.system import DiFlowDubber

    voice = tmp_path / "voice.wav"
    video = shared_data / "grid" / "s1" / "bbaf3s.mp4"
    write_wav(voice, read_audio(shared_data / "grid" / "s1" / "bbaf4p.mp4"), 16000)
    system = DiFlowDubber(nfe=1)
    request = DubRequest("c", video, "bin blue at f three soon", voice, 3.0, 25.0, 0)
    with pytest.raises(DubbenchError, match=r"load\(\)"):
        maps(system, request)
    system.load("cpu")
    found = maps(system, request)
    assert found.video_text.shape == (75, len(found.phones)) and found.speech_text.shape == (240, len(found.phones))
    assert np.allclose(found.video_text.sum(1), 1, atol=1e-4) and np.allclose(found.speech_text.sum(1), 1, atol=1e-4)
    middle = found.speech_text.argmax(1)
    assert (np.diff(middle) >= 0).mean() > 0.95  # monotonic, as the figure shows it
