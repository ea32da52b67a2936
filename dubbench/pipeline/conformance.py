"""``dubbench check``: one suite that any system can be put through, ours or a user's new one.

A few clips of a data set are dubbed several times in fresh processes: in order, again, in reverse order, one by one,
with other references, and beside damaged input. The answers are held against the protocol
(`dubbench.core.system.System`) by `dubbench.pipeline.conformance_rules`. Nothing is scored: a system that passes may
still sound bad.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dubbench.core.identity import clip_seed
from dubbench.core.request import DubRequest, Truth
from dubbench.core.spec import Spec
from dubbench.core.system import SystemInfo
from dubbench.datasets.base import Dataset, Vetted
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.pipeline.components import make_system
from dubbench.pipeline.conformance_worker import Answer, Heard, Step, work
from dubbench.pipeline.pairing import another_clip, pair
from dubbench.pipeline.prepare import prepare, sound_file, video_file
from dubbench.runtime.progress import Advance, progress
from dubbench.runtime.watching import Seen, Watch
from dubbench.runtime.worker_pool import Crash, each
from dubbench.signal.media import RATE, write_wav


@dataclass(frozen=True)
class Plan:
    """What is tried: ``clips`` of a data set under ``seed``, on ``device``, each clip within ``timeout`` seconds."""

    clips: int = 3
    device: str = "auto"
    timeout: float = 600.0
    seed: int = 0


@dataclass
class Session:
    """What came of one process: an answer list a clip, and what went wrong on the way.

    Attributes:
        answers: clip -> its answers, in their order. stray: answers that name no clip of their call.
        raised: clip -> the exception that a call with it ended in. crashed: clip -> how its process ended.
        broken: why the system could not be loaded. closed: why it did not close.
        heard: what each step took and told, with the clips of its call. left: processes that outlived it.
    """

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)
    raised: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    broken: str = ""
    closed: str = ""
    heard: list[tuple[tuple[str, ...], Heard]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass
class Trial:
    """Everything that the rules judge.

    Attributes:
        info: of the system, before it was loaded. requests: of the trial, in order.
        sessions: ``first``, ``again``, ``reverse``, ``single``, ``other`` (other references), ``odd`` (damaged input).
        odd: id of each damaged request -> what is damaged in it.
        seen: what was opened or changed beside the system's own folders. watched: whether that could be seen.
        home: the trial's folder. device: where the system ran.
    """

    info: SystemInfo
    requests: list[DubRequest]
    sessions: dict[str, Session] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)
    wrote: dict[str, None] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    watched: bool = False
    home: Path = Path()
    device: str = "cpu"


@contextmanager
def tried(data: Dataset, spec: Spec, plan: Plan) -> Iterator[Trial]:
    """Put a system through the suite; its samples can be read until the block ends.

    Raises:
        DubbenchError: the system cannot be made at all, or the data set has too few clips.
    """
    info = make_system(spec).info
    with tempfile.TemporaryDirectory(prefix="dubbench-check-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        requests, others, vault = _requests(data, info, plan, home)
        trial = Trial(info, requests, home=home, device=plan.device)
        trial.odd, odd = _damaged(requests, home)
        ids = tuple(r.clip for r in (*requests, *odd))
        base = Step("load", "", str(spec), plan.device, home, clips=ids, truths=vault)
        watch = Watch(
            opened=[] if info.privileged else sorted({path.parent for path in vault}),
            changed=[home, home / "inputs", home / "vault", home / "own" / "cwd"],
        )
        trial.watched = watch.works
        try:
            size = max(1, info.batch)
            in_order = _chunks(requests, size)
            alone = {"single": _chunks(requests, 1)} if size > 1 else {}
            processes = [
                {"first": in_order},
                {"again": in_order, "other": _chunks(others, size), "odd": _chunks([*odd, requests[0]], size)},
                {"reverse": [call[::-1] for call in in_order[::-1]], **alone},
            ]
            total = sum(len(calls) for parts in processes for calls in parts.values())
            with progress(f"checking {spec}", total) as advance:
                for parts in processes:
                    _process(trial, base, plan, parts, advance)
                    if trial.sessions["first"].broken:
                        break
        finally:
            trial.seen = watch.seen()
            watch.close()
        trial.seen.opened &= set(vault)
        trial.seen.changed.pop(home / "heard", None)  # ours
        yield trial


def _chunks(requests: Sequence[DubRequest], size: int) -> list[Sequence[DubRequest]]:
    return [requests[start : start + size] for start in range(0, len(requests), size)]


def _process(
    trial: Trial, base: Step, plan: Plan, parts: Mapping[str, Sequence[Sequence[DubRequest]]], advance: Advance
) -> None:
    """One process: load, the calls of every session in it, close."""
    name = next(iter(parts))
    first = trial.sessions.setdefault(name, Session())

    def steps() -> Iterator[Step]:
        yield replace(base, what="load", session=name)
        for session, calls in parts.items():
            for call in calls:
                if not first.broken:
                    yield replace(base, what="dub", session=session, requests=tuple(call))
        yield replace(base, what="close", session=name)

    for step, result in each(work, steps(), workers=1, timeout=lambda s: plan.timeout * max(1, len(s.requests))):
        session = trial.sessions.setdefault(step.session, Session())
        if isinstance(result, Heard):
            trial.wrote |= dict.fromkeys(result.wrote)
            trial.read |= dict.fromkeys(result.read)
            session.heard.append((tuple(request.clip for request in step.requests), result))
        problem = result.reason if isinstance(result, Crash) else result.raised
        if step.what == "load":
            first.broken = problem
        elif step.what == "close":
            first.closed = problem
            first.left = [] if isinstance(result, Crash) else result.left
        else:
            _file(session, step, result)
            advance(isinstance(result, Crash))


def _file(session: Session, step: Step, result: Heard | Crash) -> None:
    clips = tuple(request.clip for request in step.requests)
    if isinstance(result, Crash):
        session.crashed.update(dict.fromkeys(clips, result.reason))
        return
    for answer in result.answers:
        if answer.clip in clips:
            session.answers.setdefault(answer.clip, []).append(answer)
        else:
            session.stray.append(answer.fault or f"an answer for {answer.clip!a}, which was not asked for")
    if result.raised:
        session.raised.update({clip: result.raised for clip in clips if clip not in session.answers})


def _requests(
    data: Dataset, info: SystemInfo, plan: Plan, home: Path
) -> tuple[list[DubRequest], list[DubRequest], tuple[Path, ...]]:
    """The trial's requests under Setting 2.0 (1.0 where no clip has a partner), the same with other references, and
    the files that hold the ground truth."""
    vetted = Vetted(data)
    pool = select(vetted, "test").clips
    clips = select(vetted, "test", plan.clips).clips
    if len(clips) < 2:
        raise DubbenchError(f"{vetted.info.name}: a check takes 2 clips at least, and {vetted.root} has {len(clips)}")
    pairing = pair(clips, pool, "2.0")
    if any(reference.problem for reference in pairing.references.values()):
        pairing = pair(clips, pool, "1.0")
    partner = another_clip(clips, pool)
    by_id = {clip.id: clip for clip in pool}
    needed = {clip.id: clip for clip in clips}
    for voice in (*pairing.references.values(), *partner.values()):
        needed |= {voice.clip: by_id[voice.clip]} if voice.clip else {}
    made = prepare(needed.values(), home / "work", 1, plan.timeout, lambda _: None, vetted.info.seconds)
    for clip in needed.values():
        if problem := made[clip.id].problem or made[clip.id].truth_problem:
            raise DubbenchError(f"{clip.id}: {problem}")
    for name in ("inputs", "vault", "own/cwd"):
        (home / name).mkdir(parents=True)

    def given(name: str, digest: str, sound: bool) -> Path:
        source = sound_file(home / "work", digest) if sound else video_file(home / "work", digest)
        target = home / "inputs" / f"{name}{source.suffix}"
        if not target.exists():
            shutil.copyfile(source, target)
        return target

    requests, others, vault = [], [], []
    for number, clip in enumerate(clips):
        ready, reference = made[clip.id], pairing.references[clip.id].clip
        other = partner[clip.id].clip
        truth = Truth(
            audio=sound_file(home / "work", ready.digest),
            other_audio=sound_file(home / "work", made[other].digest) if other else None,
            other_video=video_file(home / "work", made[other].digest) if other else None,
        )
        request = DubRequest(
            clip=clip.id,
            video=given(f"video-{number}", ready.digest, False),
            text=clip.text,
            reference=given(f"reference-{number}", made[reference].digest, True),
            duration=ready.duration,
            fps=ready.fps,
            seed=clip_seed(plan.seed, clip.id),
            truth=truth if info.privileged else None,
        )
        requests.append(request)
        swapped = next((c.id for c in needed.values() if c.id not in (reference, clip.id)), clip.id)
        others.append(replace(request, reference=given(f"other-{number}", made[swapped].digest, True)))
        vault += _hidden(clip.id, clip.audio or clip.video, home / "vault")
    if not info.privileged:
        shutil.rmtree(home / "work")
    originals = [path.resolve() for clip in clips for path in (clip.audio,) if path is not None]
    return requests, others, (*vault, *originals)


def _hidden(clip: str, source: Path, vault: Path) -> list[Path]:
    """The clip with its sound, where a curious system would look for it, and unreadable."""
    target = vault / f"{clip}{source.suffix}"
    shutil.copyfile(source, target)
    target.chmod(0)
    return [target]


def _damaged(requests: Sequence[DubRequest], home: Path) -> tuple[dict[str, str], list[DubRequest]]:
    """Requests that a system may fail, but not fall over: a broken video, a silent reference, a strange text."""
    like = requests[-1]
    broken, silent = home / "inputs" / "broken.mkv", home / "inputs" / "silent.wav"
    broken.write_bytes(like.video.read_bytes()[:200] + b"\0" * 400)
    write_wav(silent, np.zeros(RATE, np.float32), RATE)
    odd = {"odd-video": "a damaged video", "odd-reference": "a silent reference", "odd-text": "a text of signs alone"}
    return odd, [
        replace(like, clip="odd-video", video=broken),
        replace(like, clip="odd-reference", reference=silent),
        replace(like, clip="odd-text", text="§ ∞ 漢字 ¿?"),
    ]
