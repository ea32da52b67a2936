"""The data of the page's scripts: per-clip values, paired differences and players, as compact JSON."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dubbench.leaderboards.examples import ORIGINAL, Example
from dubbench.leaderboards.media import HOP
from dubbench.leaderboards.page import Part, first_ranked
from dubbench.leaderboards.sampler import Comparison
from dubbench.leaderboards.statistics import Estimate, values

WEIGHT = 600_000
"""Most per-clip values on a page; beyond, only headline columns are listed by clip (all are in ``scores.parquet``)."""

INLINE = 8_000_000
"""Most bytes of media inside the page; more are written beside it."""

_KINDS = {"mp4": "video/mp4", "flac": "audio/flac", "png": "image/png"}


def data(part: Part, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Everything that the scripts need of one sheet. Per-clip values are integers in units of the last digit."""
    sheet, measures = part.sheet, part.measures
    if sheet.count * len(sheet.entrants) * len(measures) > WEIGHT:
        measures = [m for m in measures if m.column.headline]
    labels = [*sheet.ranking, *sheet.controls]
    place = {label: i for i, label in enumerate(labels)}
    columns = [
        {"name": m.column.name, "unit": m.column.unit, "digits": m.column.digits, "direction": m.column.direction}
        for m in measures
    ]
    own = []
    for m in measures:
        rows = []
        for label in labels:
            found = values(m.column, sheet.stats(label, m), sheet.count) * 10**m.column.digits
            rows.append([int(x) if np.isfinite(x) else None for x in np.round(found)])
        own.append(rows)
    paired = [
        [
            [place[a], place[b], *_rounded(c.difference, m.column.digits), c.difference.n, *_test(c)]
            for (a, b), c in part.sampler.compare(m).items()
        ]
        for m in measures
    ]
    clips = sheet.clips
    return {
        "systems": labels,
        "ranking": len(sheet.ranking),
        "columns": columns,
        "first": first_ranked(measures),
        "values": own,
        "paired": paired,
        "ids": [clip.id for clip in clips],
        "texts": [clip.text for clip in clips],
        "speakers": [clip.speaker for clip in clips],
        "references": [clip.reference for clip in clips],
        "problems": {i: clip.problem for i, clip in enumerate(clips) if clip.problem},
        "failed": {
            i: missing
            for i, clip in enumerate(clips)
            if (missing := [place[x] for x in labels if not (row := sheet.dubs.get((x, clip.id))) or row.reason])
        },
        "hop": HOP,
        "examples": list(examples),
    }


def _rounded(e: Estimate, digits: int) -> list[float | None]:
    return [None if x is None else round(x, digits + 1) for x in (e.value, e.low, e.high)]


def _test(c: Comparison) -> list[Any]:
    """Verdict, p, p by Holm, size of the family, effect size and share of clips won."""
    short = [None if x is None else float(f"{x:.3g}") for x in (c.p, c.corrected, c.effect, c.wins)]
    return [c.verdict, *short[:2], c.family, *short[2:]]


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element or a line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match.group()):04x}", text)


def place_media(
    found: Sequence[tuple[str, Example]], out: Path, place: dict[str, dict[str, int]]
) -> list[dict[str, Any]]:
    """Players as JSON: media as data URIs if all of them are small together, else as files under ``out/media``.

    Args:
        found: (sheet id, example).
        place: sheet id -> label -> index of the system.
    """
    total = sum(len(e.video) + sum(len(t.sound) + len(t.mel) for t in e.tracks) for _, e in found)
    inline = total * 4 / 3 <= INLINE
    folder = out / "media"
    if folder.is_dir():
        for old in folder.iterdir():
            if re.fullmatch(r"t\d+-c\d+(-\d+)?\.(mp4|flac|png)", old.name):
                old.unlink()

    def address(payload: bytes, name: str) -> str:
        if not payload:
            return ""
        if inline:
            return f"data:{_KINDS[name.rpartition('.')[2]]};base64,{base64.b64encode(payload).decode()}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(payload)
        return f"media/{name}"

    out_rows = []
    for number, (ident, example) in enumerate(found):
        name = f"{ident}-c{number:02d}"
        tracks = [
            {
                "system": -1 if track.system is None else place[ident][track.system],
                "name": ORIGINAL if track.system is None else track.system,
                "seconds": round(track.seconds, 3),
                "sound": address(track.sound, f"{name}-{i:02d}.flac"),
                "mel": address(track.mel, f"{name}-{i:02d}.png"),
                "pitch": track.pitch,
            }
            for i, track in enumerate(example.tracks)
        ]
        out_rows.append(
            {
                "sheet": ident,
                "clip": example.clip,
                "why": example.why,
                "span": round(example.span, 3),
                "video": address(example.video, f"{name}.mp4"),
                "tracks": tracks,
                "problems": example.problems,
            }
        )
    return out_rows
