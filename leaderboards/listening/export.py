"""A run to a listening test: chosen clips and systems, blocks, stimuli, the key, and the public files.

OUT/key.json      what every page showed: keep it, never publish it
OUT/page/         index.html and media/: what listeners see; any web server or a folder on disk
OUT/webmushra/    one configuration a block, and wavs
OUT/crowd.csv     one row a block: address and completion
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from dubbench.errors import DubbenchError
from dubbench.leaderboards.listening import stimuli
from dubbench.leaderboards.listening.design import Cell, Place, arrange, balance, blocks
from dubbench.leaderboards.listening.key import Asked, Key, Shown, write_key
from dubbench.leaderboards.listening.protocol import Value
from dubbench.leaderboards.listening.sources import Sources
from dubbench.leaderboards.sheet import Sheet
from dubbench.pipeline.store import ClipRow
from dubbench.runtime.digests import digest
from dubbench.runtime.progress import progress

ANCHORS = {
    "mos-n": ("noisy", "codec_copy"),
    "mos-s": ("other_voice", "codec_copy"),
    "mos-sync": ("delay", "another_clip", "wrong_video"),
}
"""Controls of a run that are hidden anchors where no systems are named."""


@dataclass(frozen=True)
class Wishes:
    """What a test is to be.

    Attributes:
        tests: protocols in the order they are asked.
        systems: labels; empty for all that rank, the ground truth and the `ANCHORS` of the run.
        listeners: blocks. pages: rated pages of a block for each test; None for 30 or as many as there are.
        clips: how many clips; None for as many as pages. catches, repeats: pages on top, for each test.
    """

    tests: tuple[Asked, ...]
    systems: tuple[str, ...] = ()
    listeners: int = 20
    pages: int | None = None
    clips: int | None = None
    catches: int = 2
    repeats: int = 2
    lufs: float = stimuli.TARGET
    seed: int = 0
    title: str = "Listening test"


PRESETS = {"paper": Wishes(tests=(Asked(name="mos-s", step=0.5),), listeners=20, pages=30, clips=30)}
"""``paper``: 20 listeners rate 30 clips each for likeness of voice, in half points as on the authors' own page."""


@dataclass
class _Made:
    """What grows while an export is planned."""

    blocks: list[list[Shown]]
    used: dict[str, stimuli.Source] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def export(sheet: Sheet, wishes: Wishes, out: Path) -> Key:
    """Plan the test, write its stimuli under ``out/page/media`` and its key. The same wishes give the same bytes.

    Given again after an interruption it goes on: stimuli that are there are not made again.

    Raises:
        DubbenchError: systems that are not in the run, nothing to hear, or too few different pages.
    """
    sources = Sources(sheet)
    made = _Made([[] for _ in range(wishes.listeners)])
    rng = np.random.default_rng(wishes.seed)
    chosen: dict[str, str] = {}
    balances = []
    tests = tuple(_compared(sheet, sources, asked) for asked in wishes.tests)
    for number, asked in enumerate(tests):
        conditions = _conditions(sheet, asked, wishes)
        chosen |= {label: sheet.entrants[label].entry.info.kind for pair in conditions for label in pair}
        balances.append(_plan(sheet, sources, wishes, asked, number, conditions, made, rng))
    secret = digest([wishes.seed, sheet.manifest.comparability, sorted(chosen)])
    check = made.blocks[0][0]
    levels: dict[str, stimuli.Level] = {}
    with progress("measuring loudness", len(made.used)) as advance:
        for ident, source in made.used.items():
            levels[ident] = stimuli.level(stimuli.heard(source), stimuli.RATE)
            advance()
    target = stimuli.common_target(levels.values(), wishes.lufs)
    names = {ident: stimuli.file_name(source, target, secret) for ident, source in made.used.items()}
    media = out / "page" / "media"
    with progress("writing stimuli", len(names)) as advance:
        for ident, source in made.used.items():
            stimuli.make(source, levels[ident], target, media / names[ident])
            advance()
    _remove_others(media, set(names.values()))
    named = [[_named(page, names) for page in block] for block in made.blocks]
    off = {
        names[i]: round(stimuli.reached(x, target), 2)
        for i, x in levels.items()
        if x.peak > 0 and abs(stimuli.reached(x, target) - target) > 0.05
    }
    if target < wishes.lufs:
        made.notes.append(f"all sounds stand at {target:.1f} LUFS instead of {wishes.lufs:g}, so that none clips")
    if off:
        made.notes.append(f"{len(off)} sounds with high peaks or without speech stand at a level of their own")
    key = Key(
        export="",
        title=wishes.title,
        seed=wishes.seed,
        comparability=sheet.manifest.comparability,
        tests=tests,
        systems=chosen,
        truth=sources.truth,
        lufs=round(target, 2),
        levels=off,
        check=names[_check(check)],
        blocks=tuple(tuple(block) for block in named),
        balance=tuple(balances),
        notes=tuple(dict.fromkeys(made.notes)),
    )
    key = key.model_copy(update={"export": digest([key.model_dump(mode="json"), secret])[:10]})
    write_key(out, key)
    return key


