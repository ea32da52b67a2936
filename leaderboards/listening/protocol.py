"""Protocols of listening tests: one protocol a test, one or several questions a page."""

from __future__ import annotations

from dataclasses import dataclass

from dubbench.errors import DubbenchError

Value = float | str
"""An answer: a point of a scale, or ``A``, ``same``, ``B``."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a page: its name in the answers, the words of it, and its choices as (value, label)."""

    name: str
    asks: str
    choices: tuple[tuple[Value, str], ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """One kind of test.

    Attributes:
        name: as on the command line.
        columns: question -> column of the results.
        says: the instruction before the first page.
        questions: those of one page.
        sides: videos of a page: 1, or 2 (A and B).
        reference: whether the reference voice is at hand. original: whether the clip with its own sound is.
        text: whether the sentence is shown.
        catch: which spoilt sound its catch trials use: ``noise``, or ``turned`` (half a clip out of step).
    """

    name: str
    columns: dict[str, str]
    says: str
    questions: tuple[Question, ...]
    sides: int = 1
    reference: bool = False
    original: bool = False
    text: bool = False
    catch: str = "noise"

    def question(self, name: str) -> Question:
        """The question of that name."""
        return next(q for q in self.questions if q.name == name)


def _scale(labels: tuple[str, ...], low: float, step: float) -> tuple[tuple[Value, str], ...]:
    """A scale whose whole points have labels; points between them have none."""
    count = round((len(labels) - 1) / step) + 1
    out: list[tuple[Value, str]] = []
    for i in range(count):
        point = i * step
        out.append((low + point, labels[int(point)] if point == int(point) else ""))
    return tuple(out)


_NATURAL = ("bad: not like a person", "poor", "fair", "good", "excellent: as a person speaks")
_SAME_VOICE = ("surely another person", "probably another", "cannot say", "probably the same", "surely the same person")
_IN_STEP = ("voice and lips do not belong together", "far out of step", "somewhat", "nearly in step", "fully in step")
_COMPARE = (
    "A much better",
    "A better",
    "A slightly better",
    "the same",
    "B slightly better",
    "B better",
    "B much better",
)
_THREE: tuple[tuple[Value, str], ...] = (("A", "A"), ("same", "the same"), ("B", "B"))
AXES = {
    "pronunciation": "Whose words are clearer and spoken more correctly?",
    "naturalness": "Which sounds more like a person speaking?",
    "sound": "Which has the cleaner sound, without noise or distortion?",
    "emotion": "Whose expression is closer to the original's?",
    "voice": "Whose voice is closer to the original's?",
    "sync": "Which fits the movement of the lips better?",
}
"""The five axes of VOX-DUB, and lip sync."""

NAMES = ("mos-n", "mos-s", "mos-sync", "cmos", "ab")


def protocol(name: str, step: float = 1.0) -> Protocol:
    """The protocol of that name; ``step`` is the distance of two points of a five-point scale (1 or 0.5).

    ``mos-n``, ``mos-s`` and ``mos-sync`` are absolute category ratings (ITU-T P.800) of naturalness, of likeness to the
    reference voice, and of lip sync; ``cmos`` compares with one system on a scale from -3 to 3 (P.800, annex E);
    ``ab`` is A / B / same on the five axes of VOX-DUB and on lip sync.

    Raises:
        DubbenchError: no such protocol, or another step.
    """
    if step not in (0.5, 1.0):
        raise DubbenchError(f"a scale in steps of {step:g}; give --step 1 or --step 0.5")
    if name == "mos-n":
        asks = Question("naturalness", "How natural does the voice sound?", _scale(_NATURAL, 1, step))
        says = "Rate how natural the voice sounds. Judge the voice alone, not the picture and not the sentence."
        return Protocol(name, {"naturalness": "MOS-N"}, says, (asks,))
    if name == "mos-s":
        asks = Question("similarity", "Is this the voice of the reference?", _scale(_SAME_VOICE, 1, step))
        says = "Play the reference, then the video. Rate how alike the two voices are, whatever the sound quality."
        return Protocol(name, {"similarity": "MOS-S"}, says, (asks,), reference=True)
    if name == "mos-sync":
        asks = Question("sync", "How well does the voice fit the lips?", _scale(_IN_STEP, 1, step))
        says = "Watch the mouth. Rate how well the voice fits the movement of the lips, whatever the voice sounds like."
        return Protocol(name, {"sync": "MOS-sync"}, says, (asks,), catch="turned")
    if name == "cmos":
        choices = tuple((float(i - 3), label) for i, label in enumerate(_COMPARE))
        asks = Question("comparison", "Which of the two dubs is better as a whole?", choices)
        says = "Play both videos. Say which dub is better as a whole, and by how much."
        return Protocol(name, {"comparison": "CMOS"}, says, (asks,), sides=2)
    if name == "ab":
        questions = tuple(Question(axis, asks_, _THREE) for axis, asks_ in AXES.items())
        says = "Play both videos; the original is there to compare with. Answer every question for itself."
        return Protocol(name, {a: f"BT-{a}" for a in AXES}, says, questions, sides=2, original=True, text=True)
    raise DubbenchError(f"no listening test is called {name!r}; there are {', '.join(NAMES)}")
