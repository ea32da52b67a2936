"""The page in a real Chromium, from the first click to analysed answers."""

import json
from pathlib import Path

import pytest
from listener import PLAY, answer, begin, browser, go_on, questions
from listening_run import listening_sheet, small_test

from dubbench.leaderboards.listening import codes
from dubbench.leaderboards.listening.analysis import analyse
from dubbench.leaderboards.listening.answers import collect
from dubbench.leaderboards.listening.reading import read_answers
from dubbench.leaderboards.listening.screening import Rules

pytest.importorskip("pyloudnorm")


def test_from_first_click_to_analysed_answers(tmp_path: Path) -> None:
    """A phone, with a reload in the middle; what the page saves is what was chosen."""
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "mos-s", "ab", pages=2, repeats=0)
    saved = tmp_path / "answers"
    saved.mkdir()
    block = key.blocks[1]

    def pick(number: int, question: str) -> int:
        expected = block[number].expected.get(question)
        if expected:
            choices = [value for value, _ in key.tests[block[number].test].protocol.question(question).choices]
            return choices.index(expected[0])
        return number % 3

    with browser(viewport={"width": 360, "height": 740}) as page:
        page.goto(f"{(tmp_path / 'test/page/index.html').as_uri()}?block=2")
        begin(page, "ann")
        page.click("#next")
        assert "play" in page.inner_text("#say")
        for number in range(len(block)):
            assert page.evaluate("document.documentElement.scrollWidth") <= 360
            answer(page, number, pick)
            if number == 2:
                page.reload()
                assert f"Page {number + 1} of {len(block)}" in page.inner_text("#count")
                assert page.is_checked(f"#{questions(page)[0]}-{pick(number, questions(page)[0])}")
            last = go_on(page, saved)
        line = page.input_value("#code")
        assert page.inner_text("#completion") == codes.completion(line)
        page.reload()  # the end stays the end
        assert page.input_value("#code") == line
    assert len(list(saved.iterdir())) == len(block)
    told = json.loads(last.read_text())
    assert told["code"] == line and told["finished"] and told["participant"] == "ann"
    (tmp_path / "codes.csv").write_text(line)
    for source in (saved, tmp_path / "codes.csv"):
        found, problems = read_answers(key, [source])
        result = analyse(key, collect(key, found), Rules())
        assert result.kept == {"ann"} and not problems
        assert result.listeners[0].passed == result.listeners[0].catches == 2
        rated = [page for page in block if page.kind == "rated"]
        assert len(result.votes) == sum(len(key.tests[page.test].protocol.questions) for page in rated)


def test_keyboard_only(tmp_path: Path) -> None:
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "mos-n", pages=2, catches=0, repeats=0)
    with browser() as page:
        page.goto(f"{(tmp_path / 'test/page/index.html').as_uri()}?block=1&id=eve")
        for _ in range(12):  # to the button that begins
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "begin":
                break
        page.keyboard.press("Enter")
        for number in range(2):
            assert page.inner_text("#count") == f"Page {number + 1} of 2"
            page.keyboard.press("p")
            page.wait_for_selector("text=✓ played")
            page.keyboard.press("4")
            assert page.is_checked("#naturalness-3")
            page.keyboard.press("ArrowRight")
            with page.expect_download():
                page.keyboard.press("Enter")
        line = page.input_value("#code")
    assert codes.decode(line) == (key.export, 1, "eve", [4, 4])


def test_a_video_that_cannot_be_played_does_not_stop_the_test(tmp_path: Path) -> None:
    key = small_test(listening_sheet(tmp_path / "run"), tmp_path / "test", "mos-n", pages=2, catches=0, repeats=0)
    (tmp_path / "test/page/media" / key.blocks[0][0].media[0]).write_bytes(b"no video")
    with browser() as page:
        page.goto(f"{(tmp_path / 'test/page/index.html').as_uri()}?block=1")
        begin(page, "")
        page.wait_for_selector("text=cannot be played")
        with page.expect_download():
            page.click("#next")
        assert page.inner_text("#count") == "Page 2 of 2"
        page.evaluate(PLAY)
