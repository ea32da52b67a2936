from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import RATE, Fake, build, fakes, tone

from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.leaderboards import data as page_data
from dubbench.leaderboards import media
from dubbench.leaderboards.board import write_board
from dubbench.leaderboards.data import script_json
from dubbench.leaderboards.examples import choose, examples
from dubbench.leaderboards.failures import failures
from dubbench.leaderboards.reproduce import command
from dubbench.leaderboards.sheet import sheets
from dubbench.pipeline.prepare import content_digest
from dubbench.pipeline.store import ledger, read_run, write_scores
from dubbench.signal.media import mux, read_audio, read_frames

FILES = {"index.html", "table.csv", "paired.csv", "timings.csv", "matrix.csv", "table.md"}


class Page(HTMLParser):
    """Tags, texts and scripts of a page as a browser's parser sees them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.cdata_elem != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def data(self) -> dict[str, Any]:
        (found,) = (text for attrs, text in self.scripts if attrs.get("id") == "data")
        return dict(json.loads(found))


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    return write_board([build(folder / "run", clips=24)], folder / "out").parent


def test_a_board_is_whole_and_needs_nothing_else(board: Path) -> None:
    assert {p.name for p in board.iterdir()} == FILES
    page = Page(board / "index.html")
    for tag, attrs in page.tags:
        for name in ("src", "href", "poster", "action"):
            value = attrs.get(name) or ""
            assert tag == "a" or not value, (tag, value)
            assert not re.match(r"[a-z]+:", value), value
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.source)
    assert str(board.parent) not in page.source  # no path of this machine
    assert "fetch(" not in page.source and "innerHTML" not in page.source


def test_only_our_own_script_may_run(board: Path) -> None:
    page = Page(board / "index.html")
    (policy,) = (a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    (own,) = (text for attrs, text in page.scripts if "type" not in attrs)
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}';" in policy
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_the_page_shows_systems_values_badges_and_failures(board: Path) -> None:
    text = Page(board / "index.html").text
    for part in (
        "grid · test · Setting 2.0",
        "same encoder",
        "precomputed",
        "baseline",
        "39/40 dubs".replace("39/40", "23/24"),
        "MemoryError: could not allocate",
        "nobody speaks in the dub",
        "the published test list; 3 of its clips are absent",
        "Some CPU @ 2.20GHz",
        "--system 'paper wavs=precomputed(\"dubs\")'",
    ):
        assert part in text, part
    assert "dirty code" not in text


def test_data_of_the_scripts_is_what_was_scored(board: Path) -> None:
    data = Page(board / "index.html").data["t1"]
    run = read_run(board.parent / "run")
    assert data["ids"] == [clip.id for clip in run.manifest.clips]
    assert data["systems"][: data["ranking"]] == ["model-a", "model-b", "espeak_lipspan", "paper wavs"]
    column = [c["name"] for c in data["columns"]].index("SECS")
    stats = {(s.system, s.clip): s.stats.get("cosine") for s in run.scores if s.metric == "secs"}
    for s, label in enumerate(data["systems"]):
        for i, clip in enumerate(data["ids"]):
            want = stats[label, clip]
            assert data["values"][column][s][i] == (None if want is None else round(want * 100 * 10))
    assert sorted(data["failed"]) == ["1", "2", "3"]


def test_players_hold_what_was_dubbed(board: Path, tmp_path: Path) -> None:
    data = Page(board / "index.html").data["t1"]
    found = data["examples"]
    assert len(found) == 12 and len({e["clip"] for e in found}) == 12
    assert {e["why"] for e in found} > {"worst WER-grammar", "worst SECS", "drawn by lot"}
    whole = next(e for e in found if len(e["tracks"]) == 8)
    kind, payload = whole["video"].split(",")
    assert kind == "data:video/mp4;base64"
    (tmp_path / "v.mp4").write_bytes(base64.b64decode(payload))
    assert read_frames(tmp_path / "v.mp4").shape == (12, 48, 64, 3)
    with pytest.raises(DubbenchError, match="no audio stream"):
        read_audio(tmp_path / "v.mp4")
    track = whole["tracks"][1]
    (tmp_path / "a.flac").write_bytes(base64.b64decode(track["sound"].split(",")[1]))
    clip = data["ids"][whole["clip"]]
    want = read_audio(board.parent / "run" / "dubs" / track["name"] / f"{clip}.wav")
    assert np.abs(read_audio(tmp_path / "a.flac") - want).max() < 1 / 32000
    assert track["mel"].startswith("data:image/png;base64,iVBOR")
    broken = next(e for e in found if data["ids"][e["clip"]] in {"s2-clip0001", "s1-clip0003"} or e["problems"])
    assert any("MemoryError" in line for line in broken["problems"])


def test_equal_runs_give_equal_boards_but_for_time(tmp_path: Path) -> None:
    outs = []
    for name, speed in (("a", 0.2), ("b", 0.2), ("c", 0.9)):
        run = build(tmp_path / name / "run", clips=6, speed=speed)
        outs.append(write_board([run], tmp_path / name / "out", players=2).parent)
    for file in FILES:
        first, second, slow = ((out / file).read_bytes() for out in outs)
        assert first == second, file
        assert (first == slow) == (file not in ("timings.csv", "index.html")), file


def test_media_that_is_heavy_lies_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = build(tmp_path / "run", clips=4)
    monkeypatch.setattr(page_data, "INLINE", 1000)
    out = write_board([run], tmp_path / "out").parent
    data = Page(out / "index.html").data["t1"]
    named = {t[k] for e in data["examples"] for t in e["tracks"] for k in ("sound", "mel")}
    named |= {e["video"] for e in data["examples"]}
    assert all((out / name).is_file() for name in named)
    (out / "media" / "mine.txt").write_text("kept")
    write_board([run], out, players=0)
    assert [p.name for p in (out / "media").iterdir()] == ["mine.txt"]  # stale media go, a stranger's file stays


EVIL = '</script><script>alert("x")</script><img src=x onerror=alert(1)>\u2028&amp;'


def test_nothing_from_outside_becomes_markup(tmp_path: Path) -> None:
    every = fakes()
    info = SystemInfo(name="evil", summary=EVIL, paper=EVIL, licence=EVIL, settings={"a": EVIL}, trained_on=(EVIL,))
    systems = {EVIL: Fake(info, EVIL, fails=(1,)), "model-b": every["model-b"], "ground_truth": every["ground_truth"]}
    run = build(tmp_path / "run", clips=6, systems=systems, text=lambda i: f"{EVIL} {i}")
    rows = [d.model_copy(update={"reason": EVIL}) if d.reason else d for d in run.dubs]
    manifest = run.manifest.model_copy(
        update={
            "notes": (EVIL,),
            "code": {"dubbench": EVIL, "commit": EVIL, "dirty": "yes"},
            "hardware": {"cpu": EVIL},
            "dataset": EVIL,
        }
    )
    run = run.model_copy(update={"dubs": tuple(rows), "manifest": manifest})
    page = Page(write_board([run], tmp_path / "out"))
    assert [attrs.get("type") for attrs, _ in page.scripts] == ["application/json", None]
    assert not any(tag == "img" for tag, _ in page.tags)
    assert "alert(1)" in page.text  # it is there, as text
    assert page.data["t1"]["texts"][0].startswith(EVIL)
    assert EVIL in page.data["t1"]["systems"]
    assert "dirty code" in page.text
    raw = page.source.split('id="data">')[1].split("</script>")[0]
    assert "<" not in raw and "\u2028" not in raw


def test_script_json_survives_a_parser() -> None:
    value = {"a</b>": ["<!--", "]]>", "\u2028\u2029", 'q"\\', None, 1.5, "é"]}
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_runs_of_other_pairings_are_not_ranked_together(tmp_path: Path) -> None:
    every = fakes()
    one = build(tmp_path / "a", clips=6, systems={"model-a": every["model-a"]}, media=False)
    two = build(tmp_path / "b", clips=6, systems={"model-b": every["model-b"]}, pairing="other", media=False)
    out = write_board([one, two], tmp_path / "out", players=0).parent
    page = Page(out / "index.html")
    assert "are not ranked together: pairing differs:" in page.text
    assert one.manifest.pairing_digest in page.text and two.manifest.pairing_digest in page.text
    sections = [a for t, a in page.tags if t == "section" and a.get("class") == "sheet"]
    assert [a["id"] for a in sections] == ["t1", "t2"] and "hidden" in sections[1]
    assert [a["data-tab"] for t, a in page.tags if "data-tab" in a] == ["t1", "t2"]
    assert page.data["t1"]["systems"] == ["model-a"] and page.data["t2"]["systems"] == ["model-b"]
    text = (out / "table.md").read_text()
    assert "pairing differs" in text and text.count("## grid") == 2
    classes = {row["class"] for row in csv.DictReader((out / "table.csv").read_text().splitlines())}
    assert classes == {one.manifest.comparability, two.manifest.comparability}


def test_a_column_that_fails_its_word_is_not_shown(tmp_path: Path) -> None:
    systems = fakes()
    systems["noise"].mos = 3.1
    run = build(tmp_path / "run", systems=systems, media=False)
    out = write_board([run], tmp_path / "out", players=0).parent
    page = Page(out / "index.html")
    assert "1 column fails its own declaration and is not shown" in page.text
    assert "noise was declared worse" in page.text
    assert "DNSMOS" not in [c["name"] for c in page.data["t1"]["columns"]]
    heads = [a.get("data-tip") or "" for t, a in page.tags if t == "button" and a.get("class") == "sort"]
    assert any("f0/world-dio" in tip for tip in heads) and not any("dnsmos/p808" in tip for tip in heads)
    text = (out / "table.md").read_text()
    assert "**DNSMOS is not shown" in text
    assert not any(line.startswith("| system") and "DNSMOS" in line for line in text.splitlines())
    assert ",DNSMOS," not in (out / "table.csv").read_text()
    assert ",WER-grammar," in (out / "table.csv").read_text()
    assert "DNSMOS," not in (out / "paired.csv").read_text()
    assert "dnsmos,DNSMOS,noise,noise,worse,fails," in (out / "matrix.csv").read_text()
    assert "dnsmos,DNSMOS,noise,noise,worse,fails" in (out / "matrix.csv").read_text()


def test_failures_are_grouped_and_none_is_lost(tmp_path: Path) -> None:
    systems = fakes()
    systems["model-a"].unscored = {"f0": [0, 4]}
    run = build(tmp_path, media=False)
    run = build(tmp_path / "again", systems=systems, media=False)
    (sheet,) = sheets([run])
    groups = failures(sheet)
    assert sum(g["count"] for g in groups if g["stage"] == "dub") == 3
    unscored = sum(bool(s.reason) for s in run.scores)
    assert sum(g["count"] for g in groups if g["stage"] == "score") == unscored > 0
    voiced = next(g for g in groups if "no voiced frame" in g["reason"])
    assert (voiced["what"], voiced["systems"], voiced["count"]) == ("f0", [("model-a", 2)], 2)
    memory = next(g for g in groups if g["stage"] == "dub")
    assert dict(memory["systems"]) == {"espeak_lipspan": 1, "paper wavs": 2}  # 101, 102, 103 MB are one reason


def test_a_run_cut_short_says_so(tmp_path: Path) -> None:
    run = build(tmp_path, clips=6, media=False)
    write_scores(tmp_path, run.manifest, run.scores[2:])
    run = read_run(tmp_path).model_copy(update={"dubs": run.dubs[1:]})
    groups = failures(sheets([run])[0])
    assert sum(g["count"] for g in groups if "was interrupted" in g["reason"]) == 3
    assert "5/6 dubs" in Page(write_board([run], tmp_path / "out", players=0)).text


def test_a_ledger_cannot_lead_out_of_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = build(tmp_path / "run", clips=2)
    secret = tmp_path / "secret.wav"
    secret.write_bytes((tmp_path / "run" / run.dubs[0].path).read_bytes())
    ledger(tmp_path / "run").append([run.dubs[0].model_copy(update={"path": "../secret.wav"})])
    (sheet,) = sheets([read_run(tmp_path / "run")])
    assert "the path of a dub lies in dubs/" in capsys.readouterr().err
    found = list(examples(sheet, choose(sheet, sheet.measures)))
    assert found and not any("secret" in line for e in found for line in e.problems)
    assert not any("secret" in row.path for row in sheet.dubs.values())


def test_files_that_are_gone_cost_the_player_alone(tmp_path: Path) -> None:
    run = build(tmp_path / "run", clips=3)
    (tmp_path / "run" / "video.mp4").unlink()
    data = Page(write_board([run], tmp_path / "out")).data["t1"]
    assert all(e["video"] == "" and "video.mp4: no such file" in e["problems"][0] for e in data["examples"])
    assert all(e["tracks"] for e in data["examples"])
    assert str(tmp_path) not in (tmp_path / "out" / "index.html").read_text()


def test_no_runs_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="at least one run folder"):
        write_board([], tmp_path)


def test_the_command_can_be_typed_again(tmp_path: Path) -> None:
    run = build(tmp_path, media=False)
    manifest = run.manifest.model_copy(update={"split": "test[40]"})
    words = shlex.split(command(sheets([run.model_copy(update={"manifest": manifest})])[0], 0))
    assert words[:2] == ["dubbench", "run"]
    assert words[words.index("--limit") + 1] == "40" and words[words.index("--split") + 1] == "test"
    systems = [words[i + 1] for i, word in enumerate(words) if word == "--system"]
    assert systems[:4] == ["model-a", "model-b=model-b(nfe=16)", "espeak_lipspan", 'paper wavs=precomputed("dubs")']
    assert "delay(ms = 100)" in systems  # the label is the spec itself


def test_the_command_keeps_what_was_chosen(tmp_path: Path) -> None:
    run = build(tmp_path, media=False)
    told = {
        "split": "list:s[1]@0123456789ab[7]",
        "setting": "table:theirs",
        "chosen": ("secs", "f0"),
        "files": {"split": "s[1].txt", "pairing": "theirs.csv"},
    }
    manifest = run.manifest.model_copy(update=told)
    words = shlex.split(command(sheets([run.model_copy(update={"manifest": manifest})])[0], 0))
    assert words[words.index("--split") + 1] == "s[1].txt" and words[words.index("--limit") + 1] == "7"
    assert words[words.index("--pairing") + 1] == "theirs.csv" and "--setting" not in words
    assert [words[i + 1] for i, word in enumerate(words) if word == "--metric"] == ["secs", "f0"]


def test_rows_that_are_no_clips_are_told(tmp_path: Path) -> None:
    run = build(tmp_path / "run", clips=4, media=False)
    lost = [(f"clips.csv line {i}", "no text; write <b>it</b>") for i in range(12)]
    manifest = run.manifest.model_copy(update={"rejected": tuple(lost)})
    runs = [run.model_copy(update={"manifest": manifest})] * 2
    page = write_board(runs, tmp_path / "out", players=0)
    text = (tmp_path / "out" / "table.md").read_text()
    assert "**12 rows of the data set could not become clips:** clips.csv line 0: no text; write &lt;b&gt;it" in text
    assert "; and 2 more." in text
    (group,) = (g for g in failures(sheets(runs)[0]) if g["stage"] == "clip")
    assert (group["count"], group["systems"], len(group["clips"])) == (12, [], 12)
    shown = Page(page).text
    assert "no clip" in shown and "clips.csv line 11" in shown and "Rows that are no clips 12" in shown


def test_a_tone_is_where_it_should_be_in_the_spectrum() -> None:
    t = np.arange(RATE) / RATE
    power = media.mel(np.sin(2 * np.pi * 1000 * t).astype(np.float32))
    assert power.shape == (64, 101)
    low, high = (2595 * np.log10(1 + f / 700) for f in (50.0, 8000.0))
    want = (2595 * np.log10(1 + 1000 / 700) - low) / (high - low) * 65 - 1
    assert abs(int(power.sum(1).argmax()) - want) <= 1
    picture = media.picture(power, float(power.max()), 120)
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and picture[16:24] == (120).to_bytes(4, "big") + (64).to_bytes(4, "big")


def test_pitch_of_a_note() -> None:
    pytest.importorskip("pyworld")
    found = np.array(media.pitch(tone(150, 1.0)))
    voiced = found[found > 0]
    assert voiced.size > 50 and 130 < np.median(voiced) < 170
    assert media.pitch(np.zeros(10, np.float32)) == []


def test_without_a_ground_truth_the_videos_own_sound_is_heard(tmp_path: Path) -> None:
    run = build(tmp_path / "run", clips=2, systems={"model-b": fakes()["model-b"]})
    video = tmp_path / "run" / "video.mp4"
    mux(video, tone(140, 0.6), RATE, tmp_path / "spoken.mp4")
    (tmp_path / "spoken.mp4").replace(video)
    rows = [clip.model_copy(update={"digest": content_digest(clip.text, video)}) for clip in run.manifest.clips]
    run = run.model_copy(update={"manifest": run.manifest.model_copy(update={"clips": tuple(rows)})})
    data = Page(write_board([run], tmp_path / "out")).data["t1"]
    for example in data["examples"]:
        assert [t["name"] for t in example["tracks"]] == ["original sound", "model-b"]
        assert example["tracks"][0]["system"] == -1 and example["span"] == pytest.approx(0.6, abs=0.07)


@pytest.mark.parametrize("kinds", [(), ("control",), ("model",)])
@pytest.mark.parametrize("metrics", [(), ("f0",)])
def test_a_board_of_little(tmp_path: Path, kinds: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    systems = {label: fake for label, fake in fakes().items() if fake.info.kind in kinds}
    run = build(tmp_path / "run", clips=1, systems=systems, metrics=metrics)
    page = Page(write_board([run], tmp_path / "out"))
    assert len(page.data["t1"]["systems"]) == len(systems)
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == 1 + len(systems) * len(metrics)


def test_what_could_not_be_run_is_listed(tmp_path: Path) -> None:
    run = build(tmp_path / "run", clips=1, media=False)
    page = write_board([run], tmp_path / "out", players=0, missing=["chem 1.0: <nothing> there"])
    assert "Missing chem 1.0: <nothing> there" in Page(page).text
    assert "**Missing:** chem 1.0: &lt;nothing&gt; there" in (tmp_path / "out" / "table.md").read_text()


def test_a_dirty_run_is_marked_where_it_is_joined_with_a_clean_one(tmp_path: Path) -> None:
    one = build(tmp_path / "a", clips=2, systems={"model-a": fakes()["model-a"]}, media=False)
    two = build(tmp_path / "b", clips=2, systems={"model-b": fakes()["model-b"]}, media=False)
    code = {**two.manifest.code, "dirty": "yes"}
    two = two.model_copy(update={"manifest": two.manifest.model_copy(update={"code": code})})
    (sheet,) = sheets([one, two])
    assert not sheet.dirty("model-a") and sheet.dirty("model-b")
    text = (write_board([one, two], tmp_path / "out", players=0).parent / "table.md").read_text()
    assert re.search(r"\| model-b `dirty code` +\|", text) and re.search(r"\| model-a `conditioned.*` +\|", text)
