from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from fake_run import Fake, build, fakes

from dubbench.leaderboards import markdown
from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.leaderboards.table import (
    PAIRED,
    TABLE,
    Sampler,
    csv_text,
    grid,
    number,
    paired_rows,
    table_rows,
    timing_rows,
    timings,
)
from dubbench.pipeline.store import Run

HEADER = (
    "system,dataset,split,setting,profile,metric,value,ci_low,ci_high,n_scored,n_total,direction,signature,class,"
    "interval,unit,units"
)


def sheet_of(run: Run) -> Sheet:
    return sheets([run])[0]


def rows_of(run: Run) -> list[dict[str, str]]:
    sampler = Sampler(sheet_of(run))
    return list(csv.DictReader(io.StringIO(csv_text(TABLE, table_rows(sampler, grid(sampler))))))


def test_table_is_long_form_and_complete(tmp_path: Path) -> None:
    run = build(tmp_path, media=False)
    sampler = Sampler(sheet_of(run))
    text = csv_text(TABLE, table_rows(sampler, grid(sampler)))
    assert text.splitlines()[0] == HEADER
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(run.manifest.systems) * 6
    by = {(r["system"], r["metric"]): r for r in rows}
    silent = by["silence", "align-ms"]
    assert (silent["value"], silent["ci_low"], silent["n_scored"], silent["n_total"]) == ("", "", "0", "24")
    assert all(r["class"] == run.manifest.comparability for r in rows)
    assert by["model-a", "SECS"]["signature"].startswith("secs/resemblyzer|v1|")
    cosines = [s.stats["cosine"] for s in run.scores if s.system == "model-b" and s.metric == "secs"]
    assert float(by["model-b", "SECS"]["value"]) == pytest.approx(100 * np.mean(cosines), rel=1e-5)
    wrong = [s.stats for s in run.scores if s.system == "espeak_lipspan" and s.metric == "wer-grammar"]
    micro = 100 * sum(s["errors"] for s in wrong) / sum(s["words"] for s in wrong)
    assert float(by["espeak_lipspan", "WER-grammar"]["value"]) == pytest.approx(micro, rel=1e-5)
    assert by["espeak_lipspan", "WER-grammar"]["n_scored"] == "24"  # its failed dub counts as all words wrong
    assert by["espeak_lipspan", "SECS"]["n_scored"] == "23"
    assert {(r["interval"], r["unit"]) for r in rows if r["ci_low"]} == {("t", "clip")}
    assert by["espeak_lipspan", "SECS"]["units"] == "23"


def test_equal_runs_give_equal_bytes_but_for_time(tmp_path: Path) -> None:
    one, two = build(tmp_path / "a", media=False, speed=0.2), build(tmp_path / "b", media=False, speed=0.9)
    texts = []
    for run in (one, two):
        sampler = Sampler(sheet_of(run))
        texts.append((csv_text(TABLE, table_rows(sampler, grid(sampler))), csv_text(PAIRED, paired_rows(sampler))))
    assert texts[0] == texts[1]
    assert timings(sheet_of(one)) != timings(sheet_of(two))


def test_only_equal_coverage_ranks(tmp_path: Path) -> None:
    run = build(tmp_path, media=False)
    sampler = Sampler(sheet_of(run))
    cells, common = grid(sampler), grid(sampler, common=True)
    ffe = {label: cells[label, "f0", "FFE"] for label in run.manifest.systems}
    assert [ffe[k].rank for k in ("model-a", "model-b", "espeak_lipspan", "paper wavs")] == [1, 2, None, None]
    assert ffe["ground_truth"].rank is None  # a control never ranks, whatever its value
    again = {label: common[label, "f0", "FFE"] for label in run.manifest.systems}
    assert [again[k].rank for k in ("model-a", "model-b", "paper wavs", "espeak_lipspan")] == [1, 2, 3, 4]
    assert {again[k].estimate.n for k in again} == {21}  # 24 clips less the three that somebody failed
    wer = common["espeak_lipspan", "wer-grammar", "WER-grammar"]
    assert wer.estimate.n == 21  # failed dubs are not among the clips that all did


