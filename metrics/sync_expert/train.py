"""Training of the expert: for a stretch of lips the sound of the same moment must win against the same sound up to 15
frames away, and against other clips' sound (InfoNCE over both).
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dubbench.errors import DubbenchError
from dubbench.runtime.progress import progress
from dubbench.training import checkpoint
from dubbench.training.features import hold_out

from .curve import REACH, curve, read
from .data import Seen, read_clips, window
from .model import Expert, save_expert
from .signals import FPS, mel_input

WEIGHTS = "expert.safetensors"
LENGTHS = (12, 20, 30, 45)
"""Frames of the windows; one of them for a whole batch."""
NEIGHBOUR = 0.15
"""Share of the target on each offset of one frame: 40 ms are as fine as lips can be told."""


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        steps, batch: how many, of how many windows.
        rate: highest learning rate; warm-up over 5 % of the steps, then a half cosine to 2 %.
        decay: AdamW's.
        average: decay of the weights' average.
        width: of the model.
        seed: of weights, order and chance.
        hold_out: clips of each data set for validation, at most a tenth of them.
    """

    steps: int = 800
    batch: int = 48
    rate: float = 2e-3
    decay: float = 0.05
    average: float = 0.995
    width: int = 64
    seed: int = 0
    hold_out: int = 50


@dataclass(frozen=True)
class Sources:
    """What to train on.

    Attributes:
        features: files of ``dubbench train features``, with landmarks.
        roots: data set -> where it lies, for its sound.
        speakers: data set -> the only speakers to take.
    """

    features: Sequence[Path]
    roots: Mapping[str, Path]
    speakers: Mapping[str, Sequence[str]]


def loss_of(model: Expert, lips: Tensor, mels: Tensor) -> Tensor:
    """Mean InfoNCE of windows: lips (B, W + 10, 71), log-mels (B, 4 (W + 30) + 36, 32)."""
    seen, heard = model.see(lips), model.hear(mels)
    length = seen.shape[1]
    offsets = heard.unfold(1, length, 1)  # (B, 31, 64, W)
    own = torch.einsum("bwe,boew->bo", seen, offsets) / length
    others = torch.einsum("bwe,cwe->bc", seen, heard[:, REACH : REACH + length]) / length
    others = others.masked_fill(torch.eye(len(others), dtype=torch.bool), -1e4)
    logits = model.scale.exp() * math.sqrt(length / FPS) * torch.cat([own, others], 1)
    target = torch.zeros_like(logits)
    target[:, REACH - 1 : REACH + 2] = torch.tensor([NEIGHBOUR, 1 - 2 * NEIGHBOUR, NEIGHBOUR])
    return F.cross_entropy(logits, target)


def batch_of(clips: Sequence[Seen], settings: Settings, step: int) -> tuple[Tensor, Tensor]:
    """The windows of ``step``: they depend on its number and the seed alone."""
    rng = np.random.default_rng([settings.seed, step])
    chosen = rng.choice(len(clips), min(settings.batch, len(clips)), replace=False)
    length = int(rng.choice(LENGTHS))
    lips, mels = zip(*(window(clips[i], length, rng) for i in chosen), strict=True)
    return torch.from_numpy(np.stack(lips)), torch.from_numpy(np.stack(mels))


def learning_rate(step: int, settings: Settings) -> float:
    """At ``step``, from 1 on."""
    warm = max(1, round(0.05 * settings.steps))
    if step <= warm:
        return settings.rate * step / warm
    share = (step - warm) / max(1, settings.steps - warm)
    return settings.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)


def judge(model: Expert, clips: Sequence[Seen]) -> dict[str, float]:
    """Over whole clips: the share whose offset is found within one frame, mean confidence and distance."""
    found = [read(curve(model, clip.lips, mel_input(clip.power, clip.level))) for clip in clips]
    near = float(np.mean([abs(s.offset) * FPS < 1.5 for s in found]))
    return {
        "within_a_frame": near,
        "confidence": float(np.mean([s.confidence for s in found])),
        "distance": float(np.mean([s.distance for s in found])),
    }


