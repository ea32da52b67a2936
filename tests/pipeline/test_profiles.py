"""Which metrics belong to a run: profiles known without making a metric, and one column once."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dubbench.api import run_to_board
from dubbench.cli.listing import list_metrics
from dubbench.core import plugins
from dubbench.core.metric import Column, Mean, MetricBase, MetricInfo, Stats, Unscored
from dubbench.errors import DubbenchError
from dubbench.pipeline import components, plan


class Usual(MetricBase):
    """States nothing: offline."""

    columns = (Column(name="A", direction="up", aggregate=Mean(value="a")),)

    def __init__(self) -> None:
        self.info = MetricInfo(name="usual", recipe="usual")

    def score(self, item: object) -> Stats | Unscored:
        return {"a": 1.0}


class Heavy(Usual):
    """Only in the paper's set, and its weights are not here."""

    profiles = frozenset({"paper"})
    assets = ("s3fd",)

    def __init__(self) -> None:
        raise DubbenchError("s3fd is not here; dubbench assets fetch s3fd brings it")


class Asked(Usual):
    """In no set: only with -m. Gives the same column as Usual."""

    profiles = frozenset[str]()


class Both(Usual):
    profiles = frozenset({"offline", "paper"})
    columns = (Column(name="B", direction="up", aggregate=Mean(value="a")),)


class OldForm(Usual):
    """A plugin that states its profile in its info."""

    info = MetricInfo(name="old", recipe="old", profiles=frozenset({"mine"}))

    def __init__(self) -> None:
        pass


METRICS = {"usual": "Usual", "heavy": "Heavy", "asked": "Asked", "both": "Both", "old": "OldForm"}


@pytest.fixture(autouse=True)
def only_these(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {n: EntryPoint(n, f"{__name__}:{c}", "dubbench.metrics") for n, c in METRICS.items()}
    monkeypatch.setattr(plugins, "_entries", lambda group: entries)


def test_a_metric_of_another_profile_is_not_spoken_of() -> None:
    found, broken = components.metrics_of("offline")
    assert list(found) == ["both", "usual"] and broken == []


def test_a_metric_of_this_profile_that_cannot_be_made_is_left_out() -> None:
    found, broken = components.metrics_of("paper")
    assert list(found) == ["both"]
    assert broken == ["left out: metric 'heavy': s3fd is not here; dubbench assets fetch s3fd brings it"]


def test_profiles_are_known_without_making_it_and_entered_into_its_info() -> None:
    assert components.profiles_of("heavy") == {"paper"} and plugins.assets_of("heavy") == ("s3fd",)
    assert components.profiles_of("usual") == {"offline"} and plugins.assets_of("usual") == ()
    assert components.profiles_of("asked") == frozenset() and components.profiles_of("old") == {"mine"}
    assert components.make_metric("both").info.profiles == {"offline", "paper"}
    assert list(components.metrics_of("mine")[0]) == ["old"]


def test_a_metric_that_cannot_be_made_is_listed_with_what_its_class_says() -> None:
    row = {row["name"]: row for row in list_metrics()}["heavy"]
    assert (row["columns"], row["profiles"]) == ("A", "paper") and row["summary"].startswith("unusable: s3fd is not")


def test_one_column_twice_is_refused() -> None:
    with pytest.raises(DubbenchError, match="metrics 'usual' and 'asked' both give the column 'A', and a table has it"):
        components.metric_entries("offline", ["usual", "asked"])
    entries, _ = components.metric_entries("offline", ["asked", "both"])
    assert list(entries) == ["asked", "both"]


def test_a_profile_whose_metrics_all_lack_something_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "names", lambda group: ["heavy"])
    with pytest.raises(DubbenchError, match="no metric of profile 'paper' can be made; left out: metric 'heavy': s3fd"):
        components.metric_entries("paper", [])
    with pytest.raises(DubbenchError, match="no metric belongs to profile 'none'"):
        components.metric_entries("none", [])


def test_all_lacking_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    monkeypatch.setattr(Heavy, "assets", ("syncnet-v2", "s3fd"))
    line = "syncnet-v2 and s3fd are not here; dubbench assets fetch syncnet-v2 s3fd --convert brings them"
    with pytest.raises(DubbenchError, match=f"^metric 'heavy': {line}$"):
        components.metric_entries("offline", ["heavy"])
    with pytest.raises(DubbenchError, match="no metric named 'heavi'; did you mean"):
        components.metric_entries("offline", ["heavi"])
    assert components.metrics_of("paper")[1] == [f"left out: metric 'heavy': {line}"]


def test_the_one_command_is_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUBBENCH_ASSETS", str(tmp_path))
    components._tell_of_weights.cache_clear()
    for profile in ("offline", "paper", "paper"):
        components.metric_entries(profile, [])
    line = "no weights for heavy of profile 'paper'; dubbench assets fetch --profile paper --convert brings them"
    assert capsys.readouterr() == ("", f"dubbench: {line}\n")


def test_metrics_are_looked_up_before_a_data_set_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plan, "open_dataset", lambda *_: pytest.fail("the data set was opened"))
    cell, resources = plan.Cell("toon", metrics=("nosuch",)), plan.Resources()
    for verb in (
        lambda: run_to_board.run_cell(cell, {}, [], tmp_path / "run", resources),
        lambda: run_to_board.validate(cell, {}, tmp_path / "run", tmp_path / "page.md", resources),
    ):
        with pytest.raises(DubbenchError, match="no metric named 'nosuch'"):
            verb()
    assert not list(tmp_path.iterdir())