def test_a_system_without_any_dub_leaves_the_others_their_common_clips(tmp_path: Path) -> None:
    every = fakes()
    systems = {"a": every["model-a"], "b": every["model-b"], "broken": every["espeak_lipspan"]}
    systems["broken"].fails = tuple(range(24))
    sheet = sheet_of(build(tmp_path, systems=systems, media=False))
    common = grid(Sampler(sheet), common=True)
    ffe = {label: common[label, "f0", "FFE"] for label in systems}
    assert [(ffe[k].rank, ffe[k].estimate.n) for k in systems] == [(1, 24), (2, 24), (None, 0)]
    assert not sheet.alike(sheet.measures)  # so that the table is shown


def test_a_clip_that_nobody_can_be_scored_on_costs_no_rank(tmp_path: Path) -> None:
    every = fakes()
    pair = {k: every[k] for k in ("model-a", "model-b")}
    for fake in pair.values():
        fake.unscored = {"align": [5]}
    cells = grid(Sampler(sheet_of(build(tmp_path, systems=pair, media=False))))
    assert [cells[k, "align", "align-ms"].rank for k in pair] == [1, 2]
    assert cells["model-a", "align", "align-ms"].estimate.n == 23


def test_systems_that_cannot_be_told_apart_share_a_rank(tmp_path: Path) -> None:
    every = fakes()
    twin = Fake(**{**vars(every["model-a"]), "info": every["model-b"].info})
    systems = {"a": every["model-a"], "twin": twin, "far": every["espeak_lipspan"]}
    systems["far"].fails = ()
    cells = grid(Sampler(sheet_of(build(tmp_path, systems=systems, media=False))))
    entries = {k: cells[k, "dnsmos", "DNSMOS"] for k in systems}
    assert (entries["a"].rank, entries["twin"].rank, entries["far"].rank) == (1, 1, 3)
    assert entries["a"].tied == ("twin",) and entries["far"].tied == ()
    assert entries["a"].leads != entries["twin"].leads
    assert cells["a", "wer-grammar", "words"].rank is None  # a column without direction is not ranked


def test_two_clips_make_no_interval_and_no_rank(tmp_path: Path) -> None:
    run = build(tmp_path, clips=2, media=False)
    rows = rows_of(run)
    assert all(r["ci_low"] == r["ci_high"] == "" for r in rows)
    cells = grid(Sampler(sheet_of(run)))
    assert {entry.rank for entry in cells.values()} == {None}
    assert [k for k in run.manifest.systems if cells[k, "f0", "FFE"].leads] == ["model-a"]


def test_paired_differences_against_direct_computation(tmp_path: Path) -> None:
    run = build(tmp_path, media=False)
    rows = csv.DictReader(io.StringIO(csv_text(PAIRED, paired_rows(Sampler(sheet_of(run))))))
    by = {(r["metric"], r["system_a"], r["system_b"]): r for r in rows}
    assert ("SECS", "ground_truth", "noise") not in by  # two controls
    row = by["SECS", "model-a", "paper wavs"]
    assert row["n"] == "22"
    stats = {(s.system, s.clip): s.stats.get("cosine") for s in run.scores if s.metric == "secs"}
    clips = [c.id for c in run.manifest.clips if stats["paper wavs", c.id] is not None]
    want = 100 * np.mean([stats["model-a", c] - stats["paper wavs", c] for c in clips])  # type: ignore[operator]
    assert float(row["difference"]) == pytest.approx(want, rel=1e-4)
    assert float(row["ci_low"]) < want < float(row["ci_high"])
    own = [stats["model-a", c] - stats["paper wavs", c] for c in clips]  # type: ignore[operator]
    test = scipy.stats.ttest_1samp(own, 0).confidence_interval()
    assert (float(row["ci_low"]), float(row["ci_high"])) == pytest.approx((100 * test.low, 100 * test.high), rel=1e-4)
    assert float(row["effect_dz"]) == pytest.approx(np.mean(own) / np.std(own, ddof=1), rel=1e-4)
    assert float(row["a_wins"]) == pytest.approx(np.mean(np.array(own) > 0), rel=1e-4)
    assert row["verdict"] == "a is better" and float(row["p"]) == pytest.approx(1e-4)
    assert row["family"] == "6"  # four systems; the pairs with controls are a family of their own


