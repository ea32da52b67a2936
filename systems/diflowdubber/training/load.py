"""Models from checkpoints, and checkpoints reduced to inference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dubbench.errors import DubbenchError
from dubbench.training.checkpoint import kept, load_state, read, read_meta, write

from ..config import Config
from ..stage1 import Stage1
from ..stage2 import Stage2

MODELS: dict[str, type[Stage1] | type[Stage2]] = {"tts": Stage1, "dub": Stage2}


def release(source: Path, target: Path, limit: int | None = None, dtype: torch.dtype = torch.float16) -> None:
    """The weights that inference needs alone: the average's if there is one, without what only training uses."""
    meta = read_meta(source)
    config = Config.from_dict(meta["config"])
    state = read(source, "ema" if "ema" in meta["files"] else "model")
    if meta["stage"] == "dub":
        state = {name: x for name, x in state.items() if not name.startswith("ctc.")}
        config = replace(config, ctc=False, distill=False)
    small = {name: x.to(dtype) if x.is_floating_point() else x for name, x in state.items()}
    write(target, {"model": small}, {**kept(meta), "config": config.to_dict(), "released": True}, limit)


def load_model(folder: Path, stage: str, average: bool = True) -> tuple[Stage1 | Stage2, dict[str, Any]]:
    """A model in eval mode with its weights as float32, and the checkpoint's meta.

    Args:
        stage: ``tts`` or ``dub``; what it must be.
        average: take the average of the weights where there is one.

    Raises:
        DubbenchError: a checkpoint of the other stage, damaged, or that does not fit its configuration.
    """
    meta = read_meta(folder)
    if meta.get("stage") != stage:
        raise DubbenchError(f"{folder}: a checkpoint of stage {meta.get('stage')!r}; {stage!r} is wanted")
    config = Config.from_dict(meta["config"])
    state = read(folder, "ema" if average and "ema" in meta["files"] else "model")
    model = MODELS[stage](config)
    load_state(model, {name: x.float() if x.is_floating_point() else x for name, x in state.items()}, str(folder))
    return model.eval(), meta
