"""The steps of a training: resumable after any end with the same losses, and stopped by the first that is no number."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dubbench.errors import DubbenchError
from dubbench.runtime.progress import progress
from dubbench.training import checkpoint

from .data import Corpus, Order, step_generator
from .going_on import Interrupts, continued, out_of_memory, plain
from .launch import Launcher
from .log import Log
from .objective import Batch, Given, Objective, judge
from .optimise import Average, learning_rate, optimiser
from .options import Settings

Sample = Callable[[Objective, int], None]


class Trainer:
    """One stage on one corpus, in one run folder.

    Args:
        objective: model, batches, losses.
        corpus: what to learn from.
        validation: what to judge on; it may be empty.
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
        batch = training.batch * (launcher.world if training.per_gpu else 1)
        self.order = Order(corpus.lengths, batch, settings.seed)
        self.parts = settings.accumulate
        self.total = settings.steps or training.steps or training.epochs * self.order.per_epoch
        self.meta = {
            **meta,
            "stage": objective.stage,
            "config": objective.config.to_dict(),
            "training": {**settings.identity, "total": self.total, "world": launcher.world},
        }
        if min(batch, len(corpus)) % launcher.world:
            raise DubbenchError(f"a batch of {min(batch, len(corpus))} cannot be shared by {launcher.world} processes")
        torch.manual_seed(settings.seed)
        self.module = launcher.setup(objective)
        objective.teacher_to(launcher.device)
        self.optimiser = optimiser(objective.model, training)
        self.average = Average(objective.model, settings.average)
        self.step = 0
        self.best: dict[str, float] | None = None

    def resume(self) -> None:
        """Go on from the last checkpoint of the run, if there is one; with another number of steps, to that end.

        Raises:
            DubbenchError: it was written under other settings, has more steps already, or is damaged.
        """
        found = checkpoint.steps_of(self.run)
        if not found:
            return
        for cut_off in (self.run / "checkpoints").glob(".step-*"):  # by a kill
            shutil.rmtree(cut_off, ignore_errors=True)
        meta = checkpoint.read_meta(found[-1])
        self.meta = continued(self.run, meta, self.meta)
        where = str(found[-1])
        checkpoint.load_state(self.objective.model, checkpoint.read(found[-1], "model"), where)
        checkpoint.unpack_optimiser(self.optimiser, checkpoint.read(found[-1], "optimiser"))
        if self.settings.average:
            self.average.load(checkpoint.read(found[-1], "ema"))
        self.step, self.best = meta["step"], meta["best"]
        is_best = self.best is not None and self.best["step"] == self.step
        if is_best and checkpoint.best_of(self.run) != found[-1]:  # killed before it was noted
            checkpoint.mark_best(found[-1])

    def fit(self, sample: Sample | None = None) -> str:
        """Train to the end, or until SIGINT, SIGTERM or the time given end it after a step, with a checkpoint.

        Returns:
            What ended it: ``""`` for the end of the training, ``SIGINT``, ``SIGTERM`` or ``time``.

        Args:
            sample: called after every validation, on the first process.

        Raises:
            DubbenchError: the loss or the gradient is not a number; the last checkpoint is from before.
        """
        first = self.launcher.rank == 0
        log = Log(self.run, self.step) if first else None
        start = time.monotonic()
        stopped = ""
        self.module.train()
        left = self.total - self.step
        what = f"{self.objective.stage} from step {self.step}" if self.step else self.objective.stage
        try:
            with Interrupts() as asked, _shown(what, left, first) as advance, self._batches() as batches:
                for parts in batches:
                    values = self.take(parts)
                    if log is not None and self.step % self.settings.log_every == 0:
                        log.write(self.step, "train", values)
                    advance()
                    last = self.step == self.total
                    better = False
                    if len(self.validation) and (last or self.step % self.settings.validate_every == 0):
                        better = self._agree(first and self._validate(log, sample))
                    late = 0 < self.settings.seconds < time.monotonic() - start
                    stop = self._agree(late or bool(asked.name))
                    if last or better or stop or self.step % self.settings.save_every == 0:
                        self.save(better)
                    if stop and not last:
                        stopped = asked.name or "time"
                        break
        finally:
            if log is not None:
                log.close()
        return stopped

    def take(self, parts: Sequence[Batch]) -> dict[str, float]:
        """One step on a batch in parts; its losses, gradient norm and learning rate.

        Where memory does not suffice, the batch is computed in twice as many parts from now on.

        Raises:
            DubbenchError: the loss or the gradient is not a number, or there is no memory for a single clip.
        """
        self.step += 1
        while True:
            try:
                return self._take(parts)
            except (torch.OutOfMemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                clips = max(len(part.phonemes) for part in parts)
                if self.launcher.world > 1 or clips == 1:
                    raise DubbenchError(
                        f"out of memory at step {self.step} with {clips} clips at once; {self._kept()}. Give more "
                        "--accumulate, or a smaller model"
                    ) from None
            self.optimiser.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            if len(parts) >= self.parts:
                self.parts = 2 * len(parts)
            print(
                f"out of memory at step {self.step}: each batch is now computed in {self.parts} parts", file=sys.stderr
            )
            parts = self.batch(self.step - 1)

    def _take(self, parts: Sequence[Batch]) -> dict[str, float]:
        rate = learning_rate(self.step, self.total, self.objective.training_settings, self.settings.decay)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # A step's randomness depends on its number alone: this is all the state that resuming needs.
        torch.manual_seed(_seed(self.settings.seed, self.step, self.launcher.rank))
        noises = [self.objective.noise(part) for part in parts]
        self.optimiser.zero_grad(set_to_none=True)
        clips = sum(len(part.phonemes) for part in parts)
        sums: dict[str, torch.Tensor] = {}
        for place, (part, noise) in enumerate(zip(parts, noises, strict=True), 1):
            share = len(part.phonemes) / clips
            with self.launcher.apart(self.module) if place < len(parts) else nullcontext():
                found = self.module(Given(part.to(self.launcher.device), noise))
                self.launcher.backward(found["total"] * share if share < 1 else found["total"])
            for name, loss in found.items():
                mine = loss.detach() * share if share < 1 else loss.detach()
                sums[name] = sums[name] + mine if name in sums else mine
        losses = sums
        norm = torch.nn.utils.clip_grad_norm_(self.objective.model.parameters(), self.settings.clip)
        numbers = torch.stack([*losses.values(), norm]).tolist()  # one wait for the GPU
        values = dict(zip([*losses, "norm", "rate"], [*numbers, rate], strict=True))
        if not all(math.isfinite(value) for value in values.values()):
            strange = ", ".join(f"{name} {value}" for name, value in values.items() if not math.isfinite(value))
            told = f"training stopped at step {self.step}: {strange}; {self._kept()}. Try a lower learning rate"
            raise DubbenchError(told)
        self.optimiser.step()
        self.average.update(self.objective.model, self.step)
        return values

    def _kept(self) -> str:
        found = checkpoint.steps_of(self.run)
        return f"the last good checkpoint is {found[-1]}" if found else "there was no checkpoint yet"

    @contextmanager
    def _batches(self) -> Iterator[Iterator[list[Batch]]]:
        """Batches from the next step on, made one ahead."""
        with ThreadPoolExecutor(1) as pool:

            def stream() -> Iterator[list[Batch]]:
                coming = pool.submit(self.batch, self.step) if self.step < self.total else None
                for step in range(self.step, self.total):
                    assert coming is not None
                    batch = coming.result()
                    coming = pool.submit(self.batch, step + 1) if step + 1 < self.total else None
                    yield batch

            yield stream()

    def batch(self, step: int) -> list[Batch]:
        """This process's share of the batch of ``step``, counted from 0, in its parts."""
        places = self.order.step(step)[self.launcher.rank :: self.launcher.world]
        rng = step_generator(self.settings.seed, step, self.launcher.rank)
        split = np.array_split(places, min(self.parts, len(places)))
        return [self.objective.batch(self.corpus, [int(p) for p in some], rng) for some in split]

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
            checkpoint.write(folder, groups, {**plain(self.meta), "step": self.step, "best": self.best})
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
    return int(np.random.SeedSequence(list(parts)).generate_state(1, np.uint64)[0] >> 1)
