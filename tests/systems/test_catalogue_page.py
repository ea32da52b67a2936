"""The systems of the field: the page is what the data file makes of itself, and the listing shows all of them."""

from pathlib import Path

import pytest

from dubbench.cli.listing import list_systems, show_system
from dubbench.errors import DubbenchError
from dubbench.systems.catalogue import listed, page, release

SEVEN = ("v2c_net", "hpmdubbing", "styledubber", "speaker2dubber", "produbber", "emodubber", "diflowdubber")


def test_the_page_is_up_to_date() -> None:
    path = Path(__file__).parents[2] / "docs" / "systems.md"
    assert path.read_text(encoding="utf-8") == page(), "run: python -m dubbench.systems.catalogue > docs/systems.md"


def test_every_system_of_the_paper_is_listed_with_its_state() -> None:
    rows = {row["name"]: row for row in list_systems()}
    assert all(rows[name]["state"] for name in SEVEN)
    assert set(rows) >= set(listed()) and len({frozenset(row) for row in rows.values()}) == 1
    assert show_system("v2c_net")["commit"] == show_system("v2c-net")["commit"] == "12a156c"
    assert show_system("hd-dubber") == show_system("hd_dubber")
    assert all(entry.code.startswith("https://") or not entry.code for entry in listed().values())


def test_releases() -> None:
    system, found = release("emodubber-chem")
    assert (system.name, found.dataset, found.settings) == ("emodubber", "chem", ("1.0", "2.0"))
    with pytest.raises(DubbenchError, match="there are speaker2dubber, emodubber-chem"):
        release("nothing-like-it")
