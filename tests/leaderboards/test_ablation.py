"""Effects, the paper's signs, tables and pages of an ablation; the order of its work."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fake_run import Fake, build

from dubbench.core.ablation import Published, Row, Step
from dubbench.core.spec import Spec
from dubbench.core.system import SystemInfo
from dubbench.errors import DubbenchError
from dubbench.leaderboards.ablation import work as working
from dubbench.leaderboards.ablation.effects import against, effects
from dubbench.leaderboards.ablation.latex import tex
from dubbench.leaderboards.ablation.vary import Vary
from dubbench.leaderboards.ablation.work import Bench, label, plan, same_as_before, work
from dubbench.leaderboards.ablation.write import ablation_content, write
from dubbench.leaderboards.sheet import sheets
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.store import Run

ROWS = (Row("full", "Ours"), Row("no-sync", "w/o L_VT", "Synchronizer"), Row("no-voice", "w/o <b>voice</b>", "Voice"))
PUBLISHED = Published(
    source="Table 3",
    columns={"WER": "down", "SECS": "up", "UTMOS": "up"},
    rows={
        "full": {"WER": 9.0, "SECS": 84.0, "UTMOS": 4.0},
        "no-sync": {"WER": 12.0, "SECS": 84.0, "UTMOS": 4.1},
        "no-voice": {"WER": 8.0, "SECS": 79.0, "UTMOS": 3.9},
    },
    stand_ins={"WER": ("WER-grammar",)},
)


class Made:
    """A recipe whose trainings are noted."""

    title, rows, published, options, notes = "Made up", ROWS, PUBLISHED, {"size": "tiny"}, ("A note.",)

    def __init__(self) -> None:
        self.did: list[str] = []

    def steps(self) -> Sequence[Step]:
        def step(name: str, seed: int | None) -> Step:
            return Step(name, seed, lambda: name in self.did, lambda: self.did.append(name), lambda: 7.0)

        return [step("shared", None), *(step(f"{row.name} {seed}", seed) for row in ROWS for seed in (0, 1))]

    def spec(self, row: Row, seed: int) -> Spec:
        return Spec("silence")


def seed_run(folder: Path, seed: int, voice: float = 0.6) -> Run:
    def fake(errors: float, cosine: float) -> Fake:
        return Fake(SystemInfo(name="made"), "made", errors, cosine, 0.12, 14.0, 3.0)

    made = {"full": fake(0.1, 0.86), "no-sync": fake(0.3, 0.86), "no-voice": fake(0.1, voice)}
    systems = {label(row, seed): made[row.name] for row in ROWS}
    return build(folder, clips=30, speakers=1, systems=systems, seed=seed, media=False)


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [seed_run(tmp_path / f"run-seed-{seed}", seed).path for seed in (0, 1)]


def test_effects_are_paired_over_clips_and_beside_the_seeds(runs: list[Path]) -> None:
    from dubbench.pipeline.store import read_run

    sheet = sheets([read_run(run) for run in runs])[0]
    found = effects(sheet, ROWS, (0, 1), headline=True)
    assert {column for _, column in found} == {"WER-grammar", "SECS", "FFE", "align-ms", "DNSMOS"}
    voice = found["no-voice", "SECS"]
    assert voice.verdict == "worse" and voice.change.value == pytest.approx(-26, abs=4) and voice.change.n == 30
    by_seed = [e.value for e in voice.by_seed]
    assert voice.change.value == pytest.approx(np.mean(by_seed))
    assert voice.spread == pytest.approx(np.std(by_seed, ddof=1))
    assert voice.mean == pytest.approx(np.mean([e.value for e in voice.value]))
    assert found["no-sync", "WER-grammar"].verdict == "worse"
    assert found["no-sync", "FFE"].verdict == "not told apart" == found["full", "SECS"].verdict
    one = effects(sheet, ROWS, (0,), headline=True)["no-voice", "SECS"]
    assert one.spread is None and one.change == one.by_seed[0]


def test_seeds_that_disagree_are_not_told_apart(tmp_path: Path) -> None:
    both = [seed_run(tmp_path / str(seed), seed, voice) for seed, voice in ((0, 0.3), (1, 0.9))]
    found = effects(sheets(both)[0], ROWS, (0, 1))["no-voice", "SECS"]
    assert found.change.apart and found.verdict == "not told apart"


def test_the_papers_signs_are_held_against_ours(runs: list[Path]) -> None:
    from dubbench.pipeline.store import read_run

    found = effects(sheets([read_run(run) for run in runs])[0], ROWS, (0, 1), headline=True)
    held = {(h.row.name, h.column): h for h in against(PUBLISHED, ROWS, found)}
    assert held["no-sync", "WER"].agreement == "agrees" and held["no-sync", "WER"].ours == "WER-grammar"
    assert held["no-sync", "SECS"].agreement == "no difference printed"
    assert held["no-voice", "WER"].printed == "better" and held["no-voice", "WER"].agreement == "cannot be told"
    assert held["no-voice", "SECS"].agreement == "agrees"
    assert held["no-voice", "UTMOS"].ours == "" and held["no-voice", "UTMOS"].agreement == "cannot be told"
    other = Published("x", {"SECS": "up"}, {"full": {"SECS": 80.0}, "no-voice": {"SECS": 85.0}})
    assert against(other, ROWS, found)[0].agreement == "contradicts"


def test_everything_is_written_and_escaped(runs: list[Path], tmp_path: Path) -> None:
    content = ablation_content(Made(), (0, 1), (0, 1, 2), runs, "dubbench ablate")
    page = write(content, tmp_path / "table", tmp_path / "docs" / "ablation.md")
    html = page.read_text("utf-8")
    assert "<b>voice" not in html and "&lt;b&gt;voice" in html and "2 of 3 seeds are done" in html
    assert html.count("<svg") == 1 and "Ours" in html
    rows = list(csv.DictReader((tmp_path / "table" / "ablation.csv").open(encoding="utf-8")))
    voice = next(r for r in rows if (r["row"], r["column"]) == ("no-voice", "SECS"))
    assert voice["verdict"] == "worse" and voice["n"] == "30" and len(voice["seed_changes"].split(";")) == 2
    record = json.loads((tmp_path / "table" / "ablation.json").read_text("utf-8"))
    assert record["seeds"] == [0, 1] and {h["agreement"] for h in record["against"]} >= {"agrees", "cannot be told"}
    text = (tmp_path / "docs" / "ablation.md").read_text("utf-8")
    assert "(ablation/ablation.svg)" in text and (tmp_path / "docs" / "ablation" / "ablation.svg").is_file()
    assert "▼" in text and "WER-grammar stands for WER" in text and "not corrected for 10 comparisons" in text
    latex = (tmp_path / "table" / "ablation.tex").read_text("utf-8")
    assert r"w/o $\mathcal{L}_{\mathrm{VT}}$" in latex and latex.count(r"\label") == len(content.tables)
    assert latex.count(r"\toprule") == len(content.tables) + 1  # the differences do not fit one line
    again = write(content, tmp_path / "again")
    assert again.read_bytes().replace(b"../", b"") == page.read_bytes().replace(b"../", b"")


def test_latex_keeps_special_characters() -> None:
    assert tex("a_b & 5 % of $x ^ ~ \\ {") == (
        r"a\_b \& 5 \% of \$x \textasciicircum{} \textasciitilde{} \textbackslash{} \{"
    )


def test_work_goes_seed_by_seed_and_is_not_done_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, order = Made(), []
    monkeypatch.setattr(
        working,
        "run_seed",
        lambda recipe, seed, bench, truth: order.append((seed, truth, list(recipe.did))) or Counter(lost=1),
    )
    bench = Bench(Cell("toon"), {}, tmp_path, Resources())
    done: list[Sequence[int]] = []
    assert work(recipe, (0, 1), bench, done.append) == {"lost": 2}
    assert recipe.did == ["shared", "full 0", "no-sync 0", "no-voice 0", "full 1", "no-sync 1", "no-voice 1"]
    assert [(seed, truth, len(did)) for seed, truth, did in order] == [(0, True, 4), (1, False, 7)]
    assert [tuple(d) for d in done] == [(0,), (0, 1)]
    work(recipe, (0, 1), bench)
    assert len(recipe.did) == 7
    lines = plan(recipe, (0, 1, 2), bench, 10)
    assert next(line.name for line in lines if not line.done) == "dub and score 30 clips, seed 0"
    assert sum(line.seconds for line in plan(Made(), (0,), bench, 0)) == 4 * 7.0 + 3 * 8.0


def test_a_folder_holds_one_ablation(tmp_path: Path) -> None:
    same_as_before(tmp_path, {"size": "tiny", "steps": 5})
    same_as_before(tmp_path, {"size": "tiny", "steps": 5})
    with pytest.raises(DubbenchError, match="holds another ablation \\(steps 5, now 6\\)"):
        same_as_before(tmp_path, {"size": "tiny", "steps": 6})


def test_options_are_varied_one_at_a_time() -> None:
    recipe = Vary(["delay(ms=40|-40.5)"], "delay(ms=100)")
    assert [row.name for row in recipe.rows] == ["base", "ms=40", "ms=-40.5"]
    assert [str(recipe.spec(row, 0)) for row in recipe.rows] == ["delay(ms=100)", "delay(ms=40)", "delay(ms=-40.5)"]
    for texts, base, message in (
        (["delay"], "", "write it as delay"),
        (["delay(ms=1)", "noise(snr=3)"], "", "noise is another"),
        (["delay(sm=1)"], "", "did you mean 'ms'"),
    ):
        with pytest.raises(DubbenchError, match=message):
            Vary(texts, base)
