from pathlib import Path

import numpy as np
import pytest
from fake_run import build, fakes

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening.agree import agreements
from dubbench.leaderboards.listening.votes import Opinion, read_opinions
from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.leaderboards.statistics import values

MODELS = {name: fakes()[name] for name in ("model-a", "model-b", "espeak_lipspan", "paper wavs", "ground_truth")}


def _sheet(folder: Path) -> Sheet:
    return sheets([build(folder, clips=12, systems=MODELS, media=False)])[0]


def _votes(sheet: Sheet, noise: float, sign: float = 1.0) -> list[Opinion]:
    """Five listeners whose votes follow SECS, with noise."""
    measure = next(m for m in sheet.measures if m.column.name == "SECS")
    rng = np.random.default_rng(0)
    out = []
    for label in sheet.ranking:
        for clip, x in zip(sheet.clips, values(measure.column, sheet.stats(label, measure), sheet.count), strict=True):
            if np.isfinite(x):
                out += [Opinion("MOS-N", label, clip.id, f"l{i}", sign * x + noise * rng.normal()) for i in range(5)]
    return out


def test_votes_that_follow_a_metric_agree_with_it(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path)
    found = {(a.column, a.level): a for a in agreements(sheet, _votes(sheet, 0.0))}
    for level in ("systems", "dubs"):
        same = found["SECS", level]
        assert same.spearman.value == pytest.approx(1) and same.accuracy.value == pytest.approx(1)
    assert found["SECS", "systems"].n == 4
    assert (found["FFE", "systems"].spearman.value or 0) > 0  # lower is better: turned


def test_votes_against_a_metric_and_noise(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path)
    against = {(a.column, a.level): a for a in agreements(sheet, _votes(sheet, 0.0, -1.0))}
    assert against["SECS", "systems"].kendall.value == pytest.approx(-1)
    assert against["SECS", "dubs"].accuracy.value == pytest.approx(0)
    noisy = {(a.column, a.level): a for a in agreements(sheet, _votes(sheet, 40.0))}["SECS", "dubs"].spearman
    assert noisy.low is not None and noisy.high is not None and noisy.value is not None
    assert noisy.low < noisy.value < noisy.high and noisy.value < 0.95


def test_votes_from_a_table(tmp_path: Path) -> None:
    sheet = _sheet(tmp_path / "run")
    path = tmp_path / "votes.csv"
    rows = [f"{label},{4 - i}" for i, label in enumerate(sheet.ranking)]
    path.write_text("\n".join(["system,mos", *rows, "model-a,?"]) + "\n")
    opinions, problems = read_opinions(path)
    assert len(opinions) == 4 and problems == ["votes.csv: 1 rows without a system or score are left out (line 6)"]
    found = agreements(sheet, opinions)
    assert {a.level for a in found} == {"systems"} and all(a.votes == "votes" for a in found)
    path.write_text("system,against,score,kept\nmodel-a,model-b,1,1\nmodel-a,model-b,1,0\n")
    both, _ = read_opinions(path)
    assert [(o.system, o.score) for o in both] == [("model-a", 1.0), ("model-b", -1.0)]
    with pytest.raises(DubbenchError, match="votes for 2 systems"):
        agreements(sheet, both)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DubbenchError, match="columns system and score"):
        read_opinions(path)
