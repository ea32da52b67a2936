"""The plan of a run, made before dubbing: clips, references, systems and metrics, written down as its manifest."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dubbench.core.clip import Clip
from dubbench.core.identity import info_digest
from dubbench.core.plugins import factory, in_file, registered_system
from dubbench.core.spec import Spec, plain
from dubbench.datasets.base import Dataset, Vetted
from dubbench.datasets.roots import open_dataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError, one_line
from dubbench.pipeline import shards
from dubbench.pipeline.cell import Cell, Resources
from dubbench.pipeline.components import make_system, metric_entries
from dubbench.pipeline.pairing import Pairing, Reference, another_clip, load_table, pair
from dubbench.pipeline.prepare import NO_ROOM, Prepared, content_digest, oddities, prepare, sound_file
from dubbench.pipeline.store import ClipRow, Manifest, MetricEntry, SystemEntry, read_manifest, slug, write_manifest
from dubbench.runtime.device import resolve_device
from dubbench.runtime.digests import rows_digest
from dubbench.runtime.files import InUseError, held, held_in_part
from dubbench.runtime.progress import progress
from dubbench.runtime.provenance import code, hardware, packages
from dubbench.signal.media import RATE, read_audio, write_wav
from dubbench.signal.truncation import note


@contextmanager
def planned(
    cell: Cell, roots: dict[str, Path], specs: Sequence[Spec], out: Path, resources: Resources
) -> Iterator[Manifest]:
    """Open the data set, hold the run folder ``out``, choose clips and references, make them ready under ``out/work``,
    and write the manifest. The folder is held until the caller is done with it, board included.

    Of a shard (``resources.shard``), the first to come writes the manifest, the others wait and hold their own plan
    against it; each then holds its own part of the folder, and gets the manifest with the clips of its block.

    Raises:
        DubbenchError: nothing to do, names that do not exist, or ``out`` holds another run, or shards of one.
    """
    metrics, left_out = metric_entries(cell.profile, cell.metrics)  # a wrong name is told before a data set is made
    data = open_dataset(cell.dataset, roots)
    data.clips()  # that there are some is known before a folder is made
    shard = resources.shard
    if shard is None:
        with held(out):
            if parts := shards.found(out):
                raise DubbenchError(
                    f"{out} holds shards of a run ({', '.join(parts)}); give those that are left, then: "
                    f"dubbench merge {out}"
                )
            manifest = _join_earlier(out, _plan(data, cell, specs, metrics, left_out, out, resources))
            write_manifest(out, manifest)
            yield manifest
        return
    shards.check(out, shard)
    made: Manifest | None = None
    while made is None and not (out / "run.json").exists():
        try:
            with held(out):
                if not (out / "run.json").exists():
                    made = _plan(data, cell, specs, metrics, left_out, out, resources)
                    write_manifest(out, made)
        except InUseError:  # another shard makes the plan
            time.sleep(1.0)
    with held_in_part(out, shard.name):
        made = made or _plan(data, cell, specs, metrics, left_out, out, resources)
        yield shards.joined(out, made, shard)


def _plan(
    data: Dataset,
    cell: Cell,
    specs: Sequence[Spec],
    metrics: dict[str, MetricEntry],
    left_out: Sequence[str],
    out: Path,
    resources: Resources,
) -> Manifest:
    device = resources.device
    if device != "auto" and resources.engine == "local":
        device = resolve_device(device)  # a mistake is told before the work begins
    systems = _systems(specs, data)
    data = Vetted(data)
    chosen = select(data, cell.split)
    clips = select(data, cell.split, cell.limit).clips
    pairing = (
        load_table(cell.pairing, clips, chosen.clips, cell.voices)
        if cell.pairing
        else pair(clips, chosen.clips, cell.setting, cell.voices, data.clips())
    )
    declared = [_declared(label, entry, pairing) for label, entry in systems.items()]
    others = another_clip(clips, chosen.clips) if any(e.info.privileged for e in systems.values()) else {}
    by_id = {c.id: c for c in data.clips()}
    needed = {c.id: c for c in clips}
    for reference in (*pairing.references.values(), *others.values()):
        if reference.clip:
            needed[reference.clip] = by_id[reference.clip]
    with progress("preparing clips", len(needed)) as advance:
        ready = prepare(
            needed.values(),
            out / "work",
            resources.processes(),
            resources.timeout,
            lambda r: advance(bool(r.problem)),
            data.info.seconds,
        )
    rows = tuple(_clip_row(c, ready, pairing, others, out / "work") for c in clips)
    if device == "auto":
        device = resolve_device(device) if any(e.info.kind == "model" for e in systems.values()) else "cpu"
    files = {"split": Path(cell.split) if chosen.name != cell.split else None, "pairing": cell.pairing}
    files["voices"] = cell.voices if cell.setting == "3.0" or cell.pairing else None
    return Manifest(
        dataset=data.info.name,
        root=str(data.root),
        split=chosen.name if cell.limit is None else f"{chosen.name}[{cell.limit}]",
        setting=pairing.setting,
        pairing_digest=pairing.digest,
        data_digest=rows_digest((r.id, r.digest, r.reference_digest) for r in rows),
        seed=cell.seed,
        profile=cell.profile,
        clips=rows,
        systems=systems,
        metrics=metrics,
        rejected=_rejected(data, {c.id for c in chosen.clips}),
        chosen=cell.metrics,
        files={name: path.name for name, path in files.items() if path is not None},
        notes=(
            *filter(None, [chosen.note, note({c: r.apart for c, r in ready.items()}, data.info.name), *declared]),
            *oddities(ready, data.info.name),
            *left_out,
        ),
        code=code(),
        packages=packages(),
        hardware={**hardware(device), "threads": str(resources.threads), "workers": str(resources.processes())},
    )


def _declared(label: str, entry: SystemEntry, pairing: Pairing) -> str:
    """What to say of finished dubs that declare their setting; empty if there is nothing to say.

    Raises:
        DubbenchError: they were made under another setting than the run's.
    """
    setting = entry.info.settings.get("setting") if entry.info.kind == "precomputed" else None
    if setting is None or setting == pairing.setting == "1.0":
        return ""
    if "1.0" in (setting, pairing.setting) or (setting != pairing.setting and not pairing.setting.startswith("table:")):
        raise DubbenchError(
            f"{label} was made under Setting {setting}, and this run is {pairing.setting}; run it there"
        )
    if pairing.setting.startswith("table:"):
        return ""
    return (
        f"{label}: made under Setting {setting} with references of its authors' choice, which may not be this run's; "
        "similarity to the reference says little, unless their list is given with --pairing"
    )


def _rejected(data: Dataset, chosen: set[str]) -> tuple[tuple[str, str], ...]:
    """What could not become a clip, as (id or place, why), less what concerns a clip outside of the split."""
    others = {clip.id for clip in data.clips()} - chosen
    return tuple((p.clip, p.what) for p in data.problems() if p.clip not in others)


def _systems(specs: Sequence[Spec], data: Dataset) -> dict[str, SystemEntry]:
    entries: dict[str, SystemEntry] = {}
    for spec in map(registered_system, specs):
        label = _as_label(spec.label or _own_name(spec))
        if not spec.args and not spec.kwargs:
            defaults = getattr(factory("systems", spec.name), "defaults_for", None)
            spec = replace(spec, kwargs=tuple(defaults(data.info).items())) if defaults else spec
        if label in entries:
            raise DubbenchError(f"two systems are called {label!r}; give one a label: --system 'label={spec}'")
        _own_folder(label, entries)
        info = make_system(spec).info
        for name, value in info.settings.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise DubbenchError(f"system {spec}: {name} is {value}; give a finite number")
        entries[label] = SystemEntry(spec=str(spec), info=info, digest=info_digest(info))
    return entries


def labels_of(specs: Sequence[Spec]) -> list[str]:
    """What the systems of these specs are called in a run."""
    return [spec.label or _own_name(registered_system(spec)) for spec in specs]


def _own_name(spec: Spec) -> str:
    """The spec itself; of a class in a file without the folders, which are nobody's business."""
    return str(replace(spec, name=spec.name.rpartition(":")[2]) if in_file(spec.name) else spec)


