"""Table 3 as a recipe: its rows, what is trained for each, what is refused."""

from pathlib import Path

import pytest

from dubbench.core.ablation import Order, TrainOn
from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.ablation import ROWS
from dubbench.systems.diflowdubber.presets import TABLE_3, configuration
from dubbench.systems.diflowdubber.published import TABLE_3 as PRINTED
from dubbench.systems.diflowdubber.published import TABLE_4
from dubbench.systems.diflowdubber.system import DiFlowDubber
from dubbench.systems.diflowdubber.training.run import Outcome

table_3 = DiFlowDubber.ablation


def order(folder: Path, **more) -> Order:  # type: ignore[no-untyped-def]
    return Order(folder, (TrainOn("toon"),), **more)


def test_all_rows_of_the_paper_are_there():
    assert [row.name for row in ROWS] == ["full", *TABLE_3] == list(PRINTED.rows)
    assert PRINTED.rows["no-align"]["WER"] == 17.15 and PRINTED.rows["no-fuse"]["SECS"] == 79.10
    assert list(TABLE_4.rows) == ["1", "2", "4", "8", "10", "16", "32", "64", "128"]


def test_one_stage_1_is_shared_and_row_2_has_none(tmp_path, monkeypatch):
    jobs = []

    def train(job, settings, machine):  # type: ignore[no-untyped-def]
        jobs.append((job, settings))
        return Outcome(job.run, 5)

    monkeypatch.setattr("dubbench.systems.diflowdubber.training.run.train", train)
    recipe = table_3(order(tmp_path, seeds=(0, 1), steps=5, settings=("tau=2",), options={"stage-1-steps": "3"}))
    steps = recipe.steps()
    assert [step.name for step in steps[:4]] == [
        "features of toon",
        "train stage 1",
        "train full, seed 0",
        "train no-pretraining, seed 0",
    ]
    assert len(steps) == 2 + 2 * 9 and [s.seed for s in steps[:3]] == [None, None, 0]
    for step in steps[1:]:
        assert not step.done()
        step.work()
        assert step.done()
    assert jobs[0][0].stage == "tts" and jobs[0][1].steps == 3
    by_run = {job.run.name: (job, settings) for job, settings in jobs}
    for row in ROWS:
        job, settings = by_run[f"{row.name}-seed-1"]
        assert job.config == configuration("tiny", *([row.name] if row.name != "full" else []), tau=2.0)
        assert job.teacher == (None if row.name == "no-pretraining" else recipe.stage1)
        assert settings.seed == 1 and settings.steps == 5
    again = table_3(order(tmp_path, seeds=(0, 1), steps=6, settings=("tau=2",)))
    assert not again.steps()[2].done()  # other steps are another training


def test_checkpoints_stand_in_for_training(tmp_path):
    given = (("full", tmp_path / "a"), ("no-ctc", tmp_path / "b"))
    recipe = table_3(order(tmp_path, checkpoints=given, options={"nfe": "4"}))
    assert [row.name for row in recipe.rows] == ["full", "no-ctc"] and recipe.steps() == []
    spec = recipe.spec(recipe.rows[1], 0)
    assert spec.name == "diflowdubber" and dict(spec.kwargs)["checkpoint"] == str(tmp_path / "b")
    assert dict(spec.kwargs)["nfe"] == 4
    with pytest.raises(DubbenchError, match="1 checkpoints for full and 2 seeds"):
        table_3(order(tmp_path, checkpoints=given, seeds=(0, 1)))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rows": ("no-cct",)}, "no row 'no-cct' in Table 3; did you mean 'no-ctc'"),
        ({"options": {"nef": "3"}}, "no option 'nef'; did you mean 'nfe'"),
        ({"options": {"nfe": "many"}}, "option nfe: 'many' is not a number"),
        ({"size": "smal"}, "did you mean 'small'"),
        ({"settings": ("hiden=3",)}, "did you mean 'hidden'"),
    ],
)
def test_what_does_not_exist_is_said(tmp_path, more, message):
    with pytest.raises(DubbenchError, match=message):
        table_3(order(tmp_path, **more))


def test_a_plan_has_times(tmp_path):
    recipe = table_3(order(tmp_path, rows=("no-ctc",), steps=10))
    assert all(step.seconds() > 0 for step in recipe.steps())
