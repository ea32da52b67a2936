"""Phone and word timings, and the files that hold them: MFA's TextGrids, GRID's .align, plain CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dubbench.errors import DubbenchError

SILENCE = "sil"
ARPABET = frozenset(
    [
        *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY"),
        *("JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y"),
        *("Z", "ZH"),
    ]
)
"""The 39 phones of the CMU dictionary, without stress."""
GRID_TICKS = 25000
"""Units a second of GRID's .align files."""

_SILENCES = frozenset(["", "sil", "sp", "spn", "<eps>", "<sil>", "silence", "+spn+", "+nsn+", "[noise]", "[speech]"])
# Praat's text format: only tokens between blanks count; "item [1]:" and "xmin =" are for the eye.
_TOKEN = re.compile(r'(?<!\S)(?:"((?:[^"]|"")*)"|([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?!\S)')


class AlignmentError(DubbenchError):
    """The sound and the text could not be aligned, or an alignment cannot be read."""


@dataclass(frozen=True, slots=True)
class Phone:
    """One phone: ARPAbet without stress, or ``sil``; start and end in seconds; the place of its word in the text
    (-1 for silence, or where it is not known)."""

    phone: str
    start: float
    end: float
    word: int = -1


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its start and end in seconds."""

    word: str
    start: float
    end: float


def canonical(label: str) -> str:
    """An aligner's label as ARPAbet without stress; every silence and noise is ``sil``.

    Raises:
        AlignmentError: a phone of another set, such as the IPA of some MFA models.
    """
    if label.strip().lower() in _SILENCES:
        return SILENCE
    plain = label.strip().upper().rstrip("012")
    if plain not in ARPABET:
        raise AlignmentError(f"phone {label!r} is none of ARPAbet's; align with MFA's english_us_arpa")
    return plain


def fill(phones: Sequence[Phone], duration: float) -> list[Phone]:
    """``phones`` with silences wherever nothing is said, from 0 to ``duration`` seconds; neighbouring silences are
    joined, and gaps of less than 1 ms closed.

    Raises:
        AlignmentError: phones out of order or over each other.
    """
    result: list[Phone] = []
    clock = 0.0
    for phone in [*phones, Phone(SILENCE, duration, duration)]:
        if phone.start < clock - 1e-3 or phone.end < phone.start:
            raise AlignmentError(f"phones overlap or run backwards at {phone.start:.3f} s")
        if phone.start > clock + 1e-3:
            result.append(Phone(SILENCE, clock, phone.start))
            clock = phone.start
        if phone.end > clock:
            result.append(Phone(phone.phone, clock, phone.end, phone.word))
            clock = phone.end
    joined: list[Phone] = []
    for phone in result:
        if joined and joined[-1].phone == phone.phone == SILENCE:
            joined[-1] = Phone(SILENCE, joined[-1].start, phone.end)
        else:
            joined.append(phone)
    return joined


def spread(
    anchors: Sequence[Word], words: Sequence[str], spoken: Sequence[tuple[str, ...]], duration: float
) -> list[Phone]:
    """Each word's phones evenly over its anchor's time; silence elsewhere.

    Raises:
        AlignmentError: the anchors are other words than ``words``, out of order, or beyond ``duration``.
    """
    if [anchor.word for anchor in anchors] != list(words):
        raise AlignmentError(f"the anchors say {' '.join(a.word for a in anchors)!r}, not {' '.join(words)!r}")
    phones = []
    for i, (anchor, sounds) in enumerate(zip(anchors, spoken, strict=True)):
        if not anchor.start < min(anchor.end, duration):
            raise AlignmentError(f"the anchor of {anchor.word!r} has no length or lies beyond the sound")
        edges = np.linspace(anchor.start, min(anchor.end, duration), len(sounds) + 1).round(6).tolist()
        phones += [Phone(p, a, b, i) for p, a, b in zip(sounds, edges, edges[1:], strict=False)]
    return fill(phones, duration)


def read_textgrid(path: Path) -> list[Phone]:
    """The phones of a Praat TextGrid (long or short text format), as MFA writes it.

    Reads the interval tier ``phones`` (or ``SPEAKER - phones``), and numbers the words by the tier ``words`` if there
    is one. ``spn``, MFA's mark for a word that it could not pronounce, becomes silence.

    Returns:
        Phones and silences, gapless from 0 to the end of the tier.

    Raises:
        AlignmentError: unreadable, no TextGrid, no such tier, phones of another set or out of order.
    """
    tiers = _textgrid_tiers(path)
    phones = next((rows for name, rows in tiers.items() if name.lower().endswith("phones")), None)
    if not phones:
        raise AlignmentError(f"{path}: no interval tier 'phones' (it has {', '.join(tiers) or 'none'})")
    words = next((rows for name, rows in tiers.items() if name.lower().endswith("words")), [])
    spoken = [(start, end) for start, end, label in words if label.strip().lower() not in _SILENCES]
    found = []
    for start, end, label in phones:
        middle = (start + end) / 2
        word = next((i for i, (a, b) in enumerate(spoken) if a <= middle < b), -1)
        phone = _canonical(label, path)
        found.append(Phone(phone, start, end, -1 if phone == SILENCE else word))
    return _filled(found, path)


def read_align(path: Path) -> list[Word]:
    """The words of a GRID .align file, without its silences (``sil``, ``sp``).

    Raises:
        AlignmentError: unreadable, or a line that is not ``start end word`` in 1/25000 s.
    """
    words = []
    for n, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        match = re.fullmatch(r"\s*(\d+)\s+(\d+)\s+(\S+)\s*", line)
        if not match or int(match[1]) > int(match[2]):
            raise AlignmentError(f"{path}: line {n} is not 'start end word' in 1/{GRID_TICKS} s")
        if match[3].lower() not in _SILENCES:
            words.append(Word(match[3].lower(), int(match[1]) / GRID_TICKS, int(match[2]) / GRID_TICKS))
    if not words:
        raise AlignmentError(f"{path}: no words in it")
    return words


def read_phones(path: Path) -> list[Phone]:
    """The phones of a CSV with the columns phone, start, end (seconds), as `dubbench.core.clip.Clip.phones` has them.

    Raises:
        AlignmentError: unreadable, a missing column, times that are no numbers, phones of another set or out of order.
    """
    rows = csv.DictReader(io.StringIO(_text(path)))
    if missing := {"phone", "start", "end"} - set(rows.fieldnames or ()):
        raise AlignmentError(f"{path}: no column {', '.join(sorted(missing))}; expected phone,start,end")
    found = []
    for row in rows:
        try:
            start, end = float(row["start"]), float(row["end"])
        except (TypeError, ValueError):
            raise AlignmentError(f"{path}: line {rows.line_num}: start and end must be seconds") from None
        found.append(Phone(_canonical(row["phone"], path), start, end))
    if not found:
        raise AlignmentError(f"{path}: no phones in it")
    return _filled(found, path)


def _text(path: Path) -> str:
    try:
        raw = Path(path).read_bytes()
        return raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        raise AlignmentError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise AlignmentError(f"{path}: neither UTF-8 nor UTF-16 text") from error


def _canonical(label: str, path: Path) -> str:
    try:
        return canonical(label)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from None


def _filled(phones: Sequence[Phone], path: Path) -> list[Phone]:
    try:
        return fill(phones, phones[-1].end)
    except AlignmentError as error:
        raise AlignmentError(f"{path}: {error}") from None


def _textgrid_tiers(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """Name -> intervals (start, end, label) of every interval tier."""
    text = _text(path)
    tokens = [m[1].replace('""', '"') if m[1] is not None else float(m[2]) for m in _TOKEN.finditer(text)]
    if tokens[:2] != ["ooTextFile", "TextGrid"] or len(tokens) < 5:
        raise AlignmentError(f"{path}: not a TextGrid in Praat's text format")
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    place = 5  # after file type, object class, start, end, number of tiers
    try:
        for _ in range(int(tokens[4])):
            kind, name, _start, _end, count = tokens[place : place + 5]
            place += 5
            width = 3 if kind == "IntervalTier" else 2
            rows = [tokens[place + width * i : place + width * (i + 1)] for i in range(int(count))]
            place += width * len(rows)
            if width == 3:
                tiers[str(name)] = [(float(start), float(end), str(label)) for start, end, label in rows]
    except (ValueError, TypeError) as error:
        raise AlignmentError(f"{path}: the TextGrid is damaged or cut short") from error
    return tiers
