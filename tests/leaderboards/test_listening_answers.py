import json
import random
from pathlib import Path

import pytest

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening import codes
from dubbench.leaderboards.listening.analysis import Analysis, analyse
from dubbench.leaderboards.listening.answers import collect
from dubbench.leaderboards.listening.key import Asked, Key, Shown
from dubbench.leaderboards.listening.reading import read_answers
from dubbench.leaderboards.listening.results import latex, write_results
from dubbench.leaderboards.listening.screening import Rules

SYSTEMS = ("a_b", "b", "c")
QUALITY = {"a_b": 4.0, "b": 3.0, "c": 2.0}


def _key(listeners: int = 6) -> Key:
    """Every listener rates 3 systems on 6 clips, one catch trial and one page twice."""
    rated = [Shown(test=0, clip=f"c{c}", systems=(s,), media=("x.mp4",)) for c in range(6) for s in SYSTEMS]
    catch = Shown(
        test=0, clip="c0", systems=("@noise",), media=("y.mp4",), kind="catch", expected={"naturalness": (1.0, 2.0)}
    )
    block = (*rated, catch, rated[0].model_copy(update={"kind": "repeat", "of": 0}))
    return Key(
        export="0123456789",
        title="T",
        seed=0,
        comparability="x",
        tests=(Asked(name="mos-n"),),
        systems=dict.fromkeys(SYSTEMS, "model"),
        lufs=-23,
        check="x.mp4",
        blocks=(block,) * listeners,
    )


def _write(folder: Path, key: Key, who: int, name: str = "", **changes: object) -> Path:
    answers = {}
    for i, shown in enumerate(key.blocks[who]):
        value = (
            1
            if shown.kind == "catch"
            else QUALITY[shown.systems[0]] + random.Random(f"{who} {i}").choice((-1, 0, 0, 1))
        )
        answers[str(i)] = {"answers": {"naturalness": value}, "seconds": 3}
    told = {"format": "dubbench-answers-1", "export": key.export, "listener": f"l{who}", "block": who + 1}
    path = folder / f"{name or who}.json"
    path.write_text(json.dumps({**told, "answers": answers, **changes}))
    return path


def _analysed(key: Key, *paths: Path, rules: Rules | None = None) -> Analysis:
    found, problems = read_answers(key, paths)
    collected = collect(key, found)
    collected.problems[:0] = problems
    return analyse(key, collected, rules or Rules())


def test_means_screening_and_tables(tmp_path: Path) -> None:
    key = _key()
    paths = [_write(tmp_path, key, who) for who in range(6)]
    found = _analysed(key, tmp_path)
    assert len(paths) == 6 and found.kept == {f"l{i}" for i in range(6)} and not found.problems
    values = {r.system: r for r in found.ratings}
    assert values["a_b"].estimate.value == pytest.approx(4, abs=0.4) and values["a_b"].estimate.n == 36
    assert values["a_b"].unit == "listener and clip"
    assert [d.holm is not None and d.holm < 0.05 for d in found.differences] == [True] * 3
    run = tmp_path / "run"
    write_results(found, tmp_path / "out", run)
    assert (run / "mos.csv").read_text().splitlines()[0] == "system,column,value,low,high,n"
    assert r"a\_b" in latex(found) and r"$\pm$" in latex(found)
    assert (tmp_path / "out/votes.csv").read_text().count("\n") == 1 + 6 * 19


def test_inattentive_and_contrary_listeners_are_left_out(tmp_path: Path) -> None:
    key = _key()
    for who in range(4):
        _write(tmp_path, key, who)
    path = _write(tmp_path, key, 4)
    told = json.loads(path.read_text())
    told["answers"]["18"]["answers"]["naturalness"] = 5  # the catch trial
    path.write_text(json.dumps(told))
    path = _write(tmp_path, key, 5)
    told = json.loads(path.read_text())
    for i, one in told["answers"].items():
        one["answers"]["naturalness"] = 6 - one["answers"]["naturalness"] if i != "18" else 1
    path.write_text(json.dumps(told))
    found = _analysed(key, tmp_path)
    why = {x.name: x.why for x in found.listeners}
    assert why["l4"] == "1 of 1 catch trials failed" and why["l5"].startswith("agreement -")
    assert found.kept == {"l0", "l1", "l2", "l3"}
    assert all(r.unscreened != r.estimate.value for r in found.ratings if r.system != "b")