def _check(page: Shown) -> str:
    return page.original or page.media[0]


def _named(page: Shown, names: dict[str, str]) -> Shown:
    """The page with files in the place of stimuli."""
    return page.model_copy(
        update={
            "media": tuple(names[ident] for ident in page.media),
            "reference": names.get(page.reference, ""),
            "original": names.get(page.original, ""),
        }
    )


def _remove_others(media: Path, keep: set[str]) -> None:
    """Remove stimuli of an earlier export, which could tell what the names hide."""
    for path in media.glob("*.*"):
        if path.name not in keep and path.suffix in (".mp4", ".flac"):
            path.unlink()


def _compared(sheet: Sheet, sources: Sources, asked: Asked) -> Asked:
    """``cmos`` with the system that it compares with: the ground truth where none is named."""
    if asked.name != "cmos":
        return asked
    against = asked.against or sources.truth
    if against not in sheet.entrants:
        raise DubbenchError(f"cmos compares with {against or 'the ground truth'!r}, which is not there; give --against")
    return asked.model_copy(update={"against": against})


def _conditions(sheet: Sheet, asked: Asked, wishes: Wishes) -> list[tuple[str, ...]]:
    """Systems, or pairs of them, that a test is about."""
    unknown = [label for label in wishes.systems if label not in sheet.entrants]
    if unknown:
        raise DubbenchError(f"no system {unknown[0]!r} in this run; it has {', '.join(sheet.entrants)}")
    anchors = ANCHORS.get(asked.name, ())
    truths = [label for label, x in sheet.entrants.items() if x.entry.info.name == "ground_truth"]
    hidden = [label for label in sheet.controls if sheet.entrants[label].entry.info.name in anchors]
    if asked.protocol.sides == 1:
        return [(label,) for label in wishes.systems or (*truths, *sheet.ranking, *hidden)]
    systems = list(wishes.systems or sheet.ranking)
    if asked.name == "cmos":
        pairs: list[tuple[str, ...]] = [(asked.against, label) for label in systems if label != asked.against]
    else:
        pairs = list(combinations([label for label in systems if label not in truths], 2))
    if not pairs:
        raise DubbenchError(f"{asked.name} compares systems, and there is one alone; add another")
    return pairs


