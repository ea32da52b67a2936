"""Numbers of parameters by module."""

from __future__ import annotations

import torch
from torch import nn

from .config import Config
from .stage1 import Stage1
from .stage2 import Stage2


def _count(module: nn.Module | None) -> int:
    return 0 if module is None else sum(p.numel() for p in module.parameters())


def count_parameters(config: Config) -> dict[str, int]:
    """Parameters by module, without allocating them.

    ``stage1`` and ``stage2`` are whole models as trained; ``inference`` is stage 2 without the CTC layer;
    ``visual`` is the part of it that first touches lips and face. The codec is not included.
    """
    with torch.device("meta"):
        first, second = Stage1(config), Stage2(config)
    content, dfpa, sync, fapro = second.content, second.dfpa, second.synchronizer, second.fapro
    counts = {
        "phoneme encoder": _count(content.embed) + _count(content.encoder),
        "duration predictor": _count(first.duration),
        "content FFT blocks": _count(content.decoder),
        "content predictor": _count(content.predictor),
        "content projection": _count(content.project),
        "content head": _count(content.head),
        "dfpa embedders": _count(dfpa.embedders),
        "dfpa projection": _count(dfpa.project),
        "dfpa time and speaker": _count(dfpa.time) + _count(dfpa.speaker),
        "dfpa transformer": _count(dfpa.dit),
        "dfpa final layer": _count(dfpa.final),
        "dfpa heads": _count(dfpa.heads),
        "fapro": _count(fapro),
        "sync video-text": _count(sync.video_text),
        "sync speech-text": _count(sync.speech_text),
        "sync upsampling and ConvNeXt": _count(sync.upsample) + _count(sync.convnext),
        "sync visual and fusion": _count(sync.visual) + _count(sync.fuse),
        "fusion": _count(second.fuse),
        "ctc": _count(second.ctc),
    }
    counts["visual"] = _count(sync.visual) + (_count(fapro.visual) if fapro is not None else 0)
    counts["dfpa"] = _count(dfpa)
    counts["stage1"] = _count(first)
    counts["stage2"] = _count(second)
    counts["inference"] = _count(second) - _count(second.ctc)
    return counts
