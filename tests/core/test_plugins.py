import pytest
from hypothesis import given
from hypothesis import strategies as st

from dubbench.core.plugins import factory, names, registered_system
from dubbench.core.spec import Spec, parse_spec, plain
from dubbench.errors import DubbenchError


def test_spec_forms() -> None:
    assert parse_spec("delay") == Spec("delay")
    assert parse_spec(" delay ( ms = -40 ) ") == Spec("delay", kwargs=(("ms", -40),))
    assert parse_spec('mine=precomputed(my dubs/x, rule="a,(b)=c")') == Spec(
        "precomputed", ("my dubs/x",), (("rule", "a,(b)=c"),), "mine"
    )
    assert parse_spec("wrong_video(delay(ms=3))") == Spec("wrong_video", (Spec("delay", kwargs=(("ms", 3),)),))
    assert parse_spec("x(true, 0.5, none)").args == (True, 0.5, "none")


values = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())


@given(st.lists(values, max_size=3), st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), values, max_size=3))
def test_a_printed_spec_is_read_back(args: list[object], kwargs: dict[str, object]) -> None:
    spec = Spec("name", tuple(args), tuple(kwargs.items()))
    again = parse_spec(str(spec))
    assert str(again) == str(spec)
    assert parse_spec(str(again)) == again
    assert [str(a) for a in again.args] == [str(a) for a in args]


@pytest.mark.parametrize("text", ["", "a(b", "a)b", "1=2=3", "a b(", "a(b))", "(a)", "a=b=c"])
def test_bad_specs_name_the_form(text: str) -> None:
    with pytest.raises(DubbenchError, match="write it as"):
        parse_spec(text)


@pytest.mark.parametrize("text", ['precomputed("dubs)', 'mine=delay(ms="4)', 'precomputed(dubs, rule="{id})', 'a(b"c)'])
def test_an_open_quote_is_said(text: str) -> None:
    with pytest.raises(DubbenchError, match=r"quote before .+ is not closed; write it as"):
        parse_spec(text)


def test_names_of_earlier_versions_are_the_registered_ones() -> None:
    old = parse_spec("a=wrong-video(wrong-video(espeak-meanspan))")
    assert str(registered_system(old)) == "wrong_video(wrong_video(espeak_meanspan))"
    assert str(registered_system(parse_spec("wrong-video(delay(ms=-40))"))) == "wrong_video(delay(ms=-40))"
    assert registered_system(old).label == "a"
    assert not [name for name in names("systems") if "-" in name and not name.startswith("example-")]


def test_a_spec_is_compared_in_one_spelling() -> None:
    assert plain("wrong-video( delay( ms = -40 ))") == plain("wrong_video(delay(ms=-40))")
    assert plain('p("my-dubs")') != plain('p("my_dubs")') and plain("p(a-b=1)") == "p(a-b=1)"
    assert [plain(label) for label in ("paper wavs", "a=b", "日本")] == ["paperwavs", "a=b", "日本"]


def test_unknown_name_suggests() -> None:
    with pytest.raises(DubbenchError, match="did you mean 'shuffled'"):
        factory("systems", "shufled")


def test_everything_registered_can_be_imported() -> None:
    for group in ("systems", "metrics", "datasets"):
        for name in names(group):  # type: ignore[arg-type]
            assert callable(factory(group, name))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["p(0012)", 'p("12")', 'p("true")', "p(1_000)", "p(-40)", 'p(" a")', 'p("")', "p(a_1)"]
)
def test_a_spec_reads_back_what_it_shows(text):
    spec = parse_spec(text)
    assert parse_spec(str(spec)) == spec


def test_names_are_not_numbers():
    assert parse_spec("p(0012, 1_000, 7, -0.5)").args == ("0012", "1_000", 7, -0.5)
    assert parse_spec('p("12")').args == ("12",)