def _plan(
    sheet: Sheet,
    sources: Sources,
    wishes: Wishes,
    asked: Asked,
    number: int,
    conditions: Sequence[tuple[str, ...]],
    made: _Made,
    rng: np.random.Generator,
) -> dict[str, tuple[int, int]]:
    """Add the pages of one test to every block; returns the balance that was reached."""
    protocol = asked.protocol
    labels = list(dict.fromkeys(label for pair in conditions for label in pair))
    clips = _clips(sheet, sources, labels, protocol.reference, wishes.clips or wishes.pages or 30, rng)
    able = np.array([[all(sources.has(s, clip) for s in pair) for clip in clips] for pair in conditions])
    for pair, row in zip(conditions, able, strict=True):
        if not row.all():
            made.notes.append(f"{' / '.join(pair)}: {int((~row).sum())} of {len(clips)} clips have no dub")
    pages = wishes.pages or min(30, int(able.sum()))
    plan = blocks(able, wishes.listeners, pages, rng)
    for block, cells in zip(made.blocks, plan, strict=True):
        picks = [Cell(-1, int(i), bool(rng.integers(2))) for i in rng.permutation(len(clips))[: wishes.catches]]
        start = len(block)
        for place in arrange(cells, picks, min(wishes.repeats, pages), rng):
            clip = clips[place.cell.clip]
            pair = conditions[place.cell.condition] if place.kind != "catch" else ()
            block.append(_page(sources, made, asked, number, place, clip, pair, start))
    return balance(plan, able)


def _page(
    sources: Sources,
    made: _Made,
    asked: Asked,
    number: int,
    place: Place,
    clip: ClipRow,
    pair: tuple[str, ...],
    start: int,
) -> Shown:
    protocol = asked.protocol
    expected: dict[str, tuple[Value, ...]] = {}
    if place.kind == "catch":
        bad = f"@{protocol.catch}"
        pair = (bad,) if protocol.sides == 1 else ("@good", bad)
    shown = pair[::-1] if place.cell.swapped and len(pair) == 2 else pair
    if place.kind == "catch":
        expected = _expected(asked, shown)

    def use(source: stimuli.Source) -> str:
        ident = digest([source.system, source.clip, source.content])
        made.used.setdefault(ident, source)
        return ident

    own = protocol.original and sources.has(sources.truth, clip)
    return Shown(
        test=number,
        clip=clip.id,
        systems=shown,
        media=tuple(use(sources.dub(label, clip)) for label in shown),
        reference=use(sources.reference(clip)) if protocol.reference else "",
        original=use(sources.dub(sources.truth, clip)) if own else "",
        text=clip.text if protocol.text else "",
        kind=place.kind,  # type: ignore[arg-type]
        of=None if place.of is None else place.of + start,
        expected=expected,
    )


def _expected(asked: Asked, shown: tuple[str, ...]) -> dict[str, tuple[Value, ...]]:
    """What a listener who listens answers to a catch trial."""
    protocol = asked.protocol
    if protocol.sides == 1:
        return {q.name: tuple(v for v, _ in q.choices if float(v) <= 2) for q in protocol.questions}
    good = "A" if shown[0] == "@good" else "B"
    if asked.name == "cmos":
        sign = -1 if good == "A" else 1
        return {q.name: tuple(v for v, _ in q.choices if sign * float(v) > 0) for q in protocol.questions}
    return {"naturalness": (good,), "sound": (good,)}


def _clips(
    sheet: Sheet, sources: Sources, labels: Sequence[str], voice: bool, count: int, rng: np.random.Generator
) -> list[ClipRow]:
    """Up to ``count`` clips by lot, the speakers in turn, those that all systems dubbed first."""
    able = [c for c in sheet.clips if not c.problem and (not voice or sources.has_reference(c))]
    able = [c for c in able if any(sources.has(label, c) for label in labels)]
    if not able:
        why = " and its reference voice" if voice else ""
        raise DubbenchError(f"no clip of the run has a dub{why} to hear; synthesise first, or run again")
    order = [able[i] for i in rng.permutation(len(able))]
    turn: dict[str, int] = {}
    ranked = []
    for i, clip in enumerate(order):
        turn[clip.speaker] = turn.get(clip.speaker, -1) + 1
        ranked.append((sum(not sources.has(label, clip) for label in labels), turn[clip.speaker], i))
    return [order[i] for _, _, i in sorted(ranked)[:count]]
