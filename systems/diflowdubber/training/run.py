"""A training from beginning to end: caches in, a run folder of checkpoints, log and samples out."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from dubbench.errors import DubbenchError
from dubbench.training import checkpoint
from dubbench.training.features import Cache, hold_out

from ..config import Config
from ..geometry import Books
from .data import Corpus
from .launch import Engine, launcher
from .loop import Trainer
from .objective import Objective, Stage, read_init, read_teacher, with_widths
from .options import Settings

Precision = Literal["auto", "float32", "bf16"]
PRECISIONS = get_args(Precision)


@dataclass(frozen=True)
class Job:
    """What to train.

    Attributes:
        stage: ``tts`` or ``dub``.
        config: of the model and its optimisation.
        caches: features to train on.
        run: folder of the run.
        held_out: how many clips of each cache are kept for validation (`hold_out`), at most a tenth.
        teacher: a stage 1 checkpoint or run; stage 2 starts from it and distils it.
        codec: with which samples are spoken; none are for an empty one.
        init: a run or checkpoint of the same stage and configuration whose weights are the first ones, to train them on
            other clips; random ones for None.
    """

    stage: Stage
    config: Config
    caches: Sequence[Path]
    run: Path
    held_out: int = 50
    teacher: Path | None = None
    codec: str = ""
    init: Path | None = None


@dataclass(frozen=True)
class Machine:
    """Where and how it runs: nothing here belongs to a run's identity but the precision.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        engine: of the processes.
        precision: ``auto`` is bfloat16 on a GPU and float32 on a CPU. Newer CPUs (avx512_bf16, amx) gain a third by
            ``bf16``; on others it is slow.
    """

    device: str = "auto"
    engine: Engine = "auto"
    precision: Precision = "auto"


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        checkpoint: the best one, else the last.
        step: the last step that is done, whose checkpoint is there too.
        stopped: what ended it before its last step: ``time``, ``SIGINT`` or ``SIGTERM``; empty if nothing did.
    """

    checkpoint: Path
    step: int
    stopped: str = ""

    @property
    def ended(self) -> bool:
        """Whether all steps are done."""
        return not self.stopped

    @property
    def status(self) -> int:
        """For the process: 0, 4 for the time, 130 and 143 for the signals."""
        return {"": 0, "time": 4, "SIGINT": 130, "SIGTERM": 143}[self.stopped]

    @property
    def told(self) -> str:
        """The outcome in one line."""
        if not self.stopped:
            return f"checkpoint: {self.checkpoint}"
        why = "the time is over" if self.stopped == "time" else f"ended by {self.stopped}"
        return f"{why}; step {self.step} is done and saved, the same command goes on from there"


def train(job: Job, settings: Settings, machine: Machine) -> Outcome:
    """Train, or go on where the run stopped.

    Raises:
        DubbenchError: input that does not fit, a run begun under other settings, or a loss that is not a number.
    """
    trainer = _trainer(job, settings, machine)
    trainer.resume()
    if trainer.step == 0:
        trainer.run.mkdir(parents=True, exist_ok=True)
    stopped = trainer.fit(_sampler(job, trainer)) if trainer.step < trainer.total else ""
    return Outcome(checkpoint.find(job.run), trainer.step, stopped)


def estimate(job: Job, settings: Settings, machine: Machine, steps: int = 10) -> dict[str, float]:
    """Time a few steps and write nothing.

    Returns:
        ``parameters``, ``clips``, ``steps`` (in all), ``steps_per_second``, ``hours`` (in all), ``memory_gib``.
    """
    trainer = _trainer(job, settings, machine)
    cuda = trainer.launcher.device.type == "cuda"
    for step in range(2):
        trainer.take(trainer.batch(step))
    start = time.perf_counter()
    for step in range(2, 2 + steps):
        trainer.take(trainer.batch(step))
    if cuda:
        torch.cuda.synchronize()
    rate = steps / (time.perf_counter() - start)
    return {
        "parameters": float(sum(p.numel() for p in trainer.objective.model.parameters())),
        "clips": float(len(trainer.corpus)),
        "steps": float(trainer.total),
        "steps_per_second": rate,
        "hours": trainer.total / rate / 3600,
        "memory_gib": (torch.cuda.max_memory_allocated() / 2**30) if cuda else _resident_gib(),
    }


def _trainer(job: Job, settings: Settings, machine: Machine) -> Trainer:
    caches = [Cache.load(path) for path in job.caches]
    aside = frozenset(clip for cache in caches for clip in _held_out(cache, job.held_out))
    corpus, validation = Corpus.of(caches, aside), Corpus.of(caches, aside, only=True)
    if not len(corpus):
        raise DubbenchError("no clip is left to train on; hold out fewer with --hold-out")
    config = with_widths(job.config, corpus, job.stage)
    info = caches[0].info
    teacher, of_teacher = (None, None) if job.stage == "tts" else read_teacher(job.teacher, config, info.codec_digest)
    if machine.precision not in PRECISIONS:
        raise DubbenchError(f"no precision {machine.precision!r}; there are {', '.join(PRECISIONS)}")
    on_gpu = machine.device != "cpu" and torch.cuda.is_available()
    bf16 = machine.precision == "bf16" or (machine.precision == "auto" and on_gpu)
    launched = launcher(machine.engine, machine.device, bf16)
    torch.manual_seed(settings.seed)
    objective = Objective(job.stage, config, teacher)
    objective.fit_statistics(corpus)
    if config.needs_geometry:
        objective.learn_geometry(_books(job.codec, info.codec_digest))
    of_init = read_init(job.init, objective, info.codec_digest)
    meta = {
        "codec": {"name": info.codec, "digest": info.codec_digest},
        "features": [_account(cache) for cache in caches],
        "held_out": validation.ids,
        "visual": info.visual,
        "teacher": of_teacher,
        "init": of_init,
        "precision": "bf16" if bf16 else "float32",
    }
    return Trainer(objective, corpus, validation, launched, settings, job.run, meta)


def _books(spec: str, digest: str) -> Books:
    """What the codec's codes stand for.

    Raises:
        DubbenchError: no codec was given, or another one than the features'.
    """
    from ..codecs import check_codec, open_codec

    if not spec:
        raise DubbenchError("soft_targets, codebook_start, weights.voicing and weights.pitch need --codec")
    codec = open_codec(spec)
    check_codec(codec, spec, digest, "the features have")
    return codec.books()


def _held_out(cache: Cache, count: int) -> list[str]:
    ids = [row[0] for row in cache.info.clips]
    return hold_out(ids, min(count, len(ids) // 10))


def _account(cache: Cache) -> dict[str, Any]:
    info = asdict(cache.info)
    return {"dataset": info["dataset"], "split": info["split"], "clips": len(cache), "sha256": cache.digest}


def _sampler(job: Job, trainer: Trainer) -> Any:
    """A function that speaks and draws some validation clips; None where there is nothing to do it with."""
    if not len(trainer.validation) or trainer.launcher.rank:
        return None
    from .samples import Sampler

    return Sampler(trainer.validation, trainer.run / "samples", job.codec, trainer.launcher.device)


def _resident_gib() -> float:
    """Most memory this process has held."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 2**30
