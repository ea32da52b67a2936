"""Settings as a user writes them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dubbench.errors import DubbenchError
from dubbench.systems.diflowdubber.config import PAPER, SMALL, TINY
from dubbench.systems.diflowdubber.presets import CONFIGS, PRESETS, TABLE_3, configuration
from dubbench.systems.diflowdubber.settings import as_toml, resolve


def test_single_settings_have_their_types():
    made = resolve("tiny", (), ["tau=2", "attention=softmax", 'name="mine"', "kernels=[5, 1]", "revise=true"])
    assert made == replace(TINY, tau=2.0, attention="softmax", name="mine", kernels=(5, 1), revise=True)
    assert isinstance(made.tau, float)
    made = resolve("small", (), ["dub.batch=3", "weights.ctc=0.2", "dub.epochs=7", "dub.per_gpu=true"])
    assert made.dub == replace(SMALL.dub, batch=3, steps=0, epochs=7, per_gpu=True) and made.weights.ctc == 0.2
    assert resolve("paper", (), ["dub.steps=9"]).dub == replace(PAPER.dub, steps=9, epochs=0)


def test_presets_are_the_papers():
    chem, grid = resolve("paper", ["chem"]), resolve("paper", ["grid"])
    assert (chem.dub.batch, chem.dub.epochs, grid.dub.batch, grid.dub.epochs) == (16, 150, 64, 200)
    assert resolve("small", ["chem", "no-ctc"], ["dub.batch=4"]).dub == replace(SMALL.dub, batch=4, steps=0, epochs=150)
    assert list(TABLE_3) == [name for name in PRESETS if name.startswith("no-")] and len(TABLE_3) == 8
    with pytest.raises(DubbenchError, match="presets grid and chem cannot be combined: both set dub"):
        resolve("paper", ["grid", "chem"])
    assert resolve("tiny", ["no-align", "no-vt"]) == resolve("tiny", ["no-align"])


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (["hiden=3"], "no setting 'hiden'; did you mean 'hidden'?"),
        (["batch=3"], "no setting 'batch'; did you mean 'tts.batch' or 'dub.batch'?"),
        (["dub.bach=3"], "no setting 'dub.bach'; did you mean 'dub.batch'?"),
        (["zzz=3"], "there are: name, "),
        (["hidden"], "write it as key=value"),
        (["hidden=two"], "hidden: 'two' is not a whole number"),
        (["hidden=2.5"], "hidden: 2.5 is not a whole number"),
        (["ctc=yes"], "ctc: 'yes' is not true or false"),
        (["kernels=3"], "kernels: 3 is not [int, int]"),
        (["attention=softmx"], "none of its values; did you mean 'softmax'?"),
        (["lip_dim=3"], "lip_dim is not a choice: the features"),
        (["tau=1", "tau=2"], "given twice"),
        (["pretraining=false"], "distill needs pretraining"),
        (["dub.steps=3", "dub.epochs=4"], "dub: training has 3 steps and 4 epochs; give one of them"),
        (["ctc=false", "weights.ctc=0.2"], "weights.ctc means nothing here: ctc is off"),
        (["heads=7"], "even multiples of their heads"),
    ],
)
def test_settings_that_mean_nothing_are_one_line(sets, message):
    with pytest.raises(DubbenchError, match=re.escape(message)) as caught:
        resolve("tiny", (), sets)
    assert "\n" not in str(caught.value)


def test_unknown_names():
    with pytest.raises(DubbenchError, match="no configuration 'smal'; did you mean 'small'"):
        resolve("smal")
    with pytest.raises(DubbenchError, match="no preset 'no-cct'; did you mean 'no-ctc'"):
        resolve("small", ["no-cct"])


def test_a_file_stands_on_a_configuration_or_another_file(tmp_path: Path):
    (tmp_path / "mine.toml").write_text('base = "tiny"\npreset = "no-ctc"\ntau = 2\n[dub]\nbatch = 3\n', "utf-8")
    mine = resolve(str(tmp_path / "mine.toml"), ["no-fapro"], ["dub.batch=5"])
    assert mine == replace(configuration("tiny", "no-ctc", "no-fapro", tau=2.0, **{"dub.batch": 5}), name="mine")
    (tmp_path / "next.toml").write_text('base = "mine.toml"\nname = "other"\n', "utf-8")
    assert resolve(str(tmp_path / "next.toml")) == replace(resolve(str(tmp_path / "mine.toml")), name="other")
    for text, message in (
        ('base = "bad.toml"', "leads back to itself"),
        ("tau =", "not TOML"),
        ("[weights]\nctcc = 1", "bad.toml: no setting 'weights.ctcc'; did you mean 'weights.ctc'"),
        ("[optimiser]\nx = 1", "no setting 'optimiser.x'"),
        ("preset = 3", "preset a name or a list of names"),
    ):
        (tmp_path / "bad.toml").write_text(text, "utf-8")
        with pytest.raises(DubbenchError, match=message):
            resolve(str(tmp_path / "bad.toml"))
    with pytest.raises(DubbenchError, match=r"none\.toml: cannot be read"):
        resolve(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_shown_can_be_read_back(name, tmp_path: Path):
    config = replace(configuration(name, "no-st"), name="mine")
    (tmp_path / "mine.toml").write_text(as_toml(config), "utf-8")
    assert resolve(str(tmp_path / "mine.toml")) == config
