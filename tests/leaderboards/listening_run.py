"""A run with reference voices, as a listening test needs it, and a small test of it."""

from __future__ import annotations

from pathlib import Path

from fake_run import RATE, Fake, build, fakes, tone

from dubbench.leaderboards.listening.export import Wishes, export
from dubbench.leaderboards.listening.key import Asked, Key
from dubbench.leaderboards.listening.page import write_page
from dubbench.leaderboards.sheet import Sheet, sheets
from dubbench.pipeline.prepare import sound_file
from dubbench.pipeline.store import read_manifest, read_run, write_manifest
from dubbench.runtime.digests import digest
from dubbench.signal.media import write_wav


def listening_sheet(folder: Path, clips: int = 6, systems: dict[str, Fake] | None = None) -> Sheet:
    """A sheet of made-up dubs of 0.48 s whose reference voices are there."""
    build(folder, clips=clips, systems=systems or fakes())
    manifest = read_manifest(folder)
    rows = tuple(row.model_copy(update={"reference_digest": digest(["ref", row.id])}) for row in manifest.clips)
    for i, row in enumerate(rows):
        write_wav(sound_file(folder / "work", row.reference_digest), tone(150 + 9 * i, 0.6), RATE)
    write_manifest(folder, manifest.model_copy(update={"clips": rows}))
    return sheets([read_run(folder)])[0]


def small_test(sheet: Sheet, out: Path, *names: str, **wishes: object) -> Key:
    """An export with its page."""
    told = {
        "listeners": 6,
        "pages": 4,
        "clips": 4,
        "catches": 1,
        "repeats": 1,
        "systems": ("model-a", "model-b"),
        **wishes,
    }
    key = export(sheet, Wishes(tuple(Asked(name=name) for name in names), **told), out)  # type: ignore[arg-type]
    write_page(out / "page", key)
    return key
