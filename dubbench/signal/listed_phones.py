"""Phone timings from a list: durations of IPA symbols, as an aligner of StyleTTS 2 gives them, on a clip's clock.

The published lists (InstructDubber's ``*_duration_gt_*.json``) have one object a line: ``path`` of a wav,
``phoneme_idx`` (places in `SYMBOLS`) and ``duration_gt`` (units of `UNIT`), over a wav with `PADDING` of silence before
and after. A symbol is a letter of espeak's IPA, a stress or length mark, a space or a sign; `phones_of` makes ARPAbet
of them. Nothing finer than `UNIT` is in such a list.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dubbench.errors import DubbenchError
from dubbench.signal.phone_timings import SILENCE, AlignmentError, Phone, canonical, fill

SYMBOLS = tuple(
    "$"
    ';:,.!?¡¿—…"«»“” '
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    "ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'̩'ᵻ"
)
"""The symbols of StyleTTS 2 and its kin, each at its number; ``$`` is the padding."""
UNIT = 600 / 24000
"""Seconds of one unit of duration: two steps of 300 samples at 24 kHz."""
PADDING = 5000 / 24000
"""Seconds of silence that were set before and after the sound."""
LONGEST = 3600.0

_ARPABET = {
    **{"aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "ɔɪ": "OY", "tʃ": "CH", "dʒ": "JH"},
    **{"ɑ": "AA", "ɔ": "AO", "i": "IY", "u": "UW", "ɜ": "ER", "oː": "AO", "ɐ": "AH", "ə": "AH", "ʌ": "AH", "ɚ": "ER"},
    **{"ᵻ": "IH", "ɪ": "IH", "ʊ": "UH", "æ": "AE", "ɛ": "EH", "a": "AA", "e": "EY", "o": "OW", "ɒ": "AA", "ɝ": "ER"},
    **{"ɾ": "T", "ʔ": "T", "ɡ": "G", "ŋ": "NG", "ð": "DH", "θ": "TH", "ʃ": "SH", "ʒ": "ZH", "ɹ": "R", "j": "Y"},
    **{"h": "HH", **{letter: letter.upper() for letter in "bdfkglmnpstvwz"}},
}
_STRESS, _LENGTH = "ˈˌ", "ː̩"


def phones_of(symbols: Sequence[str], durations: Sequence[float]) -> list[Phone]:
    """Symbols of espeak's American IPA with durations in seconds as ARPAbet from 0 on, silences between the words.

    A stress mark's time is the next phone's, a length mark's the last one's; a diphthong is one phone.

    Raises:
        AlignmentError: lengths that differ, a duration that is none, or a symbol that is no sound of English.
    """
    if len(symbols) != len(durations):
        raise AlignmentError(f"{len(symbols)} symbols and {len(durations)} durations")
    if not all(math.isfinite(d) and 0 <= d <= LONGEST for d in durations) or sum(durations) > LONGEST:
        raise AlignmentError("a duration is negative, not finite or longer than an hour")
    found: list[Phone] = []
    clock, word, at, early = 0.0, 0, 0, None
    while at < len(symbols):
        pair = "".join(symbols[at : at + 2])
        name = _ARPABET.get(pair)
        width = 2 if name else 1
        name = name or _ARPABET.get(symbols[at])
        end = clock + sum(durations[at : at + width])
        if name:
            found.append(Phone(name, clock if early is None else early, end, word))
            early = None
        elif symbols[at] in _STRESS:
            early = clock if early is None else early
        elif symbols[at] in _LENGTH and found and found[-1].phone != SILENCE:
            found[-1] = Phone(found[-1].phone, found[-1].start, end, found[-1].word)
        elif symbols[at] in _LENGTH or symbols[at] in SYMBOLS[:17]:
            found.append(Phone(SILENCE, clock, end))
            word += bool(len(found) > 1 and found[-2].phone != SILENCE)
        else:
            raise AlignmentError(f"the symbol {symbols[at]!a} is no sound of espeak's American English")
        clock, at = end, at + width
    return found


def read_durations(path: Path) -> Iterator[tuple[str, list[Phone]]]:
    """Path of the wav and phones of each line of a published list, in seconds from the wav's start.

    Raises:
        DubbenchError: unreadable, or a line that is not such an object.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DubbenchError(f"{path}: cannot be read as UTF-8 ({error})") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            symbols = [SYMBOLS[_index(i)] for i in told["phoneme_idx"]]
            phones = phones_of(symbols, [UNIT * float(d) for d in told["duration_gt"]])
            name = str(told["path"])
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError, DubbenchError) as error:
            raise DubbenchError(f"{path}: line {number} is no list of phone durations ({error})") from error
        yield name, shifted(phones, -PADDING)


def _index(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!a} is no place of a symbol")
    return value


def shifted(phones: Sequence[Phone], seconds: float) -> list[Phone]:
    """``phones`` so many seconds later, without what lies before 0."""
    moved = (Phone(p.phone, p.start + seconds, p.end + seconds, p.word) for p in phones)
    return [Phone(p.phone, max(p.start, 0.0), p.end, p.word) for p in moved if p.end > 0]


def write_listed(phones: dict[str, list[Phone]]) -> str:
    """A phone list of ours: a line a clip, sorted, ``{"clip": id, "phones": [[phone, start, end, word], …]}``."""
    rows = []
    for clip in sorted(phones):
        cells = [[p.phone, round(p.start, 4), round(p.end, 4), p.word] for p in phones[clip]]
        rows.append(json.dumps({"clip": clip, "phones": cells}) + "\n")
    return "".join(rows)


def read_listed(path: Path) -> dict[str, list[Phone]]:
    """A phone list of ours: clip id -> phones and silences in seconds on the video's clock.

    Raises:
        DubbenchError: unreadable, or a line that is not as `write_listed` writes it.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DubbenchError(f"{path}: cannot be read as UTF-8 ({error}); give a phone list in JSON lines") from error
    found: dict[str, list[Phone]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            rows = [(canonical(str(p)), float(a), float(b), int(w)) for p, a, b, w in told["phones"]]
            if not rows or not all(math.isfinite(a) and 0 <= a <= b <= LONGEST for _, a, b, _ in rows):
                raise ValueError("its times are not in order, or there are none")
            phones = fill([Phone(*row) for row in rows], rows[-1][2])
            if not isinstance(told["clip"], str) or told["clip"] in found:
                raise ValueError("its clip has no id, or one that was there before")
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError, DubbenchError) as error:
            raise DubbenchError(
                f"{path}: line {number} is no line of a phone list ({error}); make it with: dubbench data import-list"
            ) from error
        found[told["clip"]] = phones
    if not found:
        raise DubbenchError(f"{path}: no clip in this phone list; make it with: dubbench data import-list")
    return found
