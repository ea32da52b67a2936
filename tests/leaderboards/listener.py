"""A listener who is a script: a real Chromium that plays, chooses and goes on, as told."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PLAY = """async () => {
  for (const media of document.querySelectorAll('main video, main audio')) {
    media.muted = true;
    media.playbackRate = 16;
    await media.play();
    await new Promise((done) => media.addEventListener('ended', done, { once: true }));
  }
}"""
"""Every player of the page to its end, at 16 times the speed."""


@contextmanager
def browser(**options: Any) -> Iterator[Any]:
    """A page of a headless Chromium; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
    )
    if not chromium:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as api:
        opened = api.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        try:
            context = opened.new_context(accept_downloads=True, **options)
            page = context.new_page()
            page.set_default_timeout(20000)
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            yield page
            assert not errors, errors
        finally:
            opened.close()


Pick = Callable[[int, str], int]
"""(page from 0, question) -> place of the choice."""


def begin(page: Any, name: str) -> None:
    """Through the first page."""
    page.fill("#who", name)
    page.click("#begin")


def answer(page: Any, number: int, pick: Pick) -> None:
    """Play and answer the page that is shown, with the mouse."""
    page.evaluate(PLAY)
    for question in questions(page):
        page.check(f"#{question}-{pick(number, question)}")


def questions(page: Any) -> list[str]:
    """Names of the questions that the page asks."""
    found = page.eval_on_selector_all("main input[type=radio]", "all => all.map((one) => one.name)")
    return list(dict.fromkeys(found))


def go_on(page: Any, folder: Path) -> Path:
    """The next page; returns the file of answers that it saved."""
    with page.expect_download() as download:
        page.click("#next")
    path = folder / f"{len(list(folder.iterdir())):03d}-{download.value.suggested_filename}"
    download.value.save_as(path)
    return path
