import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from fake_run import RATE, tone
from listening_run import listening_sheet, small_test

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening import stimuli
from dubbench.leaderboards.listening.crowd import write_crowd
from dubbench.leaderboards.listening.export import PRESETS, Wishes, export
from dubbench.leaderboards.listening.key import Asked, read_key
from dubbench.leaderboards.listening.page import write_page
from dubbench.signal.media import read_audio_native

pytest.importorskip("pyloudnorm")


def _bytes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_gives_the_same_bytes_and_hides_names(tmp_path: Path) -> None:
    sheet = listening_sheet(tmp_path / "run")
    key = small_test(sheet, tmp_path / "a", "mos-s", "ab")
    small_test(sheet, tmp_path / "b", "mos-s", "ab")
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")
    assert key == read_key(tmp_path / "a")
    seen = b"".join(path.read_bytes() for path in (tmp_path / "a/page").rglob("*") if path.is_file())
    for secret in (b"model-a", b"model-b", b"ground_truth", b"@noise", str(tmp_path).encode()):
        assert secret not in seen, secret
    data = (tmp_path / "a/page/index.html").read_text().split('id="data">')[1].split("</script>")[0]
    assert "catch" not in data and "repeat" not in data and "expected" not in data
    names = [path.name for path in (tmp_path / "a/page/media").iterdir()]
    assert all(re.fullmatch(r"[0-9a-f]{16}\.(mp4|flac)", name) for name in names)
    assert {page.kind for block in key.blocks for page in block} == {"rated", "catch", "repeat"}
    other = small_test(sheet, tmp_path / "c", "mos-s", "ab", seed=1)
    assert other.export != key.export and not set(names) & {p.name for p in (tmp_path / "c/page/media").iterdir()}


def test_all_sounds_have_one_rate_and_one_loudness(tmp_path: Path) -> None:
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "mos-s")
    for path in (tmp_path / "test/page/media").iterdir():
        samples, rate = read_audio_native(path)
        assert rate == stimuli.RATE
        assert path.name in key.levels or stimuli.level(samples, rate).lufs == pytest.approx(key.lufs, abs=1.0)


def test_gain_never_clips_and_leaves_silence_alone() -> None:
    loud = stimuli.level(tone(150, 1.0), RATE)
    quiet = stimuli.level(tone(150, 1.0) / 10, RATE)
    assert loud.lufs - quiet.lufs == pytest.approx(20, abs=0.1)
    assert stimuli.common_target([loud, quiet], -23) == -23
    click = stimuli.Level(-40.0, 0.9)
    target = stimuli.common_target([loud, click], -23)
    assert target == stimuli.FLOOR
    assert stimuli.gain(click, target) * click.peak <= stimuli.PEAK
    silence = stimuli.level(np.zeros(RATE, np.float32), RATE)
    assert stimuli.gain(silence, -23) == 1.0


def test_controls_are_hidden_anchors_and_the_truth_is_there(tmp_path: Path) -> None:
    sheet = listening_sheet(tmp_path / "run")
    key = export(sheet, Wishes((Asked(name="mos-sync"),), listeners=2, pages=8, clips=6), tmp_path / "test")
    assert key.truth == "ground_truth" and key.systems["ground_truth"] == "control"
    assert "delay(ms=100)" in key.systems and "noise" not in key.systems
    assert any("have no dub" in note for note in key.notes) or set(key.systems) >= {"paper wavs", "espeak_lipspan"}
    catch = next(page for block in key.blocks for page in block if page.kind == "catch")
    assert catch.systems == ("@turned",) and catch.expected == {"sync": (1.0, 2.0)}


def test_the_papers_preset() -> None:
    wishes = PRESETS["paper"]
    assert (wishes.listeners, wishes.pages, wishes.tests[0].name, wishes.tests[0].step) == (20, 30, "mos-s", 0.5)
    assert [value for value, _ in wishes.tests[0].protocol.questions[0].choices] == [1 + i / 2 for i in range(9)]


def test_comparisons_balance_their_sides(tmp_path: Path) -> None:
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "cmos", listeners=4)
    assert key.tests[0].against == "ground_truth"
    first = [page.systems[0] for block in key.blocks for page in block if page.kind == "rated"]
    assert 0.4 < first.count("ground_truth") / len(first) < 0.6


def test_markup_in_titles_and_texts_stays_text(tmp_path: Path) -> None:
    sheet = listening_sheet(tmp_path / "run")
    title = "</script><script>alert(1)</script>"
    key = small_test(sheet, tmp_path / "test", "ab", title=title)
    marked = tuple(tuple(p.model_copy(update={"text": "</script><b>x"}) for p in block) for block in key.blocks)
    key = key.model_copy(update={"blocks": marked})
    text = write_page(tmp_path / "test/page", key).read_text()
    assert text.count("</script>") == 2 and "<b>x" not in text and "<script>alert" not in text


def test_wrong_wishes_say_what_there_is(tmp_path: Path) -> None:
    sheet = listening_sheet(tmp_path / "run", clips=5)
    with pytest.raises(DubbenchError, match="no system 'nobody'"):
        small_test(sheet, tmp_path / "t", "mos-n", systems=("nobody",))
    with pytest.raises(DubbenchError, match="add another"):
        small_test(sheet, tmp_path / "t", "ab", systems=("model-a",))
    with pytest.raises(DubbenchError, match="give --against"):
        export(sheet, Wishes((Asked(name="cmos", against="x"),)), tmp_path / "t")
    with pytest.raises(DubbenchError, match=re.escape("no key.json")):
        read_key(tmp_path)
    (tmp_path / "key.json").write_text(json.dumps({"format": "x"}))
    with pytest.raises(DubbenchError, match="not the key"):
        read_key(tmp_path)


def test_crowd_rows_send_workers_to_blocks(tmp_path: Path) -> None:
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "mos-n", listeners=3)
    rows = write_crowd(tmp_path, key, "https://host/t/?x=1").read_text().splitlines()
    assert rows[1].startswith("1,https://host/t/?x=1&block=1,") and len(rows) == 4
