"""Table 3: every row of it trained on the same features, from one shared stage 1."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dubbench.core.ablation import Order, Published, Row, Step, TrainOn
from dubbench.core.spec import Spec
from dubbench.datasets.roots import open_dataset
from dubbench.datasets.selection import select
from dubbench.errors import DubbenchError
from dubbench.runtime.digests import digest
from dubbench.runtime.files import write_text

from .config import Config
from .presets import TABLE_3, meant
from .published import TABLE_3 as PUBLISHED
from .settings import resolve

ROWS = (
    Row("full", "Ours"),
    Row("no-pretraining", "w/o zero-shot TTS pre-training", "Zero-shot TTS pre-training"),
    Row("no-align", "w/o (L_VT + L_ST)", "Synchronizer"),
    Row("no-vt", "w/o L_VT", "Synchronizer"),
    Row("no-st", "w/o L_ST", "Synchronizer"),
    Row("no-distill", "w/o L_distill", "Content-consistent temporal adaptation"),
    Row("no-ctc", "w/o L_CTC", "Content-consistent temporal adaptation"),
    Row("no-fuse", "w/o fused global prosody prior", "Content-consistent temporal adaptation"),
    Row("no-fapro", "w/o FaPro", "Facial features"),
)

OPTIONS = {"codec": "world", "nfe": "16", "stage-1-steps": "0", "average": "0.99"}
"""Options of the order beside the common ones: the codec, function evaluations when dubbing, steps of stage 1 (0: the
size's own), decay of the weights' average."""

SECONDS_A_CLIP = 2.5
"""To make the features of one clip of 3 s, on one core: a rough figure for plans (landmarks, codec, alignment)."""


class Table3:
    """`dubbench.core.ablation.Recipe`.

    Args:
        order: what is asked for.
        sampling: options of the system with which it samples as the paper does.

    Raises:
        DubbenchError: a row, option, size or setting that does not exist.
    """

    def __init__(self, order: Order, sampling: Mapping[str, str]) -> None:
        self.order, self.sampling = order, sampling
        names = {row.name: row for row in ROWS}
        asked = [*order.rows, *(name for name, _ in order.checkpoints)]
        for name in asked:
            if name not in names:
                raise DubbenchError(f"no row {name!r} in Table 3; {meant(name, names)}")
        self.rows: Sequence[Row] = [row for row in ROWS if not asked or row.name in {"full", *asked}]
        for key in order.options:
            if key not in OPTIONS:
                raise DubbenchError(f"no option {key!r}; {meant(key, OPTIONS)}")
        self.options: Mapping[str, str] = {**OPTIONS, **order.options}
        self.size = order.size or "tiny"
        self.base = resolve(self.size, (), order.settings)
        self.title = f"Table 3 of DiFlowDubber, {self.base.name}"
        self.published: Published | None = PUBLISHED
        self.given = {name: [p for row, p in order.checkpoints if row == name] for name in names}
        for name, paths in self.given.items():
            if paths and len(paths) != len(order.seeds):
                raise DubbenchError(
                    f"{len(paths)} checkpoints for {name} and {len(order.seeds)} seeds; give one a seed"
                )
        number(self.options, "nfe")
        self.notes: Sequence[str] = [
            f"One stage 1 for all rows and seeds; a seed is one training of stage 2. The size {self.base.name} "
            f"({self._steps(self.base)}) is not the paper's.",
            f"The Synchronizer's attention is {self.base.attention}"
            + (
                ": the diagonal is built in, so that rows 3 to 5 come out milder than with the paper's; "
                "--set attention=expected takes that one."
                if self.base.attention == "monotonic"
                else "."
            ),
        ]

    def steps(self) -> Sequence[Step]:
        """Features, stage 1, then every row of every seed."""
        rows = [row for row in self.rows if not self.given[row.name]]
        if not rows:
            return []
        steps = [Step(f"features of {on.dataset}", None, *self._features(on)) for on in self.order.data]
        if any(self.config(row).pretraining for row in rows):
            steps.append(Step("train stage 1", None, *self._training("tts", self.base, self.stage1, 0)))
        for seed in self.order.seeds:
            for row in rows:
                work = self._training("dub", self.config(row), self.run(row, seed), seed)
                steps.append(Step(f"train {row.name}, seed {seed}", seed, *work))
        return steps

    def spec(self, row: Row, seed: int) -> Spec:
        """The system that was trained (or given), dubbing as the paper does."""
        given = self.given[row.name]
        where = given[self.order.seeds.index(seed)] if given else self.run(row, seed)
        options: list[tuple[str, Any]] = [("checkpoint", str(where.absolute())), ("nfe", number(self.options, "nfe"))]
        options += self.sampling.items()
        if not given and self.options["codec"] != "world":
            options.append(("codec", self.options["codec"]))
        return Spec("diflowdubber", (), tuple(options))

    def config(self, row: Row) -> Config:
        """The row's configuration."""
        return resolve(self.size, [row.name] if row.name in TABLE_3 else [], self.order.settings)

    @property
    def stage1(self) -> Path:
        """Its run folder."""
        return self.order.folder / "stage-1"

    def run(self, row: Row, seed: int) -> Path:
        """Folder of a row's training."""
        return self.order.folder / f"{row.name}-seed-{seed}"

    def _steps(self, config: Config) -> str:
        steps = self.order.steps or config.dub.steps
        return f"{steps} steps of stage 2" if steps else f"{config.dub.epochs} epochs of stage 2"

    # Features.

    def _cache(self, on: TrainOn) -> Path:
        from .codecs import open_codec

        key = digest([on.dataset, str(on.root), on.split, on.limit, open_codec(self.options["codec"]).digest])[:10]
        return self.order.folder / f"features-{on.dataset}-{Path(on.split).stem}-{key}.safetensors"

    def _features(self, on: TrainOn) -> tuple[Callable[[], bool], Callable[[], None], Callable[[], float]]:
        path = self._cache(on)

        def work() -> None:
            from .training.jobs import make_features, sources_of

            data = open_dataset(on.dataset, {on.dataset: on.root} if on.root else {})
            sources = sources_of(data, on.split, on.limit)
            workers = self.order.workers
            make_features(on.dataset, on.split, sources, path, self.options["codec"], "landmarks", workers, 300.0)

        return path.with_name(f"{path.name}.key").is_file, work, lambda: SECONDS_A_CLIP * self._clips[on] / 2

    @cached_property
    def _clips(self) -> dict[TrainOn, int]:
        """How many clips there are to train on."""
        found = {}
        for on in self.order.data:
            data = open_dataset(on.dataset, {on.dataset: on.root} if on.root else {})
            found[on] = len(select(data, on.split, on.limit).clips)
        return found

    # Training.

    def _training(
        self, stage: Any, config: Config, run: Path, seed: int
    ) -> tuple[Callable[[], bool], Callable[[], None], Callable[[], float]]:
        caches = [self._cache(on) for on in self.order.data]
        steps = number(self.options, "stage-1-steps") if stage == "tts" else self.order.steps
        key = digest([config.to_dict(), [c.name for c in caches], steps, seed, self.options["average"]])
        marker = run / "ended.json"

        def done() -> bool:
            return marker.is_file() and json.loads(marker.read_text("utf-8")).get("key") == key

        def work() -> None:
            from .training.options import Settings
            from .training.run import Job, Machine, train

            teacher = self.stage1 if stage == "dub" and config.pretraining else None
            job = Job(stage, config, caches, run, held_out=0, teacher=teacher)
            average = number(self.options, "average", float)
            settings = Settings(seed=seed, average=average, steps=steps, save_every=100, validate_every=10**9, keep=1)
            outcome = train(job, settings, Machine(self.order.device))
            if outcome.stopped == "SIGINT":
                raise KeyboardInterrupt
            if outcome.stopped:
                raise SystemExit(outcome.status)
            write_text(marker, json.dumps({"key": key, "step": outcome.step}) + "\n")

        def seconds() -> float:
            from .step_time import seconds_a_step

            own = config.tts if stage == "tts" else config.dub
            total = steps or own.steps or own.epochs * max(1, sum(self._clips.values()) // own.batch)
            return max(0, total - _steps_done(run)) * seconds_a_step(stage, self.base)

        return done, work, seconds


def _steps_done(run: Path) -> int:
    from dubbench.training.checkpoint import steps_of

    found = steps_of(run)
    return int(found[-1].name.removeprefix("step-")) if found else 0


def number(options: Mapping[str, str], key: str, kind: Any = int) -> Any:
    """An option as a number.

    Raises:
        DubbenchError: it is none, or below 0.
    """
    try:
        value = kind(options[key])
    except ValueError:
        value = -1
    if value < 0:
        raise DubbenchError(f"option {key}: {options[key]!r} is not a number of at least 0")
    return value


def table_3(order: Order, sampling: Mapping[str, str]) -> Table3:
    """The recipe for ``order`` (see `Table3`)."""
    return Table3(replace(order, folder=order.folder.absolute()), sampling)
