"""The paper's tables from runs: layout, marks, what must never stand together, and hostile texts through real LaTeX."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fake_run import Fake, build, fakes

from dubbench.core.metric import MetricInfo
from dubbench.core.system import SystemInfo
from dubbench.leaderboards.paper.latex import latex, preview
from dubbench.leaderboards.paper.layout import Block, Cell, Group, Head, Panel, Row, Table, marked
from dubbench.leaderboards.paper.tex import escape
from dubbench.leaderboards.paper.training import seen
from dubbench.leaderboards.paper.write import Made, make, write

HOSTILE = [
    r"\input{/etc/passwd}",
    "100% $x_1^2$ & #3 {a} ~b\\",
    '<script>alert("1")</script>',
    "[x]*y",
    "--`` ''?`",
    "系统 Ελληνικά نظام ру",
    "Ångström É ž ı œ ß – “q”",
    "a\u202eb\x07\u200bc\nd",
    "| pipe | `code`",
]


def nfe_systems() -> dict[str, Fake]:
    """One system at three NFE, beside the ground truth."""
    out = {"ground_truth": fakes()["ground_truth"]}
    for nfe in (16, 1, 4):
        info = SystemInfo(name="flow", settings={"nfe": nfe}, trained_on=("grid/train",))
        out[f"flow(nfe={nfe})"] = Fake(info, f"flow(nfe={nfe})", cosine=0.6 + nfe / 100, mos=2.5 + nfe / 20)
    return out


@pytest.fixture(scope="module")
def two_settings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    few = {name: fake for name, fake in fakes().items() if name != "model-b"}
    build(folder / "one", setting="1.0", media=False)
    build(folder / "two", setting="2.0", pairing="other", systems=few, media=False)
    return folder / "one", folder / "two"


def only(made: Made, kind: str) -> Table:
    return next(table for table in made.tables if table.kind == kind)


def test_settings_stand_side_by_side_and_truth_comes_first(two_settings: tuple[Path, Path]) -> None:
    table = only(make(two_settings, False, ["main"]), "main")
    paper, _others = table.panels
    assert [group.setting for group in paper.groups] == ["1.0", "2.0"]
    assert paper.rows[0].name == "Ground Truth" and not any(cell.mark for cell in paper.rows[0].cells)
    assert [row.name for row in paper.blocks[1].rows] == ["model-a", "model-b", "espeak_lipspan", "paper wavs"]
    assert paper.blocks[2].title == "Controls, never ranked"
    untested = next(row for row in paper.rows if row.name == "model-b")
    half = len(paper.groups[0].heads)
    assert any(cell.text for cell in untested.cells[:half]) and not any(cell.text for cell in untested.cells[half:])


def test_offline_columns_are_a_panel_of_their_own(two_settings: tuple[Path, Path]) -> None:
    paper, others = only(make(two_settings, False, ["main"]), "main").panels
    assert {head.name for head in paper.heads} == {"LSE-C", "LSE-D", "WER", "SECS", "UTMOS"}
    assert {head.name for head in others.heads} == {"WER-grammar", "DNSMOS", "align-ms"}
    at = [head.name for head in paper.heads].index("WER")
    assert not any(row.cells[at].text for row in paper.rows)  # WER-grammar was measured; WER was not


def test_mos_s_needs_somebody_who_has_it(two_settings: tuple[Path, Path]) -> None:
    paper = only(make(two_settings, True, ["main"]), "main").panels[0]
    names = [[head.name for head in group.heads] for group in paper.groups]
    assert "MOS-S" not in names[0] and "MOS-S" in names[1]


def test_published_rows_keep_their_digits_and_get_no_mark(two_settings: tuple[Path, Path]) -> None:
    made = make(two_settings, True, ["main"])
    paper = only(made, "main").panels[0]
    block = next(b for b in paper.blocks if "DiFlowDubber" in b.title)
    row = next(r for r in block.rows if r.name == "DiFlowDubber")
    assert [c.text for c in row.cells][:5] == ["7.32", "6.73", "16.79", "82.52", "3.95"]
    assert row.seen == "test speaker"
    assert not any(
        cell.mark or cell.tied for b in paper.blocks if "published" in b.title for r in b.rows for cell in r.cells
    )
    assert any("unpublished draft" in b.title for b in paper.blocks)
    best = [r.name for r in paper.rows for c in r.cells if c.mark == "best"]
    assert best and set(best) <= {"model-a", "model-b", "espeak_lipspan", "paper wavs"}
    assert not any(c.text == "14.79" for t in made.tables for p in t.panels for r in p.rows for c in r.cells)


def test_marks_best_and_second_as_printed() -> None:
    def row(name: str, text: str) -> Row:
        return Row(name, (Cell(text, float(text) if text else None),))

    rows = tuple(row(n, t) for n, t in (("a", "2.00"), ("b", "3.00"), ("c", "3.00"), ("d", "9.00"), ("e", "")))
    ranked = ((True,), (True,), (True,), (False,), (True,))
    down = marked(rows, (Head("WER", "down"),), ranked)
    assert [r.cells[0].mark for r in down] == ["best", "second", "second", "", ""]
    up = marked(rows, (Head("SECS"),), ranked)
    assert [r.cells[0].mark for r in up] == ["second", "best", "best", "", ""]
    same = marked(rows[1:3], (Head("SECS"),), ranked[1:3])
    assert [r.cells[0].mark for r in same] == ["best", "best"]
    assert not any(r.cells[0].mark for r in marked(rows, (Head("n", "none"),), ranked))


def test_a_system_that_lacks_clips_is_not_marked(two_settings: tuple[Path, Path]) -> None:
    others = only(make(two_settings, False, ["main"]), "main").panels[1]
    wavs = next(row for row in others.rows if row.name == "paper wavs")
    at = [head.name for head in others.heads].index("DNSMOS")
    assert (wavs.cells[at].n, wavs.cells[at].total) == (22, 24)
    assert wavs.cells[at].mark == ""


def test_nfe_table_goes_by_nfe(tmp_path: Path) -> None:
    build(tmp_path / "run", systems=nfe_systems(), media=False)
    table = only(make([tmp_path / "run"], False, ["nfe"]), "nfe")
    assert [row.lead[1] for row in table.panels[0].rows] == ["1", "4", "16"]
    assert {row.name for row in table.panels[0].rows} == {"flow"}
    assert all(float(row.lead[2]) > 0 for row in table.panels[0].rows)


def test_published_alone_are_tables_too() -> None:
    made = make([], True, ["main", "nfe", "prosody"])
    assert {"main-chem-published", "main-grid-published", "nfe-chem-published", "prosody-chem-published"} <= {
        table.name for table in made.tables
    }


def test_bad_runs_are_a_line_each_and_the_rest_goes_on(tmp_path: Path) -> None:
    build(tmp_path / "good", media=False)
    build(tmp_path / "unscored", media=False)
    (tmp_path / "unscored" / "scores.parquet").unlink()
    build(tmp_path / "old", media=False)
    text = (tmp_path / "old" / "run.json").read_text()
    (tmp_path / "old" / "run.json").write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    build(tmp_path / "empty", clips=0, media=False)
    folders = [tmp_path / name for name in ("good", "unscored", "old", "empty", "absent")]
    made = make(folders, False, ["main"])
    assert len(made.tables) == 1 and len(made.problems) == 4
    assert all("\n" not in line for line in made.problems)
    for line, what in zip(
        made.problems, ("not scored yet", "schema 99", "an empty run", "not a run folder"), strict=True
    ):
        assert what in line


def test_a_run_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    from dubbench.runtime.files import held

    build(tmp_path / "run", media=False)
    with held(tmp_path / "run"):
        made = make([tmp_path / "run"], False, ["main"])
    assert made.tables == () and "is being written by process" in made.problems[0]
    assert make([tmp_path / "run"], False, ["main"]).problems == ()


def test_runs_that_differ_stand_apart_and_say_why(tmp_path: Path) -> None:
    build(tmp_path / "a", media=False)
    build(tmp_path / "b", pairing="another", media=False)
    made = make([tmp_path / "a", tmp_path / "b"], False, ["main"])
    assert [table.name for table in made.tables] == ["main-grid-test-1", "main-grid-test-2"]
    assert "pairing differs" in made.notes[0]


@pytest.mark.parametrize(("clips", "speakers"), [(1, 1), (6, 1)])
def test_few_clips_and_one_speaker(tmp_path: Path, clips: int, speakers: int) -> None:
    systems = {name: replace(fake, fails=()) for name, fake in fakes().items()}
    build(tmp_path / "run", clips=clips, speakers=speakers, systems=systems, media=False)
    made = make([tmp_path / "run"], False, ["main"])
    assert f"{clips} clip" in made.tables[0].caption and latex(made.tables[0], intervals=True)


def test_equal_scores_and_none_at_all(tmp_path: Path) -> None:
    info = MetricInfo(name="dnsmos", recipe="dnsmos/p808")
    systems = {name: Fake(SystemInfo(name=name), name, errors=0.0, ms=None) for name in ("a", "b", "c")}
    build(tmp_path / "run", systems=systems, metrics=("wer-grammar", "align"), recipes={"dnsmos": info}, media=False)
    panel = make([tmp_path / "run"], False, ["main"]).tables[0].panels[-1]
    names = [head.name for head in panel.heads]
    assert [row.cells[names.index("WER-grammar")].mark for row in panel.rows] == ["best"] * 3
    assert [row.cells[names.index("align-ms")].text for row in panel.rows] == [""] * 3


def test_every_format_has_the_same_numbers(two_settings: tuple[Path, Path], tmp_path: Path) -> None:
    made = make(two_settings, True, ["main", "prosody"])
    rows = list(csv.DictReader(io.StringIO(made.text("csv"))))
    write(made, tmp_path, "parquet")
    frame = pq.read_table(tmp_path / "tables.parquet").to_pylist()
    assert [row["text"] for row in rows] == [row["text"] for row in frame]
    assert {row["panel"] for row in rows if row["column"] == "WER-grammar"} == {"Other columns"}
    shown = [c.text for t in made.tables for p in t.panels for r in p.rows for c in r.cells if c.text]
    assert [row["text"] for row in rows] == shown
    for form in ("latex", "markdown", "html"):
        assert all(
            text.replace("±", " ± ") in made.text(form) or text in made.text(form) or "±" in text for text in shown
        )
    assert make(two_settings, True, ["main", "prosody"]).text("latex") == made.text("latex")


def test_intervals_and_training_are_options(two_settings: tuple[Path, Path]) -> None:
    table = only(make(two_settings, False, ["main"]), "main")
    assert r"\scriptsize [" not in latex(table) and r"\scriptsize [" in latex(table, intervals=True)
    assert "Trained on" not in latex(table) and "GRID" in latex(table, training=True)


@pytest.mark.parametrize(
    ("trained", "kind", "split", "flag"),
    [
        (("grid",), "model", "test", "test data set"),
        (("GRID/test",), "model", "test[50]", "test clip"),
        (("grid/speaker:s1", "lrs3"), "model", "test", "test speaker"),
        (("grid/speaker:s1",), "model", "speaker:s1[4]", "test clip"),
        (("grid/speaker:s9",), "model", "test", "no"),
        (("libritts",), "model", "test", "no"),
        ((), "model", "test", "unknown"),
        ((), "precomputed", "test", "unknown"),
        ((), "baseline", "test", ""),
        (("grid",), "control", "test", ""),
    ],
)
def test_contamination_follows_from_what_is_declared(
    trained: tuple[str, ...], kind: str, split: str, flag: str
) -> None:
    info = SystemInfo(name="x", kind=kind, trained_on=trained)  # type: ignore[arg-type]
    assert seen(info, "grid", split, {"s1", "s2"}) == flag


def test_chem_has_one_speaker() -> None:
    assert seen(SystemInfo(name="x", trained_on=("chem/train",)), "chem", "test", {"chem"}) == "test speaker"


def test_texts_cannot_leave_their_cell() -> None:
    for text in HOSTILE:
        made = escape(text)
        assert "\n" not in made and made.count("{") - made.count(r"\{") == made.count("}") - made.count(r"\}")
        assert not re.search(r"(?<!\\)[&#%$_](?!\\)", made.replace(r"$\cdot$", ""))
        assert "\\input" not in made and "\u202e" not in made and "\x07" not in made
    assert escape("a--b") == "a-{}-b" and escape("[x]").startswith("{}")


def hostile_table() -> Table:
    cells = (Cell("1.00", 1.0, 0.5, 1.5, 3, 4, "best", True), Cell("2.0", 2.0, None, None, 4, 4, "second"), Cell())
    heads = (Head("WER", "down"), Head(HOSTILE[1], "up", "%"), Head(HOSTILE[2], "none"))
    rows = tuple(Row(text, cells, (), text, "test clip") for text in HOSTILE)
    panel = Panel((Group("2.0", heads),), (Block(rows), Block(rows, HOSTILE[3])), "Panel")
    return Table("main", "hostile", " ".join(HOSTILE), (panel, panel), tuple(HOSTILE))


def test_hostile_texts_are_harmless_in_html_and_markdown() -> None:
    made = Made((hostile_table(),))
    assert "<script" not in made.text("html") and "<script" not in made.text("markdown")
    assert len(list(csv.reader(io.StringIO(made.text("csv"))))) == 1 + 2 * 2 * 2 * len(HOSTILE)


@pytest.fixture
def pdflatex() -> str:
    """A real LaTeX with the packages that the tables need."""
    found = shutil.which("pdflatex")
    if found is None:
        pytest.skip("no pdflatex: apt-get install texlive-latex-recommended")
    for package in ("booktabs", "multirow", "graphicx"):
        if not subprocess.run(["kpsewhich", f"{package}.sty"], capture_output=True, check=False).stdout:
            pytest.skip(f"LaTeX lacks the package {package}; see .ci/run")
    return found


def test_real_latex_compiles_everything(pdflatex: str, two_settings: tuple[Path, Path], tmp_path: Path) -> None:
    build(tmp_path / "nfe", systems=nfe_systems(), setting="1.0", media=False)
    made = make([*two_settings, tmp_path / "nfe"], True, ["main", "nfe", "prosody"])
    made = replace(made, tables=(*made.tables, hostile_table()))
    out = tmp_path / "tex"
    write(made, out, "latex", intervals=True, training=True)
    assert (out / "preview.tex").read_text() == preview([table.name for table in made.tables])
    command = [pdflatex, "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "preview.tex"]
    done = subprocess.run(command, cwd=out, capture_output=True, timeout=120, check=False)
    log = (out / "preview.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert (out / "preview.pdf").stat().st_size > 20_000
    assert not re.search(r"^! ", log, re.M) and "root:" not in log
    assert "Overfull \\hbox" not in re.sub(r"Overfull \\hbox \(\d\.\d+pt", "", log)


def test_the_verb(two_settings: tuple[Path, Path], tmp_path: Path, dubbench) -> None:  # type: ignore[no-untyped-def]
    done = dubbench("tables", *two_settings, "--format", "html", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "<table" in (tmp_path / "out" / "tables.html").read_text()
    done = dubbench("tables", tmp_path / "absent")
    assert done.returncode == 2 and "not a run folder" in done.stderr
    done = dubbench("tables", two_settings[0], tmp_path / "absent", "--format", "markdown")
    assert done.returncode == 3 and "left out" in done.stderr and "Ground Truth" in done.stdout