def _as_label(label: str) -> str:
    """A label as tables hold it: in one line, and nothing that a spreadsheet takes for a formula.

    Raises:
        DubbenchError: it is not.
    """
    if not label.isprintable() or not label.strip() or label[0] in "=+-@":
        raise DubbenchError(f"{label!a} cannot be a system's label; start with a letter or digit and stay in one line")
    return label


def _clip_row(
    clip: Clip, ready: dict[str, Prepared], pairing: Pairing, others: dict[str, Reference], work: Path
) -> ClipRow:
    made, reference = ready[clip.id], pairing.references[clip.id]
    unheard, reference_digest = reference.problem, ""
    if made.problem:
        unheard = made.problem
    elif reference.clip:
        voice = ready[reference.clip]
        if voice.problem or voice.truth_problem:
            unheard = f"its reference {reference.clip} has no usable sound: {voice.problem or voice.truth_problem}"
        reference_digest = voice.digest
    elif reference.file:
        try:
            reference_digest = content_digest("", reference.file)
            if not sound_file(work, reference_digest).exists():
                write_wav(sound_file(work, reference_digest), read_audio(reference.file), RATE)
        except (DubbenchError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            unheard = f"its reference {reference.file.name} has no usable sound: {one_line(error)}"
    other = others.get(clip.id)
    usable = other is not None and other.clip and not (ready[other.clip].problem or ready[other.clip].truth_problem)
    return ClipRow(
        id=clip.id,
        speaker=clip.speaker,
        text=clip.text,
        video=str(clip.video),
        phones=str(clip.phones or ""),
        digest=made.digest,
        duration=made.duration,
        fps=made.fps,
        reference=reference.name,
        reference_digest=reference_digest,
        other_digest=ready[other.clip].digest if usable and other else "",
        problem=made.problem,
        truth_problem=made.truth_problem,
        notes=made.notes,
        reference_problem=unheard,
    )


IDENTITY = ("dataset", "split", "setting", "pairing_digest", "seed", "profile")
"""What one folder holds. Not the data's digest: a clip whose file was mended is made again, under another key."""


def _own_folder(label: str, others: Iterable[str]) -> None:
    """Raise if the dubs of ``label`` would go where another system's go."""
    for other in others:
        if other != label and slug(other).casefold() == slug(label).casefold():
            raise DubbenchError(f"systems {other!r} and {label!r} would share a folder; give one another label")


def _join_earlier(out: Path, manifest: Manifest) -> Manifest:
    """The manifest together with the systems that the folder holds already."""
    if not (out / "run.json").exists():
        return manifest
    earlier = read_manifest(out)
    for name in IDENTITY:
        old, new = getattr(earlier, name), getattr(manifest, name)
        if old != new:
            raise DubbenchError(f"{out} holds another run ({name} {old!r}, now {new!r}); give another --out")
    for label in manifest.systems:
        _own_folder(label, earlier.systems)
    asked = {plain(label) for label, entry in manifest.systems.items() if label == entry.spec}
    kept = {  # without those that go by a new name now: espeak-lipspan is espeak_lipspan
        label: entry
        for label, entry in earlier.systems.items()
        if label in manifest.systems or label != entry.spec or plain(label) not in asked
    }
    return manifest.model_copy(update={"systems": {**kept, **manifest.systems}})