def test_times_are_pooled_and_only_of_what_was_run(tmp_path: Path) -> None:
    run = build(tmp_path, clips=6, media=False, speed=0.5)
    found = {(t.label, t.metric): t for t in timings(sheet_of(run))}
    assert {label for label, _ in found} == {"model-a", "model-b", "espeak_lipspan"}
    total = [d.timings["total"] for d in run.dubs if d.system == "model-a"]
    assert found["model-a", "RTF"].pooled.value == pytest.approx(sum(total) / (6 * 0.48))
    assert found["model-a", "RTF"].mean == pytest.approx(np.mean([t / 0.48 for t in total]))
    assert found["model-a", "RTF-model"].pooled.value == pytest.approx(0.35)
    assert found["espeak_lipspan", "RTF"].pooled.n == 5


def test_times_of_two_machines_stay_apart(tmp_path: Path) -> None:
    run = build(tmp_path, clips=6, media=False)
    dubs = [d.model_copy(update={"machine": "gpu Fast"}) if d.clip.endswith(("0", "1")) else d for d in run.dubs]
    sheet = sheet_of(run.model_copy(update={"dubs": tuple(dubs)}))
    found = {(t.machine, t.metric): t.pooled.n for t in timings(sheet) if t.label == "model-a"}
    here = "cores 2; cpu Some CPU @ 2.20GHz; device cpu; machine x86_64"
    assert found == {("gpu Fast", "RTF"): 2, ("gpu Fast", "RTF-model"): 2, (here, "RTF"): 4, (here, "RTF-model"): 4}
    assert {row[-3] for row in timing_rows(sheet, timings(sheet)) if row[0] == "model-a"} == {"gpu Fast", here}


def test_speakers_are_the_units_where_there_are_enough(tmp_path: Path) -> None:
    few = Sampler(sheet_of(build(tmp_path / "a", speakers=4, media=False)))
    many = Sampler(sheet_of(build(tmp_path / "b", speakers=6, media=False)))
    assert few.unit() == ("clip", 24) and many.unit() == ("speaker", 6)
    assert "6 speakers" in markdown.intervals_note(many) and "24 clips" in markdown.intervals_note(few)


@pytest.mark.parametrize(
    ("x", "text"), [(None, ""), (-0.0, "0"), (0.1 + 0.2, "0.3"), (13.33333333, "13.3333"), (100.0, "100")]
)
def test_numbers_are_short_and_without_negative_zero(x: float | None, text: str) -> None:
    assert number(x) == text


def test_markdown_has_no_markup_from_outside(tmp_path: Path) -> None:
    every = fakes()
    run = build(tmp_path, systems={"<b>bold</b>|x": every["model-a"], "model-b": every["model-b"]}, media=False)
    sampler = Sampler(sheet_of(run))
    text = markdown.page([(sampler, grid(sampler), grid(sampler, common=True), {})], ["a <i> note"])
    assert "<b>" not in text and "<i>" not in text
    assert "&lt;b&gt;bold&lt;/b&gt;\\|x" in text
    header = next(line for line in text.splitlines() if line.startswith("| system"))
    body = next(line for line in text.splitlines() if line.startswith("| &lt;b"))
    assert header.count("|") == body.replace("\\|", "").count("|")
    assert "words" not in header  # only headline columns
