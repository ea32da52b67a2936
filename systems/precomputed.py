"""Finished dubs: a folder of sound files, one a clip, with names that follow a rule."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath

from dubbench.core.request import Dub, DubRequest, Failure
from dubbench.core.system import SystemBase, SystemInfo
from dubbench.errors import DubbenchError, one_line
from dubbench.runtime.digests import digest, file_digest
from dubbench.runtime.provenance import versions
from dubbench.signal.media import read_audio_native
from dubbench.systems.catalogue import release as find_release

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff",
            ".mp4", ".mkv", ".mov", ".webm", ".avi", ".mpg")  # fmt: skip
"""What is taken for a dub, the better first where a clip has several."""

AUTO = (
    "{id}",
    "{name}",
    "{speaker}/{id}",
    "{speaker}/{name}",
    "wav_pred_{id}",
    "wav_pred_{name}",
    "pred_{id}",
    "pred_{name}",
    "{speaker}/wav_pred_{id}",
    "{speaker}/wav_pred_{name}",
    "{id}_pred",
    "{id}_gen",
)
"""Rules that ``auto`` tries: those of the published dubbing repositories (``wav_pred_`` of HPMDubbing, StyleDubber,
Speaker2Dubber and ProDubber; EmoDubber's plain id) and other usual ones."""

_FIELD = re.compile(r"\{(id|name|speaker|video|number)\}")


class Precomputed(SystemBase):
    """A folder of finished dubs.

    A rule is a path inside the folder with ``{id}`` (the clip's id, ``s1-bbaf2n``), ``{speaker}`` (what stands before
    its first hyphen, ``s1``) and ``{name}`` (what stands after it, ``bbaf2n``; the id where it has none), with or
    without a suffix: ``wav_pred_{id}.wav``, ``{speaker}/{name}``; ``{video}`` and ``{number}`` stand before and after
    the last hyphen (``RiM5aSvaNkg-00002``), and a ``*`` for any part of a folder's name. ``auto`` takes the file that
    any rule of `AUTO` finds for a clip; a clip for which they find different files fails, and names two of them. Only
    files in the folder are read: a link that leads out of it is passed over.

    Args:
        folder: where the files lie.
        rule: how they are named.
        release: the published archive that they are out of (``emodubber-grid`` …, `dubbench.systems.catalogue`), whose
            rules are tried.
        setting: under which setting they were made; a run under another one is refused.

    Raises:
        DubbenchError: no such folder, one that cannot be read or holds no sound, a rule that names no clip or leads
            out of it, an unknown release, or a setting that it does not hold.
    """

    def __init__(
        self, folder: str | Path, rule: str = "auto", release: str = "", setting: str | float | None = None
    ) -> None:
        self.folder = Path(str(folder)).expanduser()
        if not self.folder.is_dir():
            raise DubbenchError(f"precomputed: {self.folder}: no such folder of dubs; correct the path")
        self.rule = str(rule)
        if self.rule != "auto":
            _check(self.rule)
        declared = "" if setting is None else str(setting)
        paper = licence = ""
        self._tried: tuple[str, ...] = AUTO if self.rule == "auto" else (self.rule,)
        if release:
            declared, paper, licence = self._of(release, declared)
        self._files = _list(self.folder)
        self._shared: dict[Path, tuple[str, str]] = {}
        self.info = SystemInfo(
            name="precomputed",
            version=_state(self.folder, self._files),  # the files' bytes, wherever the folder lies
            kind="precomputed",
            summary=f"finished dubs in {self.folder.resolve().name}",
            settings={
                "rule": self.rule,
                **({"release": release} if release else {}),
                **({"setting": declared} if declared else {}),
                **versions("av", "soundfile"),  # what decodes them
            },
            paper=paper,
            licence=licence,
        )

    def _of(self, name: str, setting: str) -> tuple[str, str, str]:
        """The setting of a release, and the paper and licence of its system."""
        system, release = find_release(name)
        if setting not in release.settings and (setting or len(release.settings) > 1):
            raise DubbenchError(
                f"precomputed: {name} holds Setting {' and '.join(release.settings)}; say which with setting="
            )
        setting = setting or release.settings[0]
        if self.rule == "auto":
            self._tried = tuple(rule.replace("{setting}", setting[0]) for rule in release.rules)
        return setting, system.paper, system.licence

    def expects(self, clips: Sequence[str]) -> None:
        """Told all clips of the run: a file that the rules give to two of them is neither's."""
        owners: dict[Path, str] = {}
        for clip in clips:
            for rule in self._rules():
                path = None
                with suppress(DubbenchError):  # told where the clip is dubbed
                    path = _lookup(self._files, _fill(rule, clip))
                if path is not None and owners.setdefault(path, clip) != clip:
                    self._shared[path] = (owners[path], clip)

    def dub(self, requests: Sequence[DubRequest]) -> Iterator[Dub | Failure]:
        """The file of each clip, at its own rate."""
        for request in requests:
            try:
                path = self.find(request.clip)
                if path is None:
                    raise DubbenchError(self._missing(request.clip))
                samples, rate = read_audio_native(path, as_stated=True)
            except DubbenchError as error:
                yield Failure(request.clip, one_line(error))
                continue
            yield Dub(request.clip, samples, rate, extras={"file": path.relative_to(self.folder).as_posix()})

    def find(self, clip: str) -> Path | None:
        """The file of one clip; None if it has none.

        Raises:
            DubbenchError: two rules find different files, or the file is another clip's already.
        """
        hits: dict[Path, str] = {}
        for rule in self._rules():
            path = _lookup(self._files, _fill(rule, clip))
            if path is not None:
                hits.setdefault(path, rule)
        if not hits:
            return None
        (path, first), *others = hits.items()
        if others:
            raise DubbenchError(
                f"{self.folder} has two files for clip {clip}: {path.relative_to(self.folder)} (rule {first}) and "
                f"{others[0][0].relative_to(self.folder)} (rule {others[0][1]}); say which with rule="
            )
        if path in self._shared:
            one, other = self._shared[path]
            raise DubbenchError(
                f"{path}: by the rule {first} it belongs to both clips {one} and {other}; name files after whole ids"
            )
        return path

    def _rules(self) -> tuple[str, ...]:
        return self._tried

    def _missing(self, clip: str) -> str:
        looked = list(dict.fromkeys(_fill(rule, clip) for rule in self._rules()))
        more = f" and {len(looked) - 4} more" if len(looked) > 4 else ""
        return (
            f"no file for clip {clip} in {self.folder} (looked for {', '.join(looked[:4])}{more}); put it there, or "
            "say with rule= how files are named"
        )


class Index(dict[str, dict[str, Path]]):
    """Path in the folder without suffix -> suffix -> file."""

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Name without folder and suffix -> keys."""
        found: dict[str, list[str]] = {}
        for key in self:
            found.setdefault(key.rpartition("/")[2], []).append(key)
        return found


def _state(folder: Path, files: Index) -> str:
    """Changes when a file is added, removed or written: a run that is resumed then reads the folder again."""
    rows = []
    for group in files.values():
        for path in group.values():
            rows.append((path.relative_to(folder).as_posix(), file_digest(path)))
    return digest(sorted(rows))[:12]


def _list(folder: Path) -> Index:
    """The sound files below a folder."""

    def refuse(error: OSError) -> None:
        raise DubbenchError(f"{folder}: cannot be read ({error.strerror or error}); check its permissions") from error

    inside = folder.resolve()
    index = Index()
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        for name in sorted(names):
            path = Path(where) / name
            real = path.resolve()
            if path.suffix.lower() in SUFFIXES and real.is_file() and real.is_relative_to(inside):
                key = path.relative_to(folder).with_suffix("").as_posix()
                index.setdefault(key, {})[path.suffix.lower()] = path
    if not index:
        raise DubbenchError(f"{folder}: no sound there ({', '.join(SUFFIXES)}); give the folder of the dubs")
    return index


def _lookup(index: Index, name: str) -> Path | None:
    """The file for a filled rule, with or without suffix; an id may itself end in what looks like one.

    Raises:
        DubbenchError: a rule with ``*`` finds several.
    """
    suffix = PurePosixPath(name).suffix.lower()
    found = _with_suffix(index, name, SUFFIXES)
    return found or (_with_suffix(index, name[: -len(suffix)], (suffix,)) if suffix in SUFFIXES else None)


def _with_suffix(index: Index, key: str, suffixes: tuple[str, ...]) -> Path | None:
    """The file of this path without suffix that has the first of some suffixes."""
    if "*" not in key:
        files = index.get(key, {})
        return next((files[s] for s in suffixes if s in files), None)
    folders, _, stem = key.rpartition("/")
    pattern = re.compile(re.escape(folders).replace(r"\*", "[^/]*"))
    found = [
        files[suffix]
        for other in index.by_stem.get(stem, ())
        for files, suffix in [(index[other], next((s for s in suffixes if s in index[other]), ""))]
        if suffix and pattern.fullmatch(other.rpartition("/")[0])
    ]
    if len(found) > 1:
        raise DubbenchError(f"two files fit the rule {key}: {found[0]} and {found[1]}; say which with rule=")
    return found[0] if found else None


def _check(rule: str) -> None:
    if not re.search(r"\{(id|name|number)\}", rule):
        raise DubbenchError(f"precomputed: the rule {rule!r} names no clip; use {{id}} or {{name}}, and {{speaker}}")
    rest = _FIELD.sub("", rule)
    if "{" in rest or "}" in rest:
        raise DubbenchError(
            f"precomputed: the rule {rule!r} has fields besides {{id}}, {{name}}, {{speaker}}, {{video}} and "
            "{{number}}; use these"
        )
    if "*" in PurePosixPath(rule).name:
        raise DubbenchError(
            f"precomputed: the rule {rule!r} has a * in the file's name; it may stand in folders' names"
        )
    if rule.startswith("/") or ".." in rule.split("/") or "\\" in rule or ":" in rule:
        raise DubbenchError(f"precomputed: the rule {rule!r} leads out of the folder; write a path inside it")


def _fill(rule: str, clip: str) -> str:
    """The path that a rule gives a clip: ``{speaker}/{name}``, ``s1-bbaf2n`` -> ``s1/bbaf2n``."""
    speaker, hyphen, name = clip.partition("-")
    video, _, number = clip.rpartition("-")
    fields = {"id": clip, "name": name if hyphen else clip, "speaker": speaker, "video": video, "number": number}
    return _FIELD.sub(lambda match: fields[match.group(1)], rule)
