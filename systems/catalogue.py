"""The systems of the field, from ``catalogue.toml``: for the page ``docs/systems.md`` and for ``dubbench systems``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

from dubbench.errors import DubbenchError
from dubbench.runtime.spelling import did_you_mean


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Release(_Entry):
    """Finished wavs that authors offer.

    Attributes:
        name: for ``precomputed(FOLDER, release=NAME)``. dataset: of the clips. address: as published.
        rules: how files may be named (`dubbench.systems.precomputed.Precomputed`); ``{setting}`` is ``1`` or ``2``.
        settings: that the archive holds. rate: in Hz, as the code writes them.
    """

    name: str
    dataset: str
    address: str
    rules: tuple[str, ...]
    settings: tuple[str, ...]
    rate: int


class Listed(_Entry):
    """One system of the field; empty fields are unknown. The data file says what each means."""

    name: str
    title: str
    paper: str
    code: str
    commit: str = ""
    state: str
    licence: str
    weights: str
    data: str
    settings: str
    length: str
    here: Literal["own", "adapter", "precomputed", "published", "listed"]
    proven: str
    problems: tuple[str, ...]
    releases: tuple[Release, ...] = ()


HERE = {
    "own": "implemented here",
    "adapter": "adapter: `dubbench systems {name}`",
    "precomputed": "finished wavs",
    "published": "published numbers only",
    "listed": "listed only",
}


@cache
def listed() -> dict[str, Listed]:
    """Name -> system, in the order of the file."""
    text = resources.files("dubbench.systems").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {entry["name"]: Listed.model_validate(entry) for entry in tomllib.loads(text)["system"]}


def release(name: str) -> tuple[Listed, Release]:
    """The release of that name, and the system that made it.

    Raises:
        DubbenchError: there is none.
    """
    known = {r.name: (system, r) for system in listed().values() for r in system.releases}
    if name not in known:
        hint = did_you_mean(name, known) or ";"
        raise DubbenchError(f"no released wavs named {name!r}{hint} there are {', '.join(known)}")
    return known[name]


def page() -> str:
    """``docs/systems.md``."""
    lines = [
        "# Systems of the field",
        "",
        "Made from `systems/catalogue.toml` by `python -m dubbench.systems.catalogue > docs/systems.md`; also shown by",
        "`dubbench systems` and `dubbench systems NAME`. Read from papers and repositories in December 2026. No code, "
        "weight or",
        "wav of theirs is in dubbench.",
        "",
        "| system | code | licence | weights | data | settings | in dubbench |",
        "|---|---|---|---|---|---|---|",
    ]
    for s in listed().values():
        where = f"[{s.state}]({s.code})" if s.code else s.state
        cells = [f"[{s.title}](#{s.name})", where, s.licence, s.weights, s.data, s.settings, place_of(s)]
        lines.append(f"| {' | '.join(cell or '–' for cell in cells)} |")
    for s in listed().values():
        lines += ["", f"## {s.name}", ""]
        facts = {
            "Paper": s.paper,
            "Code": " ".join(filter(None, [s.code, f"at {s.commit}" if s.commit else ""])),
            "Length of its output": s.length,
            "In dubbench": place_of(s),
            "Proven": s.proven,
        }
        lines += [f"- {name}: {text}" for name, text in facts.items() if text]
        lines += [f"- Known: {problem}" for problem in s.problems]
        for r in s.releases:
            said = f"`precomputed(FOLDER, release={r.name}, setting={r.settings[0]})`"
            lines.append(f"- Released wavs: {r.address} ({r.dataset}, {r.rate} Hz, {' and '.join(r.settings)}): {said}")
    return "\n".join(lines) + "\n"


def place_of(system: Listed) -> str:
    """What of a system is in dubbench, in words."""
    return HERE[system.here].format(name=system.name)


if __name__ == "__main__":
    print(page(), end="")
