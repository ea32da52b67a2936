"""GRID's train and test lists: ProDubber's, the only public ones, or a split by hash in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from dubbench.datasets.selection import known_id, place, read_ids

SPEAKER = re.compile(r"s(?:[1-9]|[12][0-9]|3[0-4])", re.IGNORECASE)


@dataclass(frozen=True)
class Published:
    """How to know a published list: its file names, its number of ids, and `list_digest` of them."""

    names: tuple[str, ...]
    count: int
    digest: str


PUBLISHED = {
    "test": Published(
        ("grid_produbber_test.txt", "Grid_val.txt"),
        3300,
        "ea2da4a19a16a813978cb947e45c90ec116b4775bf1fe4c61fec5835f8846a10",
    ),
    "train": Published(
        ("grid_produbber_train.txt", "Grid_train.txt"),
        29694,
        "d4babd63957f17d3ab484174089e47b839f02290a98672b295a471afa6c5e316",
    ),
}
HOW_TO_GET = "put Data/Grid_train.txt and Data/Grid_val.txt of github.com/ZZDoog/ProDubber into the data set's folder"
TEST_SHARE = 0.1
SEED = "grid-test-0"


def list_digest(ids: Iterable[str]) -> str:
    """sha256 (hex) of the ids, sorted, one a line."""
    return sha256("".join(f"{clip}\n" for clip in sorted(ids)).encode()).hexdigest()


def hashed_split(name: str, ids: Iterable[str]) -> list[str]:
    """``test``: about a tenth of ``ids``, by a hash of each; ``train``: the others. Others present change nothing."""
    return [clip for clip in ids if (place(clip, SEED) < TEST_SHARE) == (name == "test")]


class PublishedLists:
    """The published lists, if their files lie in ``root``, ``root/splits`` or ``root/../splits``.

    They may be gzipped (``.txt.gz``) and are read in any notation `dubbench.datasets.selection.known_id` understands.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _found(self) -> dict[str, tuple[Path, list[str]]]:
        found = {}
        for split, published in PUBLISHED.items():
            for folder in (self.root, self.root / "splits", self.root.resolve().parent / "splits"):
                paths = [folder / f"{name}{end}" for name in published.names for end in ("", ".gz")]
                path = next((p for p in paths if p.is_file()), None)
                if path is not None:
                    found[split] = (path, [known_id(entry) for entry in read_ids(path)])
                    break
        return found

    def ids(self, split: str) -> list[str] | None:
        """The ids of ``split`` in the file's order; None if there is no file."""
        return self._found[split][1] if split in self._found else None

    def note(self, split: str) -> str:
        """What the list is, held against the published one; or what stands in its place."""
        if split not in self._found:
            if split == "train" and "test" in self._found:
                return "train: every clip that is not on the test list (the published train list is not here)"
            return f"{split}: a tenth by hash, not the published list; for that, {HOW_TO_GET}"
        path, ids = self._found[split]
        published = PUBLISHED[split]
        if list_digest(ids) == published.digest:
            return f"{split}: published list ({published.count:,} clips, ProDubber), verified"
        if len(ids) != published.count:
            return f"{split}: {path.name} has {len(ids):,} clips, the published list {published.count:,}: another list"
        return f"{split}: {path.name} has {len(ids):,} clips as the published list, but other ones (digest differs)"
