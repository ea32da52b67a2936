"""What is refused before anything is dubbed."""

from typing import Any

import pytest

from dubbench.core.spec import Spec, parse_spec
from dubbench.errors import DubbenchError
from dubbench.pipeline.plan import _systems, labels_of

NO_DATA: Any = None  # only espeak_meanspan asks the data set


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_setting_that_no_manifest_can_hold_is_refused(value: str) -> None:
    with pytest.raises(DubbenchError, match=r"delay\(ms=.*finite number"):
        _systems([parse_spec(f"delay(ms={value})")], NO_DATA)


@pytest.mark.parametrize("label", ["=cmd|x", "+1", "-1", "@x", "two\nlines", "a\tb", " ", "\u202eabc"])
def test_a_label_is_no_formula_and_one_line(label: str) -> None:
    with pytest.raises(DubbenchError, match="cannot be a system's label"):
        _systems([Spec("silence", label=label)], NO_DATA)


def test_old_names_get_the_registered_label() -> None:
    assert list(_systems([parse_spec("wrong-video(espeak-lipspan)")], NO_DATA)) == ["wrong_video(espeak_lipspan)"]
    assert labels_of([parse_spec("wrong-video(espeak-lipspan)")]) == ["wrong_video(espeak_lipspan)"]


@pytest.mark.parametrize("label", ["<b>", "Ünser System 2", "日本", "a=b", "x-1"])
def test_other_labels_are_kept(label: str) -> None:
    assert list(_systems([Spec("silence", label=label)], NO_DATA)) == [label]
