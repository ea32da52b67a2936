"""The main job on real speech with the real metrics that need no download: from the command to the board's files."""

import csv
import sys
from pathlib import Path

import pytest

from dubbench.pipeline.store import Run, read_run

for module in ("espeakng_loader", "cv2", "pocketsphinx", "jiwer", "resemblyzer", "speechmos", "pyworld"):
    pytest.importorskip(module)

METRICS = ("wer-grammar", "secs", "dnsmos", "pitch", "mcd", "align")
CONTROLS = ("ground_truth", "delay", "silence", "noise")
ALONE = "v3-"
"""The speaker of whom there is one clip, so that Setting 2.0 has no reference for it."""

Row = dict[str, str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of a speaker of the embedded corpus, three of another and one of a third, through ``dubbench run``."""
    from dubbench.cli.main import main
    from dubbench.datasets.toon import script

    whole = script.script()
    few = (*whole[0:2], *whole[12:15], whole[24])
    out = tmp_path_factory.mktemp("end_to_end")
    chosen = [part for name in METRICS for part in ("-m", name)] + [part for name in CONTROLS for part in ("-s", name)]
    cell = ["--dataset", "toon", "--root", str(out / "toon"), "--split", "all", "--setting", "2.0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "script", lambda: few)
        patch.setattr("os.cpu_count", lambda: 1)  # the corpus is made in this process, which knows the short script
        patch.setattr(sys, "argv", ["dubbench", "run", *cell, *chosen, "--out", str(out / "run"), "--workers", "1"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0  # controls need no reference
    return out / "run"


@pytest.fixture(scope="module")
def scored(run: Path) -> Run:
    return read_run(run)


@pytest.fixture(scope="module")
def table(run: Path) -> dict[tuple[str, str], Row]:
    return {(row["system"], row["metric"]): row for row in rows(run / "board" / "table.csv")}


def rows(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_ground_truth_is_perfect(table: dict[tuple[str, str], Row]) -> None:
    for metric in ("GPE", "VDE", "FFE", "MCD", "MCD-DTW", "MCD-DTW-SL", "align-ms"):
        row = table["ground_truth", metric]
        assert (row["value"], row["n_scored"], row["n_total"]) == ("0", "6", "6"), metric
    assert float(table["ground_truth", "SECS-GT"]["value"]) == 100
    assert 50 < float(table["ground_truth", "SECS"]["value"]) < 99
    assert 1 < float(table["ground_truth", "DNSMOS"]["value"]) < 5


def test_what_is_done_to_the_ground_truth_is_seen(table: dict[tuple[str, str], Row]) -> None:
    assert 90 <= float(table["delay", "align-ms"]["value"]) <= 110
    assert float(table["delay", "FFE"]["value"]) > 0.1 and float(table["delay", "MCD"]["value"]) > 3
    assert float(table["delay", "MCD-DTW"]["value"]) < 2  # warped over it
    for deaf in ("silence", "noise"):
        assert table[deaf, "WER-grammar"]["value"] == "100"
        assert table[deaf, "align-ms"]["n_scored"] == "0" and table[deaf, "align-ms"]["value"] == ""
    assert float(table["ground_truth", "WER-grammar"]["value"]) < 60


def test_a_clip_without_a_reference_is_scored_but_for_what_needs_one(
    scored: Run, table: dict[tuple[str, str], Row]
) -> None:
    assert not [row for row in scored.dubs if row.reason]
    own = {s.metric: s for s in scored.scores if s.clip.startswith(ALONE) and s.system == "delay"}
    assert set(own) == set(METRICS)
    assert own["secs"].reason.startswith("no reference voice: Setting 2.0 needs another clip of speaker v3")
    assert all(s.stats for metric, s in own.items() if metric != "secs")
    assert (table["delay", "SECS"]["n_scored"], table["delay", "WER-grammar"]["n_scored"]) == ("5", "6")


def test_every_unscored_cell_says_why(scored: Run) -> None:
    assert not [s for s in scored.scores if s.error]
    assert all(bool(s.stats) != bool(s.reason) for s in scored.scores)
    quiet = {s.metric: s.reason for s in scored.scores if s.system == "silence" and not s.clip.startswith(ALONE)}
    assert quiet["align"] == "no speech in the dub"
    assert quiet["secs"] == "no voice found in the dub"
    assert quiet["dnsmos"] == "no sound in the dub"
    assert quiet["mcd"] == quiet["pitch"] == ""


def test_every_declared_cell_is_judged(run: Path, scored: Run) -> None:
    cells = rows(run / "board" / "matrix.csv")
    declared = {
        (name, column.name, control, effect)
        for name, entry in scored.manifest.metrics.items()
        for column in entry.columns
        for control, effect in column.expects.items()
    }
    assert {(c["metric"], c["column"], c["control"], c["declared"]) for c in cells} == declared
    assert not [c for c in cells if c["verdict"] == "fails"]
    run_here = [c for c in cells if c["control"] in CONTROLS]
    assert len(run_here) > 60
    # On five clips a difference may be too small to tell; what is plain must hold all the same.
    plain = [c for c in run_here if c["declared"] in ("perfect", "undefined") or c["control"] in ("silence", "noise")]
    assert {c["verdict"] for c in plain} == {"holds"}, [c for c in plain if c["verdict"] != "holds"]
    assert {c["verdict"] for c in cells if c["control"] not in CONTROLS} == {"not run"}
