"""The board in a real Chromium: for everybody, with keys alone, on a phone, by a link; skipped where there is none."""

from pathlib import Path
from typing import Any

import pytest
from fake_run import build
from listener import browser

from dubbench.leaderboards.board import write_board


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of two tables with players."""
    folder = tmp_path_factory.mktemp("page")
    runs = [build(folder / "a", clips=12), build(folder / "b", clips=12, setting="1.0")]
    return write_board(runs, folder / "out", players=4)


def drawn(page: Any) -> None:
    """Wait until the parts that are made when they are looked at are there."""
    for part in ("[data-player]", "[data-clips]", "[data-pairs]"):
        page.locator(f".sheet:not([hidden]) {part}").scroll_into_view_if_needed()
    page.wait_for_selector(".sheet:not([hidden]) .pairs td.even, .sheet:not([hidden]) .pairs td.good")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_axe_finds_nothing_serious(page: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with browser(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True) as opened:
        opened.goto(page.as_uri())
        drawn(opened)
        found = axe.Axe().run(opened).response["violations"]
        serious = {
            v["id"]: [n["html"][:200] for n in v["nodes"][:3]] for v in found if v["impact"] in ("serious", "critical")
        }
        assert serious == {}
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_every_number_is_reached_by_keyboard(page: Path) -> None:
    with browser() as opened:
        opened.goto(page.as_uri())
        first = opened.locator("#t1-ranking table [tabindex='0'][data-tip]:is(td)").first
        first.focus()
        seen = set()
        for key in ["ArrowRight"] * 5 + ["ArrowDown"] + ["ArrowLeft"] * 5:
            seen.add(opened.inner_text("#tip"))
            opened.keyboard.press(key)
        assert len(seen) >= 6 and all("95 % interval" in tip for tip in seen)
        assert opened.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
        opened.focus("#tab-t1")
        opened.keyboard.press("ArrowRight")
        assert opened.is_visible("#t2") and not opened.is_visible("#t1")
        assert opened.get_attribute("#tab-t2", "aria-selected") == "true"
        assert opened.get_attribute("#t2", "role") == "tabpanel"


def test_a_link_opens_its_clip_and_system(page: Path) -> None:
    with browser() as opened:
        opened.goto(page.as_uri())
        drawn(opened)
        opened.locator("#t1 .chip").nth(1).click()
        opened.locator("#t1 .pick").nth(1).click()
        link = opened.get_attribute("#t1 .transport a", "href")
        name = opened.inner_text("#t1 .track.on b")
        clip = opened.inner_text("#t1 .chip[aria-pressed=true]").split("\n")[0]
    with browser() as opened:
        opened.goto(page.as_uri() + link)
        assert opened.inner_text("#t1 .track.on b") == name
        assert opened.get_attribute("#t1 .track.on .pick", "aria-pressed") == "true"
        assert opened.inner_text("#t1 .chip[aria-pressed=true]").split("\n")[0] == clip


def test_clips_are_filtered_and_two_systems_stand_side_by_side(page: Path) -> None:
    with browser() as opened:
        opened.goto(page.as_uri())
        drawn(opened)

        def count(text: str) -> str:
            opened.fill("#t1 input.filter", text)
            return str(opened.inner_text("#t1 .cliplist [role=status]"))

        assert count("speaker=s1") == "4 of 12 clips" and count("-speaker=s1") == "8 of 12 clips"
        assert count("speaker=s1 -speaker=s1") == "0 of 12 clips"
        low, high, every = (int(count(f"model-b:SECS{end}").split()[0]) for end in ("<80", ">=80", ">0"))
        assert low + high == every == 12 and low and high
        assert (
            count('no=dub "paper wavs:no=dub"') == "0 of 12 clips" and count('"paper wavs:no=dub"') == "2 of 12 clips"
        )
        assert count("nosuch>1") == "no column “nosuch”" and count("secs>x") == "“secs>x” lacks a number"
        count("")
        opened.get_by_label("against").first.select_option(label="model-b")
        heads = opened.locator("#t1 table.clips th[scope=col]").all_inner_texts()
        assert heads == ["Clip", "Sentence", "model-a", "model-b", "difference"]
