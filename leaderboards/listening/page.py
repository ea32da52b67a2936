"""The page for listeners: one HTML file with everything but the videos, from disk or any web server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dubbench.leaderboards.data import script_json
from dubbench.leaderboards.listening.key import Key, Shown
from dubbench.runtime.files import write_text


def public(key: Key, collect: str = "") -> dict[str, Any]:
    """What the page may know: files and questions, no name of a system, no kind of a page."""
    return {
        "export": key.export,
        "title": key.title,
        "check": key.check,
        "collect": collect,
        "tests": [
            {
                "says": asked.protocol.says,
                "sides": asked.protocol.sides,
                "questions": [{"name": q.name, "asks": q.asks, "choices": q.choices} for q in asked.protocol.questions],
            }
            for asked in key.tests
        ],
        "blocks": [[_page(shown) for shown in block] for block in key.blocks],
    }


def _page(shown: Shown) -> dict[str, Any]:
    found = {"t": shown.test, "m": shown.media, "r": shown.reference, "o": shown.original, "x": shown.text}
    return {name: value for name, value in found.items() if value or name == "t"}


def write_page(folder: Path, key: Key, collect: str = "") -> Path:
    """Write ``index.html``; ``collect`` is an address that answers are sent to after every page, empty for none."""
    from jinja2 import Environment, PackageLoader
    from markupsafe import Markup

    loader = PackageLoader("dubbench.leaderboards.listening", "html")
    environment = Environment(loader=loader, autoescape=True, keep_trailing_newline=True)

    def part(name: str) -> Markup:
        text, _, _ = loader.get_source(environment, name)
        return Markup(text)

    text = environment.get_template("page.html").render(
        title=key.title,
        style=part("listen.css"),
        script=part("listen.js"),
        data=Markup(script_json(public(key, collect))),
    )
    write_text(folder / "index.html", text)
    return folder / "index.html"
