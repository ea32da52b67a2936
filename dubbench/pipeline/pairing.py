"""Settings: a reference voice for every clip, as frozen pairing tables with a digest.

- 1.0: the clip's own sound.
- 2.0: another clip of the same speaker that says another sentence.
- 3.0: a voice from outside the data set (a folder of wavs).
- a table from elsewhere (CSV with ``clip,reference``, or a list of the field): its own class, named after the file.

A pairing depends on clip ids, speakers, sentences and the names of the candidates alone: not on the run's seed, the
machine or the order of files. The choice among candidates is the one whose sha256 with the clip's id is smallest
(rendezvous hashing), so that a missing candidate changes only the clips that had drawn it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dubbench.core.clip import Clip
from dubbench.datasets.table import pair_columns, read_table, read_text
from dubbench.datasets.walk import VIDEO_SUFFIXES
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import digest, rows_digest

SETTINGS = ("1.0", "2.0", "3.0")
T = TypeVar("T")
_SOUND = {".wav", ".flac", ".ogg"}


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference of one clip: another ``clip``'s sound, or a ``file``; or ``problem``, why there is none."""

    clip: str = ""
    file: Path | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        """What the pairing table holds: the clip's id or the file's name."""
        return self.clip or (self.file.name if self.file else "")


@dataclass(frozen=True, slots=True)
class Pairing:
    """A pairing table: ``setting`` names it, ``references`` has one `Reference` a clip id."""

    setting: str
    references: dict[str, Reference]

    @property
    def digest(self) -> str:
        """12 hex digits over the rows (clip, reference name)."""
        return rows_digest((clip, self.references[clip].name) for clip in sorted(self.references))


def pair(
    clips: Sequence[Clip], pool: Sequence[Clip], setting: str, voices: Path | None = None, wider: Sequence[Clip] = ()
) -> Pairing:
    """The pairing table of a setting.

    Args:
        clips: the clips to dub.
        pool: the clips that references are drawn from in Setting 2.0 (the whole split).
        setting: ``1.0``, ``2.0`` or ``3.0``.
        voices: folder of reference wavs, for 3.0.
        wider: the clips of the whole data set, for a clip whose speaker has no other sentence in ``pool``.

    Raises:
        DubbenchError: unknown setting, or 3.0 without a folder of voices.
    """
    if setting == "1.0":
        return Pairing(setting, {c.id: Reference(clip=c.id) for c in clips})
    if setting == "2.0":
        return Pairing(setting, another_clip(clips, pool, wider))
    if setting == "3.0":
        files = _voices(voices)
        return Pairing(setting, {c.id: Reference(file=_draw(c.id, files, lambda f: f.name)) for c in clips})
    raise DubbenchError(f"no setting {setting!r}; there are {', '.join(SETTINGS)}, or --pairing TABLE")


NO_SPEAKER = "Setting 2.0 needs the clip's speaker, and it is unknown; fill it in, or use another setting"


def another_clip(clips: Iterable[Clip], pool: Sequence[Clip], wider: Sequence[Clip] = ()) -> dict[str, Reference]:
    """For each clip another clip of the same speaker with another sentence (Setting 2.0): of ``pool``, else of
    ``wider``."""
    voices, more = _by_speaker(pool), _by_speaker(wider)
    chosen: dict[str, Reference] = {}
    for clip in clips:
        if not clip.speaker:
            chosen[clip.id] = Reference(problem=NO_SPEAKER)
            continue
        words = clip.text.lower().split()
        for candidates in (voices, more):
            others = [c for c in candidates[clip.speaker] if c.id != clip.id and c.text.lower().split() != words]
            if others:
                chosen[clip.id] = Reference(clip=_draw(clip.id, others, lambda c: c.id).id)
                break
        else:
            chosen[clip.id] = Reference(
                problem=f"Setting 2.0 needs another clip of speaker {clip.speaker} with another sentence, and there is "
                "none; add one, or use another setting"
            )
    return chosen


