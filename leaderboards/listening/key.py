"""The key of a test, with the content of every page. It stays with the experimenter and is never published."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening.protocol import Protocol, Value, protocol
from dubbench.runtime.files import write_text

KEY = "key.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shown(_Part):
    """A page of a block.

    Attributes:
        test: index into `Key.tests`. clip: its id.
        systems: labels in the order shown (one, or A and B); a catch trial's begin with ``@``.
        media: their files. reference, original: files beside them; empty if there is none.
        text: the sentence, where it is shown.
        kind: ``repeat`` is a page heard before (``of``: its number in the block).
        expected: of a catch trial: question -> answers that pass.
    """

    test: int
    clip: str
    systems: tuple[str, ...]
    media: tuple[str, ...]
    reference: str = ""
    original: str = ""
    text: str = ""
    kind: Literal["rated", "catch", "repeat"] = "rated"
    of: int | None = None
    expected: dict[str, tuple[Value, ...]] = {}


class Asked(_Part):
    """A test of the export: its protocol's name, the step of its scale, and the system that ``cmos`` compares with."""

    name: str
    step: float = 1.0
    against: str = ""

    @property
    def protocol(self) -> Protocol:
        """The protocol itself."""
        return protocol(self.name, self.step)


class Key(_Part):
    """A whole export.

    Attributes:
        export: its id, also in every answer: 10 hexadecimal digits.
        comparability: the class of the run that its dubs are from.
        systems: label -> kind (``model``, ``control`` …). truth: the label of the ground truth; empty without one.
        lufs: the loudness of all sounds. levels: file -> its own loudness where it could not be brought there.
        check: the file that listeners set their volume with.
        blocks: pages, block after block.
        balance: what the design reached: name -> (least, most), test by test.
        notes: remarks for readers of the results.
    """

    format: Literal["dubbench-listening-1"] = "dubbench-listening-1"
    export: str
    title: str
    seed: int
    comparability: str
    tests: tuple[Asked, ...]
    systems: dict[str, str]
    truth: str = ""
    lufs: float
    levels: dict[str, float] = {}
    check: str
    blocks: tuple[tuple[Shown, ...], ...]
    balance: tuple[dict[str, tuple[int, int]], ...] = ()
    notes: tuple[str, ...] = ()


def write_key(folder: Path, key: Key) -> None:
    """Write ``key.json``."""
    write_text(folder / KEY, key.model_dump_json(indent=1) + "\n")


def read_key(folder: Path) -> Key:
    """Read the key of an export's folder (or the file itself).

    Raises:
        DubbenchError: no key there, or none of this version.
    """
    path = folder if folder.is_file() else folder / KEY
    if not path.is_file():
        raise DubbenchError(f"{folder}: no {KEY} there; give the --out folder of dubbench mos export")
    try:
        return Key.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DubbenchError(
            f"{path}: not the key of a listening test ({where}: {first['msg']}); export again"
        ) from error
