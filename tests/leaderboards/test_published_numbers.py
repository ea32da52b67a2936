"""The numbers that dubbench ships from papers, and what its check says of them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from dubbench.errors import DubbenchError
from dubbench.leaderboards.published.check import findings
from dubbench.leaderboards.published.rows import parse, published, sources

PAPER = Path(__file__).resolve().parents[3] / "shared" / "paper" / "diflowdubber.txt"

SOURCE = """
title = "T"
address = "A"
kind = "paper"
measured_by = "M"
"""


def table(columns: str, rows: str, dataset: str = "chem", setting: str = "2.0") -> str:
    head = f'[[table]]\nwhere = "Table 1"\ndataset = "{dataset}"\nsetting = "{setting}"\ncolumns = "{columns}"\n'
    return f'{head}rows = """\n{rows}\n"""\n'


def test_every_number_of_the_papers_tables_is_there() -> None:
    own = [n for n in published() if n.source.id == "diflowdubber"]
    assert Counter(n.where for n in own) == {
        "Table 1": 8 * 5 + 8 * 6 - 2,
        "Table 2": 8 * 5 + 8 * 6 - 2,
        "Table 3": 9 * 6,
        "Table 4": 11 * 8,
        "Table 5": 6 * 4,
    }


def test_numbers_stand_in_the_papers_text_in_that_order() -> None:
    if not PAPER.is_file():
        pytest.skip("the paper's text is not beside the checkout")
    printed = " ".join(PAPER.read_text(encoding="utf-8").replace(" ± ", "±").split())
    rows: dict[tuple[str, str, str, str, str], list[str]] = {}
    for n in published():
        if n.source.id == "diflowdubber" and n.column not in ("#Params", "NFE"):
            rows.setdefault((n.where, n.dataset, n.setting, n.system, n.variant), []).append(n.text)
    assert len(rows) == 8 * 4 + 9 + 11 + 6
    for where, texts in rows.items():
        line = r" (- )?".join(re.escape(text) for text in texts)
        assert re.search(rf"(?<![\d.]){line}(?![\d.])", printed), where


def test_drafts_and_second_hand_numbers_keep_their_mark() -> None:
    marks = {n.source.id: n.source.mark for n in published()}
    assert marks["speaker2dubber-draft"] == "unpublished draft"
    assert marks["wizwand"] == "second-hand"
    assert marks["diflowdubber"] == ""


def test_check_names_the_contradictions_of_the_field() -> None:
    found = findings(published(), sources())
    texts = {f.rule: [x.text for x in found if x.rule == f.rule] for f in found}
    assert any("StyleDubber on chem" in t and "13.14" in t and "10.62" in t for t in texts["two values"])
    for system in ("V2C-Net", "HPMDubbing", "Speaker2Dubber"):
        assert any(f"4 of the 4 numbers of {system} on grid" in t for t in texts["copied"])
    assert any("32,670" in t and "2,950" in t for t in texts["not disjoint"])
    assert len(texts["interval"]) == 2 and "standard deviation of 2.25" in texts["interval"][0]
    assert any("14.63" in t for t in texts["other scale"])
    assert not any("DiFlowDubber on chem under Setting 1.0" in t for t in texts["two values"])  # Tables 1, 3, 4 agree


def test_check_is_silent_on_numbers_that_can_be() -> None:
    source, numbers = parse("x", SOURCE + "ratings = 100\n" + table("FFE GPE VDE MOS-S", "A | 0.4 0.4 0.2 4.1±0.2"))
    assert findings(numbers, [source]) == ()


def test_check_sees_pitch_errors_that_cannot_stand_together() -> None:
    source, numbers = parse("x", SOURCE + table("FFE GPE VDE", "A | 0.9 0.2 0.2"))
    assert [f.rule for f in findings(numbers, [source])] == ["identity"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = ", "Invalid value"),
        ("title = 'T'", "address"),
        (SOURCE.replace("paper", "rumour"), "rumour"),
        (SOURCE + table("WER SECS", "A | 1.0"), "1 cells for 2 columns"),
        (SOURCE + table("WER", "A | about3"), "'about3' is no number"),
    ],
)
def test_a_bad_file_is_named(text: str, why: str) -> None:
    with pytest.raises(DubbenchError, match=why) as caught:
        parse("mine", text)
    assert "mine" in str(caught.value) and "\n" not in str(caught.value)