def _by_speaker(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    voices: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        voices[clip.speaker].append(clip)
    return voices


def load_table(table: Path, clips: Sequence[Clip], pool: Sequence[Clip], voices: Path | None = None) -> Pairing:
    """A pairing table from elsewhere.

    Either CSV with the columns ``clip`` and ``reference``, as `dubbench.datasets.table.read_table` reads it, or the
    field's lists of four or five columns (``.txt``, `dubbench.datasets.table.pair_columns`). A reference is a clip id,
    a sound file beside the table, or a recording in ``voices``: by its name (``s31-pgab1a.wav``), or in its speaker's
    folder (``s31/pgab1a.mpg``). What such a list says of clips that are not dubbed is passed over.

    Raises:
        DubbenchError: unreadable, without the two columns, or with a clip or reference that is not there, or a clip
            with two references.
    """
    known = {c.id for c in pool}
    wanted = {c.id for c in clips}
    lists = table.suffix.lower() == ".txt"
    given: dict[str, Reference] = {}
    named: dict[str, str] = {}
    for clip, name, where in _list_rows(table) if lists else _table_rows(table):
        if lists and clip not in wanted:
            continue
        reference = Reference(clip=name) if name in known else Reference(file=_recording(name, table.parent, voices))
        if not reference.name:
            what = f"no clip{', no recording in ' + str(voices) if voices else ''} and no sound file beside the table"
            if not lists:
                raise DubbenchError(f"{where}: {what} named {name!r}; correct it")
            reference = Reference(problem=f"{where}: {what} named {name!r}; add it, or give --voices FOLDER")
        given.setdefault(clip, reference)
        if named.setdefault(clip, name) != name:
            cure = "; dubbench data import-list makes one table a voice of such a list" if lists else "; remove one"
            raise DubbenchError(f"{where}: clip {clip!r} has two references{cure}")
    missing = Reference(problem=f"the pairing table {table.name} has no row for this clip; add one")
    return Pairing(f"table:{table.stem}", {c.id: given.get(c.id, missing) for c in clips})


def _table_rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """Clip, reference and place of each row of a CSV."""
    rows, problems = read_table(table, ("clip", "reference"))
    for problem in problems:
        raise DubbenchError(f"{table.parent / problem.clip}: {problem.what}")
    for row in rows:
        yield row["clip"], row["reference"], str(table.parent / row.where)


def _list_rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """The same of a list of the field."""
    for number, line in enumerate(read_text(table).split("\n"), 1):
        if line.strip():
            yield *pair_columns(line, f"{table} line {number}"), f"{table} line {number}"


def _recording(name: str, beside: Path, voices: Path | None) -> Path | None:
    """The sound file of that name beside a table, or the recording in a folder of voices; None if there is none."""
    if "\0" in name or not name:
        return None
    path = (beside / name).resolve()
    if path.suffix.lower() in _SOUND and path.is_relative_to(beside.resolve()) and path.is_file():
        return path
    speaker, _, clip = name.partition("-")
    for stem in (name, f"{speaker}/{name}", f"{speaker}/{clip}") if voices else ():
        for suffix in ("", *sorted(_SOUND | VIDEO_SUFFIXES)):
            path = voices / f"{stem}{suffix}"  # type: ignore[operator]
            inside = path.resolve().is_relative_to(voices.resolve())  # type: ignore[union-attr]
            if path.suffix.lower() in _SOUND | VIDEO_SUFFIXES and inside and path.is_file():
                return path
    return None


def _voices(folder: Path | None) -> list[Path]:
    if folder is None:
        raise DubbenchError("Setting 3.0 takes its references from outside the data set: give --voices FOLDER of wavs")
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in _SOUND and f.is_file())
    if not files:
        raise DubbenchError(f"{folder}: no wav, flac or ogg files there for --voices")
    return files


def _draw(clip: str, candidates: Sequence[T], name: Callable[[T], str]) -> T:
    return min(candidates, key=lambda c: digest([clip, name(c)]))