def train(sources: Sources, run: Path, settings: Settings, seconds: float = 0.0, save_every: int = 250) -> bool:
    """Train in folder ``run``, going on where it was; at the end its ``expert.safetensors`` is written.

    Args:
        seconds: stop, in order, after that time; 0 for no limit.
        save_every: steps between checkpoints.

    Returns:
        whether it came to its end.

    Raises:
        DubbenchError: features or sound that cannot be read, a run begun with other settings, or a loss or gradient
            that is not a number (the last checkpoint is from before).
    """
    corpus = read_clips(sources.features, sources.roots, sources.speakers)
    clips = corpus.clips
    run.mkdir(parents=True, exist_ok=True)
    (run / "problems.txt").write_text("".join(f"{line}\n" for line in corpus.problems), "utf-8")
    aside: set[tuple[str, str]] = set()
    for name in sorted({clip.dataset for clip in clips}):
        ids = [clip.clip for clip in clips if clip.dataset == name]
        aside |= {(name, clip) for clip in hold_out(ids, min(settings.hold_out, len(ids) // 10))}
    learn = [clip for clip in clips if (clip.dataset, clip.clip) not in aside]
    check = [clip for clip in clips if (clip.dataset, clip.clip) in aside]
    meta = {
        "stage": "sync",
        "settings": asdict(settings),
        "landmarks": corpus.digests,
        "clips": {"train": len(learn), "validation": len(check)},
        "licences": corpus.licences,
        "commands": commands(list(corpus.digests), sources.speakers, settings),
    }
    return _Training(learn, check, settings, run, meta).fit(seconds, save_every)


def commands(read: Sequence[str], speakers: Mapping[str, Sequence[str]], settings: Settings) -> list[str]:
    """What to type to train so again.

    Args:
        read: data set and split, with a space between, of each file of features.
    """
    lines, options = [], []
    for name, split in (text.split(" ", 1) for text in read):
        lines.append(f"dubbench train features --dataset {name} --root DIR --split {split} --out {name}.safetensors")
        options += ["--features", f"{name}.safetensors", "--root", f"{name}=DIR"]
    for name, chosen in speakers.items():
        options += ["--speakers", f"{name}={','.join(chosen)}"]
    numbers = ("steps", "seed", "hold_out")
    options += [f"--{name.replace('_', '-')} {getattr(settings, name)}" for name in numbers]
    return [*lines, " ".join(["dubbench train sync", *options, "--out RUN"])]


class _Training:
    def __init__(
        self, learn: Sequence[Seen], check: Sequence[Seen], settings: Settings, run: Path, meta: dict[str, Any]
    ) -> None:
        self.learn, self.check, self.settings, self.run, self.meta = learn, check, settings, run, meta
        torch.manual_seed(settings.seed)
        self.model = Expert(settings.width)
        self.average = {name: x.detach().clone() for name, x in self.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=settings.rate, weight_decay=settings.decay)
        self.step = 0
        self._resume()

    def _resume(self) -> None:
        found = checkpoint.steps_of(self.run)
        if not found:
            return
        told = checkpoint.read_meta(found[-1])
        differ = [name for name in self.meta if told.get(name) != self.meta[name]]
        if differ:
            raise DubbenchError(f"{self.run} was begun with other {', '.join(differ)}; give a new folder with --out")
        self.model.load_state_dict(checkpoint.read(found[-1], "model"))
        self.average = checkpoint.read(found[-1], "ema")
        checkpoint.unpack_optimiser(self.optimiser, checkpoint.read(found[-1], "optimiser"))
        self.step = int(told["step"])

    def fit(self, seconds: float, save_every: int) -> bool:
        start, total = time.monotonic(), self.settings.steps
        with progress("sync expert", total - self.step) as advance:
            while self.step < total:
                values = self._take()
                advance()
                late = 0 < seconds < time.monotonic() - start
                if self.step % save_every == 0 or late or self.step == total:
                    self._save(values)
                if late and self.step < total:
                    return False
        state = {name: x.half() for name, x in self.average.items()}
        save_expert(state, {**self.meta, "validation": self._judge()}, self.run / WEIGHTS)
        return True

    def _take(self) -> dict[str, float]:
        """One step; its loss and gradient norm."""
        self.step += 1
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, self.settings)
        self.optimiser.zero_grad(set_to_none=True)
        loss = loss_of(self.model, *batch_of(self.learn, self.settings, self.step))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        values = {"loss": float(loss.detach()), "norm": float(norm)}
        if not all(math.isfinite(value) for value in values.values()):
            raise DubbenchError(
                f"training stopped at step {self.step}: loss {values['loss']}, gradient {values['norm']}; "
                f"the checkpoints in {self.run} are from before. Try a lower learning rate"
            )
        self.optimiser.step()
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        for name, x in self.model.state_dict().items():
            self.average[name].lerp_(x, 1 - decay)
        return values

    def _judge(self) -> dict[str, float]:
        model = Expert(self.settings.width)
        model.load_state_dict(self.average)
        return judge(model.eval(), self.check) if self.check else {}

    def _save(self, values: Mapping[str, float]) -> None:
        folder = self.run / "checkpoints" / f"step-{self.step:06}"
        shutil.rmtree(folder, ignore_errors=True)
        groups = {
            "model": self.model.state_dict(),
            "ema": self.average,
            "optimiser": checkpoint.pack_optimiser(self.optimiser),
        }
        checkpoint.write(folder, groups, {**self.meta, "step": self.step})
        for old in checkpoint.steps_of(self.run)[:-2]:
            shutil.rmtree(old)
        line = {"step": self.step, **values, **self._judge()}
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({k: round(v, 5) for k, v in line.items()}) + "\n")
