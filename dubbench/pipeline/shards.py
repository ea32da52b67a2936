"""One run folder worked on by several processes that share nothing but its files: each does one block of the clips.

A shard I of N writes ``dubs.I-of-N.jsonl``, ``scores.I-of-N.jsonl``, and ``shard.I-of-N.json``: what it was planned as
and with which code. `dubbench.pipeline.merge` makes one run of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline.cell import Shard
from dubbench.pipeline.store import Manifest, read_manifest
from dubbench.runtime.containment import no_follow
from dubbench.runtime.digests import digest
from dubbench.runtime.files import write_text

_NAME = re.compile(r"(?:dubs|scores|shard)\.([0-9]+)-of-([0-9]+)\.(?:jsonl?|since)")


def found(run: Path) -> list[str]:
    """Names of the shards that left files in a run folder, in their order; none after a merge."""
    names = {(int(m[2]), int(m[1])) for path in run.glob("*-of-*") if (m := _NAME.fullmatch(path.name))}
    return [Shard(number, of).name for of, number in sorted(names)]


def check(run: Path, shard: Shard) -> None:
    """Raise if the folder holds shards of another count: their blocks would overlap."""
    others = [name for name in found(run) if not name.endswith(f"-of-{shard.of}")]
    if others:
        raise DubbenchError(
            f"{run} holds shards of another count ({', '.join(others)}), so a clip would be done twice; "
            f"give N as then, or first: dubbench merge {run}"
        )


def plan(manifest: Manifest) -> dict[str, object]:
    """All of a manifest that must be equal in every shard. Not where the files lie, nor the hardware."""
    told = manifest.model_dump(exclude={"root", "hardware", "notes", "clips", "code", "packages"})
    clips = [clip.model_dump(exclude={"video", "phones", "notes"}) for clip in manifest.clips]
    versions = {f"{kind} {name}": v for kind in ("code", "packages") for name, v in getattr(manifest, kind).items()}
    return {**told, "clips": clips, **versions}


def differences(old: dict[str, object], new: dict[str, object]) -> Iterator[str]:
    """The names of what differs between two plans, versions with their values."""
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            versions = name.startswith(("code ", "packages "))
            yield f"{name} {old.get(name, 'absent')}, now {new.get(name, 'absent')}" if versions else name


def joined(run: Path, mine: Manifest, shard: Shard) -> Manifest:
    """The manifest of one shard: its block of the clips, if its plan is the run's; and a note of that in the folder.

    Raises:
        DubbenchError: the plans differ.
    """
    whole = plan(read_manifest(run))
    if different := list(differences(whole, plan(mine))):
        raise DubbenchError(
            f"{run} was planned otherwise ({'; '.join(different[:5])}); all shards need the same command, clips and "
            "installation: give them, or another --out"
        )
    note = {"plan": digest(whole), "code": mine.code, "hardware": mine.hardware}
    write_text(run / f"shard.{shard.name}.json", json.dumps(note, indent=1) + "\n")
    return mine.model_copy(update={"clips": shard.block(mine.clips)})


def planned_as(run: Path, name: str) -> str:
    """The digest of the plan that a shard was made by.

    Raises:
        DubbenchError: its note is absent or damaged.
    """
    path = run / f"shard.{name}.json"
    try:
        with open(path, encoding="utf-8", opener=no_follow) as file:
            return str(json.load(file)["plan"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        number = name.replace("-of-", "/")
        raise DubbenchError(f"{path}: cannot be read ({one_line(error)}); run --shard {number} again") from error


def remove(run: Path, name: str) -> None:
    """Remove the files of a shard whose rows stand in the run's own."""
    for file in (f"dubs.{name}.jsonl", f"scores.{name}.jsonl", f"dubs.{name}.since", f"scores.{name}.since"):
        (run / file).unlink(missing_ok=True)
    (run / f"lock.{name}").unlink(missing_ok=True)
    (run / f"shard.{name}.json").unlink(missing_ok=True)  # last: without it the others would be of nobody