def test_bad_answers_cost_a_line_each_and_the_rest_goes_on(tmp_path: Path) -> None:
    key = _key()
    for who in range(3):
        _write(tmp_path, key, who)
    (tmp_path / "torn.json").write_text(_write(tmp_path, key, 3, "x").read_text()[:300])
    (tmp_path / "x.json").unlink()
    _write(tmp_path, key, 0, "twice")
    _write(tmp_path, key, 4, "foreign", export="ffffffffff")
    _write(tmp_path, key, 4, "beyond", block=99)
    _write(tmp_path, key, 5, "stopped", answers={"0": {"answers": {"naturalness": 4}}})
    odd = {"0": {"answers": {"naturalness": 9, "colour": "red"}}, "77": {"answers": {"naturalness": 3}}}
    _write(tmp_path, key, 4, "odd", answers=odd)
    (tmp_path / "notes.txt").write_text("hello\n")
    found = _analysed(key, tmp_path)
    text = "\n".join(found.problems)
    for part in (
        "torn.json: torn",
        "foreign.json: answers to another export (ffffffffff); left out",
        "beyond.json: block 99 of 6",
        "l5 answered 1 of 20 pages",
        "odd.json: 3 answers that no page asks for",
        "notes.txt: no answers in it",
    ):
        assert part in text, part
    assert len({x.name for x in found.listeners}) == 4
    assert next(x for x in found.listeners if x.name == "l0").pages == 20


def test_the_most_complete_of_several_files_counts(tmp_path: Path) -> None:
    key = _key()
    whole = json.loads(_write(tmp_path, key, 0, "b").read_text())
    few = {"0": {"answers": {"naturalness": 1.0}}}
    _write(tmp_path, key, 0, "a", answers=few)
    found = _analysed(key, tmp_path)
    assert found.listeners[0].pages == len(whole["answers"]) == 20
    assert any("2 files, 1 of them with other answers" in line for line in found.problems)


def test_pasted_codes_in_any_table(tmp_path: Path) -> None:
    key = _key()
    line = codes.encode(key.export, 2, "worker-7", [3] * 20)
    assert codes.decode(line) == (key.export, 2, "worker-7", [3] * 20)
    assert codes.completion(line) == f"02-{line.rpartition('.')[2].upper()}"
    bad = line.replace(".3", ".4")
    (tmp_path / "batch.csv").write_text(f'id,"Answer.code"\nA1,"{line}"\nA2,{bad}\n')
    found = _analysed(key, tmp_path / "batch.csv")
    assert [x.name for x in found.listeners] == ["worker-7"]
    assert any("batch.csv, line 3: its check does not fit" in problem for problem in found.problems)
    with pytest.raises(DubbenchError, match="no answer code"):
        codes.decode("DB2.x")


def test_results_of_webmushra_and_pymushra(tmp_path: Path) -> None:
    key = _key()
    lss = ["session_test_id,listener,trial_id,stimuli_rating,stimuli,rating_time"]
    lss += [f"dubbench-{key.export},ann,b001p{i:03d},c{i % 5},clip,900" for i in range(1, 21)]
    (tmp_path / "lss.csv").write_text("\n".join(lss) + "\n")
    head = "responses_stimulus;wm_id;wm_testId;questionaire_listener;questionaire_uuid;responses_stimulusRating"
    rows = [f"clip;b002p{i:03d};dubbench-{key.export};bob;u-1;['c{i % 5}']" for i in range(1, 21)]
    (tmp_path / "pm.csv").write_text("\n".join([head, *rows]) + "\n")
    found = _analysed(key, tmp_path)
    assert {x.name: x.pages for x in found.listeners} == {"ann": 20, "bob": 20}
    first = {v.listener: v.score for v in found.votes if v.page == 0}
    assert first == {"ann": 2.0, "bob": 2.0}


def test_nothing_left_is_an_empty_analysis(tmp_path: Path) -> None:
    with pytest.raises(DubbenchError, match="no such file"):
        read_answers(_key(), [tmp_path / "nowhere"])
    assert _analysed(_key(), _write(tmp_path, _key(), 0, export="other")).ratings == []
