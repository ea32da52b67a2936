"""The rules of ``dubbench check``: each examines a trial and returns the faults that it finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from dubbench.pipeline.conformance import Session, Trial
from dubbench.pipeline.conformance_worker import Answer

State = Literal["ok", "fault", "warning", "not tried"]
LENGTH = 0.08
"""Seconds (two frames at 25 fps) by which a dub may be longer or shorter than its video."""
ROUNDING = 1e-3
"""RMS difference over RMS that another batch, or a GPU, may make."""


@dataclass(frozen=True)
class Finding:
    """What one rule says: ``what`` it holds, its ``state``, and ``seen``, the evidence in one line."""

    rule: str
    what: str
    state: State
    seen: str = ""


@dataclass(frozen=True)
class Report:
    """What came of a check.

    Attributes:
        system: its spec. kind: of the system. clips: ids that were dubbed. findings: a line a rule.
    """

    system: str
    kind: str
    clips: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> list[Finding]:
        """The rules that are broken."""
        return [finding for finding in self.findings if finding.state == "fault"]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "passed": not self.faults}


Verdict = tuple[State, str]
OK: Verdict = ("ok", "")


def judge(trial: Trial, spec: str) -> Report:
    """Hold a trial against every rule."""
    findings = []
    broken = trial.sessions["first"].broken
    for name, (what, rule) in RULES.items():
        state, seen = rule(trial) if not broken or name == "loads" else ("not tried", "it cannot be loaded")
        findings.append(Finding(name, what, state, " ".join(seen.split())))
    return Report(spec, trial.info.kind, tuple(r.clip for r in trial.requests), tuple(findings))


def _loads(trial: Trial) -> Verdict:
    for name, session in trial.sessions.items():
        if session.broken:
            return "fault", f"cannot be loaded: {session.broken}"
        if session.closed:
            return "fault", f"close: {session.closed}"
        infos = {heard.info for _, heard in session.heard if heard.info}
        if len(infos) > 1:
            return "fault", f"its info changed while it worked ({name}); a run's identity is what it said before"
    return OK


def _answers(trial: Trial) -> Verdict:
    for name, session in trial.sessions.items():
        if session.crashed and name != "odd":
            clip, reason = next(iter(session.crashed.items()))
            return "fault", f"{clip}: {reason}"
        if session.stray:
            return "fault", session.stray[0]
        twice = [clip for clip, answers in session.answers.items() if len(answers) > 1]
        if twice:
            return "fault", f"{len(session.answers[twice[0]])} answers for {twice[0]}"
        for clips, heard in session.heard:
            silent = [clip for clip in clips if clip not in session.answers and not heard.raised]
            if silent:
                return "fault", f"no answer for {silent[0]}, and no exception"
    return OK


def _dubs(trial: Trial) -> Verdict:
    session = trial.sessions["first"]
    for request in trial.requests:
        if request.clip in session.raised:
            return "fault", f"{request.clip}: {session.raised[request.clip]}"
        for answer in session.answers.get(request.clip, []):
            if answer.failure:
                return "fault", f"{request.clip}: {answer.failure}"
    return OK


def _samples(trial: Trial) -> Verdict:
    loud = ("", 0.0)
    for clip, answer in _all(trial):
        if clip in trial.odd:
            continue
        if answer.fault:
            return "fault", f"{clip}: {answer.fault}"
        if answer.peak == 0 and not trial.info.privileged:
            return "fault", f"{clip}: digital silence"
        loud = max(loud, (clip, answer.peak), key=lambda pair: pair[1])
    if loud[1] > 1.001:
        return "warning", f"{loud[0]}: samples up to {loud[1]:.2f}, and the range is [-1, 1]"
    return OK


def _rate(trial: Trial) -> Verdict:
    rates = {answer.rate for _, answer in _all(trial) if answer.samples is not None}
    declared = trial.info.settings.get("sample_rate")
    strange = [rate for rate in rates if not 4000 <= rate <= 192000]
    if strange:
        return "fault", f"{strange[0]} Hz; a rate lies between 4,000 and 192,000 Hz"
    if len(rates) > 1 and trial.info.kind != "precomputed":
        return "fault", f"{' and '.join(f'{rate} Hz' for rate in sorted(rates))} in one run"
    if declared is not None and rates - {declared}:
        return "fault", f"{min(rates - {declared})} Hz, and info.settings declares {declared} Hz"
    return "ok", f"{', '.join(str(rate) for rate in sorted(rates))} Hz" if rates else ""


def _length(trial: Trial) -> Verdict:
    lengths = {request.clip: request.duration for request in trial.requests}
    worst = ("", 0.0)
    for clip, answer in _all(trial):
        if clip in lengths and answer.samples is not None:
            worst = max(worst, (clip, answer.seconds - lengths[clip]), key=lambda pair: abs(pair[1]))
    if abs(worst[1]) <= LENGTH + 1e-6:
        return "ok", f"{1000 * worst[1]:+.0f} ms at most" if worst[0] else ""
    way = "longer" if worst[1] > 0 else "shorter"
    seen = f"{worst[0]}: {abs(worst[1]):.2f} s {way} than its video of {lengths[worst[0]]:.2f} s"
    return ("warning" if trial.info.kind == "precomputed" else "fault"), seen


def _equal(name: str, loose: bool = False) -> Callable[[Trial], Verdict]:
    """A rule: session ``name`` gives the dubs of the first one; up to rounding if ``loose`` or on a GPU."""

    def rule(trial: Trial) -> Verdict:
        if name not in trial.sessions:
            return "not tried", "it takes one clip at a time" if name == "single" else ""
        rounding, compared = 0.0, 0
        for request in trial.requests:
            first, other = (_dub(trial.sessions[session], request.clip) for session in ("first", name))
            if first is None or other is None:
                continue
            compared += 1
            difference = _difference(first, other)
            rounding = max(rounding, difference)
            if difference > (ROUNDING if loose or trial.device.startswith("cuda") else 0):
                much = "another length" if math.isinf(difference) else f"{100 * difference:.2g} % of its RMS"
                return "fault", f"{request.clip}: other samples ({much})"
        if not compared:
            return "not tried", "no clip was dubbed both times"
        return "ok", f"up to rounding ({rounding:.1e} of the RMS)" if rounding else "the same samples"

    return rule


def _setting(trial: Trial) -> Verdict:
    if trial.info.kind in ("control", "precomputed"):
        return "not tried", "a control has no voice" if trial.info.privileged else "its references are in the past"
    same, compared = [], 0
    for request in trial.requests:
        first, other = _dub(trial.sessions["first"], request.clip), _dub(trial.sessions["other"], request.clip)
        if first is not None and other is not None:
            compared += 1
            same += [request.clip] if _difference(first, other) == 0 else []
    if not compared:
        return "not tried", "no clip was dubbed both times"
    if len(same) == compared:
        return "fault", f"{same[0]}: the same samples with another reference; it does not listen to what it is given"
    return ("warning", f"{', '.join(same)}: the same with another reference") if same else OK


def _failures(trial: Trial) -> Verdict:
    session = trial.sessions.get("odd", Session())
    for clip, what in trial.odd.items():
        if clip in session.crashed:
            return "fault", f"{what}: {session.crashed[clip]}; give a Failure, or raise"
    beside = trial.requests[0].clip
    first, again = _dub(trial.sessions["first"], beside), _dub(session, beside)
    if first is not None and again is None and beside not in session.raised:
        return "fault", f"{beside} was not dubbed after {', '.join(trial.odd.values())}"
    if first is not None and again is not None and _difference(first, again) > ROUNDING:
        return "fault", f"{beside} has other samples after {', '.join(trial.odd.values())}"
    told = []
    for clip, what in trial.odd.items():
        answers = session.answers.get(clip, [])
        reason = session.raised.get(clip) or next((a.failure for a in answers if a.failure), "")
        told.append(f"{what}: {'failed' if reason else 'dubbed'}")
    return "ok", "; ".join(told)


def _timings(trial: Trial) -> Verdict:
    if not trial.info.timed:
        return "not tried", "nothing of it is timed"
    for session in trial.sessions.values():
        for clips, heard in session.heard:
            stages = 0.0
            for answer in heard.answers:
                for name, seconds in answer.timings.items():
                    if not (math.isfinite(seconds) and seconds >= 0):
                        return "fault", f"{answer.clip}: timing {name} is {seconds}"
                stages += sum(v for k, v in answer.timings.items() if k in ("frontend", "model", "vocoder"))
            if stages > heard.seconds * 1.05 + 0.05:
                return "fault", f"{', '.join(clips)}: its stages take {stages:.2f} s of {heard.seconds:.2f} s"
    return OK


def _truth(trial: Trial) -> Verdict:
    if trial.info.privileged:
        return "not tried", "a control: it is handed the ground truth, and is badged for it"
    vault = [path for path in sorted(trial.seen.opened) if path.is_relative_to(trial.home)]
    if trial.read or vault:
        name = next(iter(trial.read), "") or str(vault[0])
        return "fault", f"opened {name.replace(f'{trial.home}/', '')}, which holds the ground truth"
    if trial.seen.opened:
        path = min(trial.seen.opened)
        return "warning", f"{path} was opened meanwhile, by the system or by another program; check again alone"
    return OK if trial.watched else ("ok", "as far as Python code tells; this system cannot watch files")


def _writes(trial: Trial) -> Verdict:
    places = list(trial.wrote) + [str(path) for path in sorted(trial.seen.changed)]
    if places:
        shown = places[0].replace(f"{trial.home}/own/cwd", "the working folder").replace(f"{trial.home}/", "")
        return "fault", f"wrote {shown}" + (f" and {len(places) - 1} more" if len(places) > 1 else "")
    return OK


def _leaves(trial: Trial) -> Verdict:
    left = [command for session in trial.sessions.values() for command in session.left]
    return ("fault", f"still running after close: {left[0]}") if left else OK


RULES: dict[str, tuple[str, Callable[[Trial], Verdict]]] = {
    "loads": ("it is made, loaded and closed, and says the same of itself throughout", _loads),
    "answers": ("every request gets one answer, and nothing else does", _answers),
    "dubs": ("every clip of the trial is dubbed", _dubs),
    "samples": ("samples are finite, in [-1, 1], and not silence", _samples),
    "rate": ("one sample rate, the declared one", _rate),
    "length": (f"a dub is as long as its video, within {1000 * LENGTH:.0f} ms", _length),
    "determinism": ("the same request and seed give the same dub in another process", _equal("again")),
    "order": ("the order of clips changes nothing", _equal("reverse")),
    "batch": ("the clips in one batch change nothing for each other", _equal("single", loose=True)),
    "setting": ("the dub depends on the reference that is handed over", _setting),
    "failures": ("damaged input fails alone, and harms no other clip", _failures),
    "timings": ("its times are finite, and no more than what passed", _timings),
    "truth": ("the ground truth is not opened", _truth),
    "writes": ("nothing is written outside of its temporary folder and caches", _writes),
    "leaves": ("no process is left after close", _leaves),
}


def _all(trial: Trial) -> Iterator[tuple[str, Answer]]:
    """Every dub or fault of the trial."""
    for session in trial.sessions.values():
        for clip, answers in session.answers.items():
            yield from ((clip, answer) for answer in answers if not answer.failure)


def _dub(session: Session, clip: str) -> Answer | None:
    return next((a for a in session.answers.get(clip, []) if a.samples is not None), None)


def _difference(one: Answer, other: Answer) -> float:
    """RMS of the difference over RMS of the first; infinite for other lengths."""
    assert one.samples is not None and other.samples is not None
    a, b = np.load(one.samples).astype(np.float64), np.load(other.samples).astype(np.float64)
    if a.shape != b.shape:
        return math.inf
    return float(np.sqrt(np.mean((a - b) ** 2)) / max(float(np.sqrt(np.mean(a**2))), 1e-9))
