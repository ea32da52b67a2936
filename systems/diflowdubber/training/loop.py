"""The steps of a training: resumable after any end with the same losses, and stopped by the first that is no number."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dubbench.errors import DubbenchError
from dubbench.runtime.progress import progress
from dubbench.training import checkpoint

from .data import Corpus, Order, step_generator
from .launch import Launcher
from .log import Log
from .objective import Batch, Given, Objective, judge
from .optimise import Average, Decay, learning_rate, optimiser


@dataclass(frozen=True)
class Settings:
    """How to train, beside what the configuration says.

    Attributes:
        seed: of weights, order, references and noise.
        clip: largest norm of the gradient.
        average: decay of the weights' average; 0 for none.
        decay: of the learning rate after the warm-up.
        steps: instead of the configuration's; 0 for those.
        save_every, validate_every: steps.
        keep: how many of the last checkpoints stay, beside the best.
        log_every: steps a line.
        seconds: stop, in order, after that time; the same command goes on. 0 for no limit.
    """

    seed: int = 0
    clip: float = 1.0
    average: float = 0.999
    decay: Decay = "cosine"
    steps: int = 0
    save_every: int = 500
    validate_every: int = 500
    keep: int = 2
    log_every: int = 1
    seconds: float = 0.0

    @property
    def identity(self) -> dict[str, Any]:
        """What changes the losses."""
        return {name: getattr(self, name) for name in ("seed", "clip", "average", "decay", "steps")}


Sample = Callable[[Objective, int], None]


class Trainer:
    """One stage on one corpus, in one run folder.

    Args:
        objective: model, batches, losses.
        corpus, validation: what to learn from, and what to judge on (may be empty).
        launcher: where it runs.
        settings: how.
        run: folder of the checkpoints and the log.
        meta: what every checkpoint says besides (codec, features, teacher); a run goes on only under the same.
    """

    def __init__(
        self,
        objective: Objective,
        corpus: Corpus,
        validation: Corpus,
        launcher: Launcher,
        settings: Settings,
        run: Path,
        meta: Mapping[str, Any],
    ) -> None:
        self.objective, self.corpus, self.validation = objective, corpus, validation
        self.launcher, self.settings, self.run = launcher, settings, Path(run)
        training = objective.training_settings
        self.order = Order(corpus.lengths, training.batch, settings.seed)
        self.total = settings.steps or training.steps or training.epochs * self.order.per_epoch
        self.meta = {
            **meta,
            "stage": objective.stage,
            "config": objective.config.to_dict(),
            "training": {**settings.identity, "total": self.total, "world": launcher.world},
        }
        if min(training.batch, len(corpus)) % launcher.world:
            raise DubbenchError(f"a batch of {training.batch} cannot be shared by {launcher.world} processes")
        torch.manual_seed(settings.seed)
        self.module = launcher.setup(objective)
        objective.teacher_to(launcher.device)
        self.optimiser = optimiser(objective.model, training)
        self.average = Average(objective.model, settings.average)
        self.step = 0
        self.best: dict[str, float] | None = None

    def resume(self) -> None:
        """Go on from the last checkpoint of the run, if there is one.

        Raises:
            DubbenchError: it was written under other settings, or is damaged.
        """
        found = checkpoint.steps_of(self.run)
        if not found:
            return
        for cut_off in (self.run / "checkpoints").glob(".step-*"):  # by a kill
            shutil.rmtree(cut_off, ignore_errors=True)
        meta = checkpoint.read_meta(found[-1])
        differ = [name for name, value in self.meta.items() if meta.get(name) != _plain(value)]
        if differ:
            detail = ", ".join(f"{name}{_difference(meta.get(name), _plain(self.meta[name]))}" for name in differ)
            raise DubbenchError(f"{self.run} was begun with another {detail}; give a new folder with --out")
        where = str(found[-1])
        checkpoint.load_state(self.objective.model, checkpoint.read(found[-1], "model"), where)
        checkpoint.unpack_optimiser(self.optimiser, checkpoint.read(found[-1], "optimiser"))
        if self.settings.average:
            self.average.load(checkpoint.read(found[-1], "ema"))
        self.step, self.best = meta["step"], meta["best"]
        is_best = self.best is not None and self.best["step"] == self.step
        if is_best and checkpoint.best_of(self.run) != found[-1]:  # killed before it was noted
            checkpoint.mark_best(found[-1])

    def fit(self, sample: Sample | None = None) -> bool:
        """Train to the end; False if it stopped before, for time.

        Args:
            sample: called after every validation, on the first process.

        Raises:
            DubbenchError: the loss or the gradient is not a number; the last checkpoint is from before.
        """
        first = self.launcher.rank == 0
        log = Log(self.run, self.step) if first else None
        start = time.monotonic()
        ended = True
        self.module.train()
        left = self.total - self.step
        what = f"{self.objective.stage} from step {self.step}" if self.step else self.objective.stage
        try:
            with _shown(what, left, first) as advance, self._batches() as batches:
                for batch in batches:
                    values = self.take(batch)
                    if log is not None and self.step % self.settings.log_every == 0:
                        log.write(self.step, "train", values)
                    advance()
                    last = self.step == self.total
                    better = False
                    if len(self.validation) and (last or self.step % self.settings.validate_every == 0):
                        better = self._agree(first and self._validate(log, sample))
                    late = self.settings.seconds > 0 and self._agree(time.monotonic() - start > self.settings.seconds)
                    if last or better or late or self.step % self.settings.save_every == 0:
                        self.save(better)
                    if late and not last:
                        ended = False
                        break
        finally:
            if log is not None:
                log.close()
        return ended

    def take(self, batch: Batch) -> dict[str, float]:
        """One step; its losses, gradient norm and learning rate.

        Raises:
            DubbenchError: the loss or the gradient is not a number.
        """
        self.step += 1
        rate = learning_rate(self.step, self.total, self.objective.training_settings, self.settings.decay)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # A step's randomness depends on its number alone: this is all the state that resuming needs.
        torch.manual_seed(_seed(self.settings.seed, self.step, self.launcher.rank))
        noise = self.objective.noise(batch)
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.module(Given(batch.to(self.launcher.device), noise))
        self.launcher.backward(losses["total"])
        norm = torch.nn.utils.clip_grad_norm_(self.objective.model.parameters(), self.settings.clip)
        numbers = torch.stack([*losses.values(), norm]).tolist()  # one wait for the GPU
        values = dict(zip([*losses, "norm", "rate"], [*numbers, rate], strict=True))
        if not all(math.isfinite(value) for value in values.values()):
            strange = ", ".join(f"{name} {value}" for name, value in values.items() if not math.isfinite(value))
            found = checkpoint.steps_of(self.run)
            kept = f"the last good checkpoint is {found[-1]}" if found else "there was no checkpoint yet"
            raise DubbenchError(f"training stopped at step {self.step}: {strange}; {kept}. Try a lower learning rate")
        self.optimiser.step()
        self.average.update(self.objective.model, self.step)
        return values

    @contextmanager
    def _batches(self) -> Iterator[Iterator[Batch]]:
        """Batches from the next step on, made one ahead."""
        with ThreadPoolExecutor(1) as pool:

            def stream() -> Iterator[Batch]:
                coming = pool.submit(self.batch, self.step) if self.step < self.total else None
                for step in range(self.step, self.total):
                    assert coming is not None
                    batch = coming.result()
                    coming = pool.submit(self.batch, step + 1) if step + 1 < self.total else None
                    yield batch

            yield stream()

    def batch(self, step: int) -> Batch:
        """This process's share of the batch of ``step``, counted from 0."""
        places = self.order.step(step)[self.launcher.rank :: self.launcher.world]
        rng = step_generator(self.settings.seed, step, self.launcher.rank)
        return self.objective.batch(self.corpus, [int(p) for p in places], rng)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The model with its average's weights."""
        if not self.settings.average:
            yield
            return
        model = self.objective.model
        own = {name: x.detach().clone() for name, x in model.state_dict().items()}
        model.load_state_dict(self.average.weights)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def _validate(self, log: Log | None, sample: Sample | None) -> bool:
        """Judge, write it down, make samples; whether it is better than ever."""
        with self.averaged():
            scores = judge(self.objective, self.validation, self.launcher.device)
            if log is not None:
                log.write(self.step, "validation", scores)
            if sample is not None:
                sample(self.objective, self.step)
        if not math.isfinite(scores["total"]) or (self.best is not None and scores["total"] >= self.best["total"]):
            return False
        self.best = {"step": self.step, "total": scores["total"]}
        return True

    def save(self, better: bool = False) -> Path:
        """Write a checkpoint of this step, drop old ones; the folder."""
        folder = self._folder(self.step)
        if self.launcher.rank == 0:
            groups = {
                "model": self.objective.model.state_dict(),
                "optimiser": checkpoint.pack_optimiser(self.optimiser),
                **({"ema": self.average.weights} if self.settings.average else {}),
            }
            checkpoint.write(folder, groups, {**_plain(self.meta), "step": self.step, "best": self.best})
            if better:
                checkpoint.mark_best(folder)
            kept = checkpoint.best_of(self.run)
            for old in checkpoint.steps_of(self.run)[: -max(1, self.settings.keep)]:
                if old != kept:
                    shutil.rmtree(old)
        self.launcher.barrier()
        return folder

    def _folder(self, step: int) -> Path:
        return self.run / "checkpoints" / f"step-{step:08}"

    def _agree(self, stop: bool) -> bool:
        """Whether the first process stops: all do or none."""
        if self.launcher.world == 1:
            return stop
        word = torch.tensor(int(stop), device=self.launcher.device)
        torch.distributed.broadcast(word, 0)
        return bool(word.item())


@contextmanager
def _shown(what: str, total: int, first: bool) -> Iterator[Callable[[], None]]:
    if not first:
        yield lambda: None
        return
    with progress(f"training {what}", total) as advance:
        yield advance


def _seed(*parts: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence(list(parts)).generate_state(1, np.uint64)[0] >> 1)


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    import json

    return json.loads(json.dumps(value))


def _difference(old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(set(old) | set(new)):
            if old.get(key) != new.get(key):
                return f" ({key}: {old.get(key)!r}, now {new.get(key)!r})"
    return f" ({old!r}, now {new!r})"
